"""Our own default: `livecell train DATA --minutes M`, then `livecell predict`. Run: `run.py DATA MASKS --minutes M`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers.interface import parse_arguments, write_seconds


def call_livecell(folder: str, *words: str | Path) -> float:
    """Run our command line in a folder, and end with its exit code where it fails; the seconds that it took."""
    # runs are noted in the folder, not in the user's own store
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    start = time.monotonic()
    done = subprocess.run([Path(sys.executable).with_name("livecell"), *words], cwd=folder, env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    return time.monotonic() - start


def train_and_predict(*options: str) -> None:
    """Be a peer by way of our own command line.

    Args:
        options: further ones for `livecell train`.
    """
    arguments = parse_arguments()
    data, masks = arguments.data.resolve(), arguments.masks.resolve()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        minutes = str(arguments.minutes)
        training = call_livecell(folder, "train", data, "--output", model, "--minutes", minutes, *options)
        prediction = call_livecell(folder, "predict", model, data / "test" / "images", "--output", masks)
    write_seconds(masks, training, prediction)


if __name__ == "__main__":
    train_and_predict()
