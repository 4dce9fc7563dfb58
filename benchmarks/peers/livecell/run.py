"""Our own default: `livecell train DATA --minutes M`, then `livecell predict`. Run: `run.py DATA RESULTS --minutes M`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers.interface import parse_arguments, write_seconds

ROOT = Path(__file__).resolve().parents[3]  #: of the code that is compared, whichever is installed


def call_livecell(folder: str, *words: str | Path) -> float:
    """Run our command line in a folder, and end with its exit code if it fails; the seconds that it took."""
    # runs are tracked in the folder, not in the user's own store
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PYTHONPATH"] = str(ROOT)
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "livecell_monai.cli", *words], cwd=folder, env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    return time.monotonic() - start


def train_and_predict(*options: str, separates_cells: bool = True) -> None:
    """Be a peer by way of our own command line.

    Args:
        options: further ones for `livecell train`.
        separates_cells: whether `livecell predict` writes cells beside the masks.
    """
    arguments = parse_arguments()
    data, results = arguments.data.resolve(), arguments.results.resolve()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        minutes = str(arguments.minutes)
        training = call_livecell(folder, "train", data, "--output", model, "--minutes", minutes, *options)
        asked = ("--output", results, "--cells" if separates_cells else "--no-cells")
        prediction = call_livecell(folder, "predict", model, data / "test" / "images", *asked)
    write_seconds(results, training, prediction)


if __name__ == "__main__":
    train_and_predict()
