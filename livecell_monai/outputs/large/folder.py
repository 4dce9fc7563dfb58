"""The hidden folder that the mask of a large image is written to, so that an interrupted run resumes."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.outputs.large.chunks import CHUNK, large_image_errors
from livecell_monai.outputs.large.pyramid import open_level
from livecell_monai.runs.atomic import move_to_name
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import Pixels


class LargeImageFolder:
    """`.NAME.writing` in the output folder: the ledger of a large image, its thumbnail, and its mask as OME-Zarr.

    Args:
        output_dir: folder of the results.
        name: name of the large image.
    """

    def __init__(self, output_dir: Path, name: str) -> None:
        self.path = output_dir / f".{name}.writing"
        self.name = name
        remedy = "undo the change, or start again by --overwrite without --resume"
        self.ledger = Ledger(self.path, "a large image", remedy, results=self.path)
        self.image = self.path / "mask.ome.zarr"

    def start(self, record: Mapping[str, Any], shape: tuple[int, int], thumbnail: Pixels) -> None:
        """Create the folder; the record is written last.

        Args:
            record: record of the ledger: `started_with`, and measured values.
            shape: (Y, X) of the mask.
            thumbnail: (Y, X) reduced image.

        Raises:
            DataError: it cannot be written.
        """
        self.remove()
        with large_image_errors(self.path):
            self.path.mkdir(parents=True)
            buffer = io.BytesIO()  # when numpy writes a file itself, it misses that the last bytes were refused
            np.save(buffer, thumbnail, allow_pickle=False)
            (self.path / "thumbnail.npy").write_bytes(buffer.getbuffer())
            open_level(self.image, 0, shape)
            self.ledger.start(**record)

    def read_record(self) -> dict[str, Any] | None:
        """The record of the large image that was started here; None if there is nothing to resume.

        Raises:
            DataError: the record cannot be read.
        """
        return self.ledger.read() if self.ledger.is_unfinished() else None

    def thumbnail(self) -> Pixels:
        """The reduced image (Y, X)."""
        thumbnail: Pixels = np.load(self.path / "thumbnail.npy", allow_pickle=False)
        return thumbnail

    def array(self) -> Any:
        """The Zarr array (Y, X) uint8 of the mask."""
        return open_level(self.image, 0)

    def done(self) -> frozenset[tuple[int, int]]:
        """The chunks (row, column) that are on disk; each was written atomically."""
        files = (self.image / "0" / "c").glob("*/*")
        return frozenset((int(file.parent.name), int(file.name)) for file in files if file.name.isdecimal())

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
                bands[-1] = (bands[-1][0], bottom)
            else:
                bands.append((top, bottom))
        return bands

    def publish(self, finished: Path, path: Path) -> None:
        """Move the finished file or folder to its final path, replacing an earlier one; then delete the hidden folder.

        Raises:
            DataError: the system refuses.
        """
        with large_image_errors(path):
            for partial in self.image.rglob("*.partial"):  # unfinished writes of a killed run
                partial.unlink()
        move_to_name(finished, path, aside=self.path)
        self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        self.ledger.end()
