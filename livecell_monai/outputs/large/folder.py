"""The hidden folder that a mosaic grows in, with a record of what it is, so that a killed run goes on and never mixes."""

import io
import json
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.large.chunks import CHUNK, writing_chunks
from livecell_monai.outputs.large.pyramid import open_level
from livecell_monai.sample import Pixels


class LargeImageFolder:
    """`.NAME.writing` beside the mosaic to come: `record.json`, `thumbnail.npy` and an OME-Zarr image that fills up.

    Args:
        output_dir: folder of the results.
        name: of the mosaic.
    """

    def __init__(self, output_dir: Path, name: str) -> None:
        self.path = output_dir / f".{name}.writing"
        self.name = name
        self.record_file = self.path / "record.json"
        self.image = self.path / "mask.ome.zarr"

    def begin(self, record: Mapping[str, Any], shape: tuple[int, int], thumbnail: Pixels) -> None:
        """Make the folder; the record, written last, says that it is complete.

        Args:
            record: what the mosaic is; plain values.
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
            partial = self.record_file.with_suffix(".partial")
            partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
            partial.replace(self.record_file)

    def read_record(self) -> dict[str, Any] | None:
        """What the mosaic is that was begun here; None where none was, or not so far that it could go on.

        Raises:
            DataError: the record is there and cannot be read.
        """
        if not self.record_file.is_file():
            return None
        try:
            record: dict[str, Any] = json.loads(self.record_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.record_file}: the record must be JSON, it is not; remove {self.path}") from error
        return record

    def check_same_run(self, begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """Refuse to go on with a mosaic that was begun from another image, with other weights or settings.

        Args:
            begun: what the record says.
            wanted: what is asked for now; its names are compared.

        Raises:
            SettingError: the first that differs.
        """
        for key, value in json.loads(json.dumps(wanted)).items():
            if begun.get(key) != value:
                raise SettingError(
                    f"{self.path}: --resume must go on with the same {key}, begun with {_short(begun.get(key))}, now "
                    f"{_short(value)}; undo the change, or begin anew by --overwrite without --resume"
                )

    def thumbnail(self) -> Pixels:
        """The small picture (Y, X) of the image."""
        small: Pixels = np.load(self.path / "thumbnail.npy", allow_pickle=False)
        return small

    def array(self) -> Any:
        """The Zarr array (Y, X) uint8 of the mask."""
        return open_level(self.image, 0)

    def done(self) -> frozenset[tuple[int, int]]:
        """The chunks (row, column) that are on disk; each came under its name when it was whole."""
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
        """Give the finished file or folder its name, in place of what has it; then there is no hidden folder any more.

        Raises:
            DataError: the system refuses.
        """
        with writing_chunks(path):
            for partial in self.image.rglob("*.partial"):  # what a killed run was writing when it was killed
                partial.unlink()
            replaced = self.path / f"replaced-{uuid.uuid4().hex}"
            if path.is_dir():  # a folder cannot be replaced by another in one step
                path.rename(replaced)
            finished.replace(path)
            self.remove()

    def remove(self) -> None:
        """Throw the folder away."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
