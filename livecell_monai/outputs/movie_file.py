"""A movie as OME-TIFF, written frame by frame: only one frame is in memory, however long the movie is."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai.data.plane_files import resolution_tags
from livecell_monai.outputs.prediction import Prediction
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors
from livecell_monai.sample import Pixels

_FLOATING_POINT = 3  # TIFF predictor for floats: reorders their bytes, so that they compress better
_CLASSIC_TIFF_BYTES = 2**32 - 2**25  # pixel data that fits into a classic TIFF beside its tags


@dataclass(frozen=True)
class MovieMetadata:
    """The metadata of a movie's file.

    Attributes:
        name: name of the movie.
        frames: number of frames that will be written.
        pixel_size_um: (Y, X) size of a pixel in µm; None if unknown.
        interval_min: time between frames in minutes; None if unknown.
        channel: name of the predicted channel; None if it has none.
    """

    name: str
    frames: int
    pixel_size_um: tuple[float, float] | None = None
    interval_min: float | None = None
    channel: str | None = None


class MovieFile:
    """A deflated OME-TIFF (T, Y, X) that has a temporary name until the last frame is written.

    Args:
        path: final path, ending in .ome.tif.
        metadata: metadata of the file.

    Raises:
        DataError: from each method, if the system cannot write: disk full, no permission, no such folder.
    """

    def __init__(self, path: Path, metadata: MovieMetadata) -> None:
        self.path, self.metadata = path, metadata
        self.count = 0
        self._temporary = temporary_path(path)
        self._writer: Any = None

    def append(self, plane: Pixels) -> None:
        """Write the next frame, (Y, X), of the same shape and dtype as the first."""
        with writing_errors(self.path):
            first: dict[str, Any] = {}
            if self._writer is None:
                is_big = self.metadata.frames * plane.nbytes > _CLASSIC_TIFF_BYTES
                # pages behind our own OME-XML: tifffile's OME writer needs all frames at once
                self._writer = tifffile.TiffWriter(self._temporary, bigtiff=is_big, ome=False)
                first = {"description": self._ome_xml(plane)}
            self._writer.write(
                plane,
                photometric="minisblack",
                compression="zlib",
                predictor=_FLOATING_POINT if plane.dtype.kind == "f" else None,
                metadata=None,
                maxworkers=1,  # the network needs the cores
                **first,
                **resolution_tags(self.metadata.pixel_size_um),  # for readers that ignore OME-XML
            )
        self.count += 1

    def close(self) -> None:
        """Publish the file.

        Raises:
            ValueError: frames are missing.
        """
        frames = self.metadata.frames
        if self.count != frames:
            raise ValueError(f"{self.path}: expected {frames} frames before closing, got {self.count}")
        try:
            with writing_errors(self.path):
                self._writer.close()
                self._temporary.replace(self.path)
        finally:
            remove(self._temporary)

    def discard(self) -> None:
        """Delete the temporary file."""
        if self._writer is not None:
            with suppress(OSError):  # on a full disk, closing fails too
                self._writer.close()
        remove(self._temporary)

    def _ome_xml(self, plane: Pixels) -> bytes:
        metadata = self.metadata
        fields: dict[str, Any] = {"Name": metadata.name}
        if metadata.pixel_size_um is not None:
            y, x = metadata.pixel_size_um
            fields |= {"PhysicalSizeY": y, "PhysicalSizeX": x, "PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}
        if metadata.interval_min is not None:
            fields |= {"TimeIncrement": metadata.interval_min, "TimeIncrementUnit": "min"}
        if metadata.channel:
            fields["Channel"] = {"Name": metadata.channel}
        xml, shape = tifffile.OmeXml(), (metadata.frames, *plane.shape)
        xml.addimage(plane.dtype, shape, (metadata.frames, 1, 1, *plane.shape, 1), axes="TYX", **fields)
        return str(xml.tostring()).encode("utf-8")


class MovieStack:
    """Appends one plane per frame to the file of the current movie.

    Args:
        ending: ending of the files after the name of the movie, such as `.ome.tif`.
    """

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._file: MovieFile | None = None

    def append(self, prediction: Prediction, plane: Pixels, folder: Path) -> None:
        """Append the plane (Y, X) of a frame; frames arrive in order, and the last one publishes the file.

        Raises:
            DataError: the file cannot be written.
        """
        frame = prediction.frame
        assert frame is not None
        if frame.position == 0:
            size, interval = prediction.pixel_size_um, frame.interval_min
            metadata = MovieMetadata(prediction.name, frame.frames, size, interval, frame.channel)
            self._file = MovieFile(folder / f"{prediction.name}{self._ending}", metadata)
        assert self._file is not None
        self._file.append(plane)
        if frame.is_last:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Delete an incomplete file."""
        if self._file is not None:
            self._file.discard()
            self._file = None
