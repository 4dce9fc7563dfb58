"""Writes a folder of drawn fields in the form in which the package expects real data.

folder/train/{images,labels,borders}/cells_01.tif ...
folder/test/{images,labels}/field_01.tif ...
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from livecell_monai.data.plane_files import write_border, write_image, write_label
from livecell_monai.data.samples.synthetic import Field, draw_field
from livecell_monai.errors import DataError, SettingError
from livecell_monai.runs.atomic import make_folder, writing_errors

PIXEL_SIZE_UM = (0.65, 0.65)  #: (Y, X) pixel size that the files state, that of a 10x objective on a 6.5 µm camera


def write_sample_set(
    folder: Path | str, *, train: int = 3, test: int = 12, shape: tuple[int, int] = (1024, 1024), seed: int = 0
) -> Path:
    """Draws training and test fields and writes them to a new folder.

    The same seed gives the same pixels, and a field does not depend on how many others are drawn. The folder stays
    empty until every file is written.

    Args:
        folder: where to write; must not exist or be empty. Missing parents are made.
        train: number of training fields, with label and border weight, at least 1.
        test: number of test fields, with label, 0 or more.
        shape: (Y, X) of each field in pixels, at least 64 each.
        seed: 0 or more.

    Returns:
        The folder.

    Raises:
        DataError: if something is at the folder's place already.
        SettingError: if a number or the shape is out of range.
    """
    folder = Path(folder)
    for name, value, least in (("train", train, 1), ("test", test, 0), ("seed", seed, 0)):
        if value < least:
            raise SettingError(f"{name}: must be at least {least} for a sample set, got {value}; give a larger number")
    _check_occupied(folder)
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".sample-set-", dir=folder.parent) as workshop:
        draft = Path(workshop)
        _write_parts(draft, train, test, shape, seed)
        _check_occupied(folder)  # again: drawing takes long enough for someone else to have written there
        make_folder(folder)
        # An empty folder may be a mount point, which only a move, not a rename of the whole, can fill. Train is last:
        # without it nobody takes the set for complete.
        parts = sorted(draft.iterdir())
        try:
            with writing_errors(folder):
                for part in parts:
                    shutil.move(part, folder / part.name)
        except BaseException:
            for part in parts:  # a move to another disk is a copy, which that may have no room for
                shutil.rmtree(folder / part.name, ignore_errors=True)
            raise
    return folder


def _write_parts(draft: Path, train: int, test: int, shape: tuple[int, int], seed: int) -> None:
    """Draws and writes every field, those for training with their border weights."""
    for number in range(1, train + 1):
        name = f"cells_{number:02d}"
        field = draw_field(shape, rng=_build_rng(seed, 0, number))
        _write_field(draft / "train", name, field)
        write_border(_place(draft / "train", "borders", name), field.border, pixel_size_um=PIXEL_SIZE_UM)
    for number in range(1, test + 1):
        _write_field(draft / "test", f"field_{number:02d}", draw_field(shape, rng=_build_rng(seed, 1, number)))


def _check_occupied(folder: Path) -> None:
    """Raises DataError unless the folder is missing or empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a sample set needs a folder, this is a file; name another place")
    if folder.is_dir() and (found := len(list(folder.iterdir()))):
        raise DataError(
            f"{folder}: a sample set is written to a new or empty folder only, this one holds {found} "
            f"{'entry' if found == 1 else 'entries'}; name another folder or empty this one"
        )


def _build_rng(seed: int, part: int, number: int) -> np.random.Generator:
    """The generator of one field, told apart by its part (0 train, 1 test) and number alone."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(part, number)))


def _write_field(part: Path, name: str, field: Field) -> None:
    """Writes image and label of one field to a part of the set."""
    write_image(_place(part, "images", name), field.image, pixel_size_um=PIXEL_SIZE_UM)
    write_label(_place(part, "labels", name), field.label, pixel_size_um=PIXEL_SIZE_UM)


def _place(part: Path, sort: str, name: str) -> Path:
    """The path of one file, whose folder is made."""
    return make_folder(part / sort) / f"{name}.tif"
