"""Writes drawn fields as train/{images,labels,borders}/cells_01.tif and test/{images,labels}/field_01.tif of a folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.samples.synthetic import draw_field, measure_border
from livecell_monai.errors import DataError
from livecell_monai.runs.atomic import make_folder, remove, writing_errors
from livecell_monai.sample import Pixels

PIXEL_SIZE_UM = (0.65, 0.65)  #: (Y, X) pixel size that the files state, that of a 10x objective on a 6.5 µm camera


def write_sample_set(
    folder: Path | str, *, train: int = 3, test: int = 12, shape: tuple[int, int] = (1024, 1024), seed: int = 0
) -> Path:
    """Draw training and test fields and write them to a new or empty folder, which is returned.

    The same seed gives the same pixels, and a field does not depend on the number of others. The folder stays empty until
    every file is written.

    `train` and `test` are the numbers of fields, `shape` (Y, X) their pixels, at least 64 each. Raises a DataError if the
    folder is not empty.
    """
    with new_folder(Path(folder)) as draft:
        for role, count in (("train", train), ("test", test)):
            for number in range(1, count + 1):
                _write_field(draft / role, number, shape, seed)
    return Path(folder)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft of a sample set, whose parts move to a new or empty folder when it is complete; else that one stays empty."""
    _check_empty(folder)
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".sample-set-", dir=folder.parent) as temporary:
        yield Path(temporary)
        _check_empty(folder)  # again: another process may have written there while the fields were drawn
        make_folder(folder)
        # an empty folder may be a mount point, which cannot be replaced; train comes last: without it, a set is incomplete
        parts = sorted(Path(temporary).iterdir(), key=lambda part: (part.name == "train", part.name))
        try:
            with writing_errors(folder):
                for part in parts:
                    shutil.move(part, folder / part.name)
        except BaseException:
            for part in parts:  # a move to another disk is a copy, which may run out of room
                shutil.rmtree(folder / part.name, ignore_errors=True)
                remove(folder / part.name)
            raise


def _write_field(part: Path, number: int, shape: tuple[int, int], seed: int) -> None:
    """Draw a field and write its image and label, for training also its border weights."""
    is_training = part.name == "train"
    spawn_key = (0 if is_training else 1, number)
    field = draw_field(shape, rng=np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key)))
    planes: dict[str, Pixels] = {"images": field.image, "labels": field.label}
    if is_training:
        planes["borders"] = measure_border(field.label)
    for kind, pixels in planes.items():
        name = f"{'cells' if is_training else 'field'}_{number:02d}.tif"
        write_plane(make_folder(part / kind) / name, pixels, PIXEL_SIZE_UM)


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a sample set needs a folder, this is a file; name another place")
    if folder.is_dir() and (found := len(list(folder.iterdir()))):
        raise DataError(
            f"{folder}: a sample set is written to a new or empty folder only, this one holds {found} "
            f"{'entry' if found == 1 else 'entries'}; name another folder or empty this one"
        )
