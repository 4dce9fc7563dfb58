"""The hidden folder that the mask of a large image is written to part by part, so that a killed run resumes."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.outputs.large.chunks import CHUNK, writing_chunks
from livecell_monai.outputs.large.pyramid import open_level
from livecell_monai.runs.atomic import move_to_name
from livecell_monai.runs.ledger import STARTED_WITH, Ledger, check_same
from livecell_monai.sample import Pixels


class LargeImageFolder:
    """`.NAME.writing` among the results: the ledger of a large image, its thumbnail and an OME-Zarr image that fills up.

    Args:
        output_dir: folder of the results.
        name: of the large image.
    """

    def __init__(self, output_dir: Path, name: str) -> None:
        self.path = output_dir / f".{name}.writing"
        self.name = name
        remedy = "undo the change, or start again by --overwrite without --resume"
        self.ledger = Ledger(self.path, "a large image", remedy)
        self.image = self.path / "mask.ome.zarr"

    def begin(self, record: Mapping[str, Any], shape: tuple[int, int], thumbnail: Pixels) -> None:
        """Make the folder; the record is written last.

        Args:
            record: of the ledger: `started_with`, and what was measured; plain values.
            shape: (Y, X) of the mask.
            thumbnail: (Y, X) small picture of the image.

        Raises:
            DataError: it cannot be written.
        """
        self.remove()
        with writing_chunks(self.path):
            self.path.mkdir(parents=True)
            packed = io.BytesIO()  # onto disk numpy does not see that the last bytes were refused
            np.save(packed, thumbnail, allow_pickle=False)
            (self.path / "thumbnail.npy").write_bytes(packed.getbuffer())
            open_level(self.image, 0, shape)
            self.ledger.start(**record)

    def read_record(self) -> dict[str, Any] | None:
        """The record of the large image that was started here; None where there is none that could be resumed.

        Raises:
            DataError: the record is there and cannot be read.
        """
        return self.ledger.read() if self.ledger.is_unfinished() else None

    def check_same_run(self, record: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse to resume with another image, other weights or settings than the large image was started with.

        Args:
            record: as `read_record` gives it.
            now: the values that must be the same, by name.

        Raises:
            SettingError: the first that differs.
        """
        check_same(self.path, self.ledger.what, record[STARTED_WITH], now, self.ledger.remedy)

    def thumbnail(self) -> Pixels:
        """The small picture (Y, X) of the image."""
        small: Pixels = np.load(self.path / "thumbnail.npy", allow_pickle=False)
        return small

    def array(self) -> Any:
        """The Zarr array (Y, X) uint8 of the mask."""
        return open_level(self.image, 0)

    def done(self) -> frozenset[tuple[int, int]]:
        """The chunks (row, column) that are on disk; each was written atomically."""
        chunks = self.image / "0" / "c"
        return frozenset(
            (int(row.name), int(file.name))
            for row in (chunks.iterdir() if chunks.is_dir() else ())
            for file in row.iterdir()
            if file.name.isdecimal()
        )

    def missing_bands(self) -> list[tuple[int, int]]:
        """Rows [top, bottom) of the mask that lack a chunk, whole rows of chunks, neighbours joined."""
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
        """Move the finished file or folder to its name, in place of what has the name; then remove the hidden folder.

        Raises:
            DataError: the system refuses.
        """
        with writing_chunks(path):
            for partial in self.image.rglob("*.partial"):  # what a killed run was writing when it was killed
                partial.unlink()
        move_to_name(finished, path, aside=self.path)
        self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        self.ledger.end()
