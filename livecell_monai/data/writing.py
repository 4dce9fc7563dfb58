"""Planes onto disk, each file whole or not at all.

Every writer goes through `atomic_path`, so that a crash, a full disk or a second process never leaves half a file under
a name that someone trusts.
"""

import csv
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike

from livecell_monai.data.names import stem_of
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Pixels

_UM_PER_CM = 1e4
_FLOATING_POINT = 3  # TIFF's predictor for floats: sorts their bytes so that they compress


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to, in the same folder and with the same ending, which takes the final name at the end.

    Until then a file that has the name already stays as it is; on any failure the temporary one is removed.

    Args:
        path: the final name.

    Raises:
        DataError: the system refuses: disk full, no right to write, no such folder.
    """
    temporary = temporary_path(path)
    try:
        with refusing_to_write(path):
            yield temporary
            temporary.replace(path)
    finally:
        remove(temporary)


def temporary_path(path: Path) -> Path:
    """A name in the same folder and with the same ending that nothing has."""
    # hidden, so that a listing of images never takes it up; short, whatever the length of the name
    return path.with_name(f".writing-{uuid.uuid4().hex}{path.name[len(stem_of(path)) :]}")


@contextmanager
def refusing_to_write(path: Path) -> Iterator[None]:
    """Turn what the system says while a file is written into one line.

    Args:
        path: the name that the message gives.

    Raises:
        DataError: the system refuses: disk full, no right to write, no such folder.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({tell_reason(error)}); make room, or choose a folder that exists and may be "
            "written to"
        ) from error


def tell_reason(error: OSError) -> str:
    """What the system says, on one line."""
    if isinstance(error, shutil.Error):  # of a folder: a list of what went wrong, file by file
        return " ".join(str(error.args[0][0][-1]).split())
    # numpy gives the number of bytes alone that were taken
    return " ".join((error.strerror or f"no more room, {error}").split())


def remove(temporary: Path) -> None:
    """Remove a temporary file, where there is one."""
    with suppress(OSError):  # there is none, or its folder is no folder: the first error tells more
        temporary.unlink()


def refuse_taken(path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written without loss, before any work is done.

    Args:
        path: the file.
        overwrite: whether a file of an earlier call may be written over.

    Raises:
        SettingError: where its folder is not there, or the file is.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SettingError(f"{path}: must be a file in a folder that is there, it is not; make the folder or name another")
    if path.exists() and not overwrite:
        raise SettingError(f"{path}: a result must not be there yet, it is; name another file or --overwrite")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, a column for each name that any row has, in the order they come up.

    Args:
        path: ends in .csv.
        rows: values by name; a name that a row lacks is left empty.

    Raises:
        DataError: the file cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, names)
        table.writeheader()
        table.writerows(rows)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, where they are not there yet.

    Args:
        folder: the folder.

    Raises:
        DataError: the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose a folder that may be written to") from error
    return folder


def write_mask(path: Path, mask: Pixels, pixel_size_um: tuple[float, float] | None) -> None:
    """Write a foreground mask as 8 bit TIFF, 0 and 255.

    Args:
        path: ends in .tif.
        mask: (Y, X) bool.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(mask, np.bool_)
    write_plane(path, mask_pixels(mask), pixel_size_um)


def write_probability(path: Path, probability: Pixels, pixel_size_um: tuple[float, float] | None) -> None:
    """Write a probability of foreground as 32 bit float TIFF.

    Args:
        path: ends in .tif.
        probability: (Y, X) float32 in [0, 1].
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(probability, np.float32)
    write_plane(path, probability, pixel_size_um)


def write_label(path: Path, ids: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a label as 16 bit TIFF.

    Args:
        path: ends in .tif.
        ids: (Y, X) uint16, 0 background, > 0 foreground.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(ids, np.uint16)
    write_plane(path, ids, pixel_size_um)


def write_image(path: Path, image: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a grey image as 16 bit TIFF.

    Args:
        path: ends in .tif.
        image: (Y, X) uint16.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(image, np.uint16)
    write_plane(path, image, pixel_size_um)


def write_border(path: Path, weights: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write a weight per pixel as 32 bit float TIFF.

    Args:
        path: ends in .tif.
        weights: (Y, X) float32, finite and >= 0.
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    _require_plane_of(weights, np.float32)
    write_plane(path, weights, pixel_size_um)


def mask_pixels(mask: Pixels) -> Pixels:
    """A mask (Y, X) bool as its file holds it, uint8 0 and 255."""
    return mask.astype(np.uint8) * np.uint8(255)


def resolution_tags(pixel_size_um: tuple[float, float] | None) -> dict[str, Any]:
    """The size (Y, X) of a pixel as tifffile takes it, in pixels per centimetre; nothing where it is unknown."""
    if pixel_size_um is None:
        return {}
    y, x = pixel_size_um
    return {"resolution": (_UM_PER_CM / x, _UM_PER_CM / y), "resolutionunit": "CENTIMETER"}


def _require_plane_of(pixels: Pixels, dtype: DTypeLike) -> None:
    """Refuse what a cast would change in silence (ids above 65535, fractions); the caller's fault, hence ValueError."""
    if pixels.ndim != 2 or pixels.dtype != dtype:
        raise ValueError(f"must be (Y, X) {np.dtype(dtype)}, got {pixels.shape} {pixels.dtype}")


def write_plane(path: Path, pixels: Pixels, pixel_size_um: tuple[float, float] | None = None) -> None:
    """Write one plane of any type as deflated TIFF, the pixel size as resolution in pixels per centimetre.

    Never plainly: numpy, which then writes, does not see that the last bytes were refused.

    Args:
        path: ends in .tif.
        pixels: (Y, X).
        pixel_size_um: (Y, X), None where unknown.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            predictor=_FLOATING_POINT if pixels.dtype.kind == "f" else None,
            metadata=None,  # the tags tell all; and a name in .ome.tif does not make an OME-TIFF of it
            **resolution_tags(pixel_size_um),
        )
