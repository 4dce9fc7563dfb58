"""The hidden folder that the mask of a large image is written to, so that an interrupted run resumes; the finished mask."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.large.chunks import CHUNK, large_image_errors, open_level
from livecell_monai.runs.atomic import move_to_name
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import Pixels

ENDINGS = {"tiff": ".ome.tif", "zarr": ".ome.zarr"}  #: file ending by the setting large_image_format


class LargeImageFolder:
    """`.NAME.writing` in the output folder: the ledger of a large image, its thumbnail, and its mask as OME-Zarr.

    Methods raise a DataError if they cannot write or read.
    """

    def __init__(self, output_dir: Path, name: str) -> None:
        self.path = output_dir / f".{name}.writing"
        self.name = name
        remedy = "undo the change, or start again by --overwrite without --resume"
        self.ledger = Ledger(self.path, "a large image", remedy, results=self.path)
        self.image = self.path / "mask.ome.zarr"
        self.cells = self.image / "labels" / "cells"  #: the label image of the cells
        self._maps = self.path / "maps"

    def start(self, record: Mapping[str, Any], shape: tuple[int, int], thumbnail: Pixels, maps: Iterable[str] = ()) -> None:
        """Create the folder: an empty mask of a shape (Y, X), a reduced image (Y, X), and last the record of the ledger.

        There is also an empty map for each name in `maps`.
        """
        self.remove()
        with large_image_errors(self.path):
            self.path.mkdir(parents=True)
            buffer = io.BytesIO()  # when numpy writes a file itself, it misses that the last bytes were refused
            np.save(buffer, thumbnail, allow_pickle=False)
            (self.path / "thumbnail.npy").write_bytes(buffer.getbuffer())
            open_level(self.image, 0, shape)
            for name in maps:
                open_level(self._maps / name, 0, shape)
            self.ledger.start(**record)

    def read_record(self) -> dict[str, Any] | None:
        """The record of the large image that was started here; None if there is nothing to resume."""
        return self.ledger.read() if self.ledger.is_unfinished() else None

    def is_unfinished(self) -> bool:
        """Whether a mask was begun here, or was marked, and is not published yet."""
        return self.path.exists() and (self.image.exists() or not self.ledger.is_unfinished())

    def mark(self, mask: Path) -> None:
        """Create the empty folder, which says that the finished mask of this path is to be replaced, if there is one."""
        if mask.exists():
            with large_image_errors(self.path):
                self.path.mkdir(exist_ok=True)

    def unmark(self) -> None:
        """Remove the folder if nothing was begun in it."""
        if self.path.exists() and not self.ledger.is_unfinished():
            self.remove()

    def check_new(self, mask: Path) -> None:
        """Reject an unfinished large image; `mask` is the path of the finished one, for the message."""
        if self.path.exists():
            raise SettingError(
                f"{mask}: an unfinished large image exists; resume it by --resume, or start again by --overwrite"
            )

    def pixel_size_um(self) -> tuple[float, float] | None:
        """(Y, X) of the large image that was started here."""
        size = (self.read_record() or {})["pixel_size_um"]
        return None if size is None else (float(size[0]), float(size[1]))

    def thumbnail(self) -> Pixels:
        """The reduced image (Y, X)."""
        return np.asarray(np.load(self.path / "thumbnail.npy", allow_pickle=False))

    def array(self) -> Any:
        """The Zarr array (Y, X) uint8 of the mask."""
        return open_level(self.image, 0)

    def maps(self) -> dict[str, Any]:
        """The Zarr arrays (Y, X) uint8 of the quantised maps that cells are made from, by name; empty without cells."""
        return {path.name: open_level(path, 0) for path in sorted(self._maps.glob("*"))}

    def done(self) -> frozenset[tuple[int, int]]:
        """The chunks (row, column) that are on disk, of the mask and all maps; each was written atomically."""
        return _list_chunks(self.image).intersection(*map(_list_chunks, self._maps.glob("*")))

    def missing_bands(self) -> list[tuple[int, int]]:
        """Rows [top, bottom) of the mask that lack a chunk: whole rows of chunks, adjacent ones joined."""
        height, width = self.array().shape
        done, columns = self.done(), -(-width // CHUNK)
        bands: list[tuple[int, int]] = []
        for row in range(-(-height // CHUNK)):
            if all((row, column) in done for column in range(columns)):
                continue
            top, bottom = row * CHUNK, min(height, (row + 1) * CHUNK)
            if bands and bands[-1][1] == top:
                top, _ = bands.pop()
            bands.append((top, bottom))
        return bands

    def publish(self, finished: Mapping[Path, Path]) -> None:
        """Move finished files or folders to their final paths, replacing earlier ones; then delete the hidden folder."""
        with large_image_errors(self.path):
            for partial in self.image.rglob("*.partial"):  # unfinished writes of a killed run
                partial.unlink()
        for source, path in finished.items():
            move_to_name(source, path, aside=self.path)
        self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        self.ledger.end()


def _list_chunks(image: Path) -> frozenset[tuple[int, int]]:
    files = (image / "0" / "c").glob("*/*")
    return frozenset((int(file.parent.name), int(file.name)) for file in files if file.name.isdecimal())


@contextmanager
def open_finished(path: Path, group: str = "") -> Iterator[Any]:
    """The array (Y, X) of NAME.ome.tif or NAME.ome.zarr, there of a group in it, read chunk by chunk.

    Raises a DataError if it cannot be read.
    """
    import zarr

    try:
        if path.is_dir():
            yield zarr.open_group(str(path / group), mode="r")["0"]
            return
        with tifffile.TiffFile(path) as tif, tif.aszarr(level=0) as store:
            yield zarr.open_array(store, mode="r")
    except (OSError, ValueError, KeyError, tifffile.TiffFileError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: the large image is incomplete ({reason}); predict it again by --overwrite") from error
