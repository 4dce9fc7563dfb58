"""The shipped start as a bundle, so that it predicts without a training: `livecell predict start IMAGES`."""

from importlib.resources import files
from pathlib import Path

from livecell_monai.bundle.contents import read_metadata
from livecell_monai.bundle.export import write_bundle
from livecell_monai.bundle.foreign.files import is_foreign
from livecell_monai.bundle.weights import write_weights
from livecell_monai.errors import BundleError
from livecell_monai.network.start import StartFile, find_shipped_start, read_start_file
from livecell_monai.plan import plan_zero_shot
from livecell_monai.settings import input_multiple, list_settings

START = "start"  #: the name of the bundle
VIEWS = 4  #: quarter turns that are averaged: what was not learned from such images depends on how they lie
EXPECTED = "expected_diameter_px"  #: key under `training` in metadata.json: of cells at the working scale


def read_shipped_start() -> StartFile:
    """The shipped start; a BundleError if this installation has none."""
    path = find_shipped_start()
    if path is None:
        raise BundleError(f"{START}: this installation ships no start; train a bundle and name its folder")
    return read_start_file(path)


def write_start_bundle(folder: Path) -> Path:
    """Write the shipped start as a bundle into an empty folder, and return it.

    Its settings are for cells of the size that the start expects; see `prediction.zero_shot` for others.
    """
    found = read_shipped_start()
    start = found.start
    sizes = plan_zero_shot(start.diameter, start.diameter)
    settings = {**list_settings(["inference"]), **start.network, "maps": start.head, **sizes, "tta_views": VIEWS}
    hashes = write_weights(start.weights, folder / "models")
    training = {EXPECTED: start.diameter, "start_sha256": found.sha256, "facts": found.facts, **hashes}
    card = files("livecell_monai").joinpath("weights", "README.md").read_text(encoding="utf-8")
    multiple = input_multiple(len(settings["filters"]), settings["stem_stride"], settings["norm"])
    write_bundle(folder, settings, training, card, multiple)
    return folder


def read_expected_diameter(bundle: str | Path) -> float | None:
    """The diameter in px of the cells that a start expects at its working scale; None for a bundle that was trained."""
    if is_foreign(bundle):
        return None
    found = read_metadata(Path(bundle)).get("training", {}).get(EXPECTED)
    return float(found) if isinstance(found, int | float) and found > 0 else None


def find_assumed_diameter(checkpoint: str | Path, cell_diameter: float) -> float | None:
    """The diameter in px that is assumed for cells if the bundle of a checkpoint is the start; None for a trained one."""
    bundle = Path(checkpoint).parent.parent
    if not (bundle / "configs" / "metadata.json").is_file() or read_expected_diameter(bundle) is None:
        return None
    return cell_diameter
