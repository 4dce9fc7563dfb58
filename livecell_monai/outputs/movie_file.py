"""A movie written frame by frame as its frames come: whatever its length, one frame is in memory."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai.data.plane_files import resolution_tags
from livecell_monai.outputs.prediction import Prediction
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors
from livecell_monai.sample import Pixels

_FLOATING_POINT = 3  # TIFF's predictor for floats: sorts their bytes so that they compress
_LARGEST = 2**32 - 2**25  # bytes of pixels that a classic TIFF has room for beside its tags


@dataclass(frozen=True)
class MovieNotes:
    """What a movie's file tells beside its pixels.

    Attributes:
        name: of the movie.
        frames: how many there will be.
        pixel_size_um: (Y, X) size of a pixel in µm, None where unknown.
        interval_min: time from frame to frame in minutes, None where unknown.
        channel: name of the channel that was looked at, None where it has none.
    """

    name: str
    frames: int
    pixel_size_um: tuple[float, float] | None = None
    interval_min: float | None = None
    channel: str | None = None


class MovieFile:
    """A deflated OME-TIFF (T, Y, X), which has another name until its last frame is there.

    Args:
        path: ends in .ome.tif.
        notes: what the file is to tell.

    Raises:
        DataError: by each of the methods, where the system refuses: disk full, no right to write, no such folder.
    """

    def __init__(self, path: Path, notes: MovieNotes) -> None:
        self.path = path
        self.notes = notes
        self.count = 0
        self._temporary = temporary_path(path)
        self._writer: Any = None

    def append(self, plane: Pixels) -> None:
        """Write the next frame.

        Args:
            plane: (Y, X), of the same size and type as the first.
        """
        with writing_errors(self.path):
            notes: dict[str, Any] = {}
            if self._writer is None:
                is_big = self.notes.frames * plane.nbytes > _LARGEST
                # page by page behind our own OME-XML: tifffile's OME writer wants all frames at once
                self._writer = tifffile.TiffWriter(self._temporary, bigtiff=is_big, ome=False)
                # told ahead of the pixels, since the number of frames is known: nothing must be gone back to
                notes = {"description": self._describe(plane)}
            self._writer.write(
                plane,
                photometric="minisblack",
                compression="zlib",
                predictor=_FLOATING_POINT if plane.dtype.kind == "f" else None,
                metadata=None,
                maxworkers=1,  # the network needs the cores
                **notes,
                **resolution_tags(self.notes.pixel_size_um),  # for readers that know no OME-XML
            )
        self.count += 1

    def close(self) -> None:
        """Give the file its name; all frames must be there."""
        if self.count != self.notes.frames:
            raise ValueError(f"{self.path} must have {self.notes.frames} frames before it is closed, it has {self.count}")
        try:
            with writing_errors(self.path):
                self._writer.close()
                self._temporary.replace(self.path)
        finally:
            remove(self._temporary)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            with suppress(OSError):  # a full disk refuses the last bytes too
                self._writer.close()
        remove(self._temporary)

    def _describe(self, plane: Pixels) -> bytes:
        """The OME-XML."""
        size, interval = self.notes.pixel_size_um, self.notes.interval_min
        notes: dict[str, Any] = {"Name": self.notes.name}
        if size is not None:
            notes |= {"PhysicalSizeY": size[0], "PhysicalSizeX": size[1]}
            notes |= {"PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}
        if interval is not None:
            notes |= {"TimeIncrement": interval, "TimeIncrementUnit": "min"}
        if self.notes.channel:
            notes["Channel"] = {"Name": self.notes.channel}
        xml = tifffile.OmeXml()
        frames = self.notes.frames
        xml.addimage(plane.dtype, (frames, *plane.shape), (frames, 1, 1, *plane.shape, 1), axes="TYX", **notes)
        return str(xml.tostring()).encode("utf-8")


class MovieStack:
    """Appends one plane of each frame to the file of its movie, movie after movie.

    Args:
        ending: of the files behind the name of the movie, such as `.ome.tif`.
    """

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._file: MovieFile | None = None

    def append(self, prediction: Prediction, plane: Pixels, folder: Path) -> None:
        """Append a plane; the file gets its name with the last frame.

        Args:
            prediction: a frame of a movie; the frames come in their order.
            plane: (Y, X), of the same size and type for all frames.
            folder: to write to.

        Raises:
            DataError: the file cannot be written.
        """
        frame = prediction.frame
        assert frame is not None
        if frame.position == 0:
            notes = MovieNotes(prediction.name, frame.frames, prediction.pixel_size_um, frame.interval_min, frame.channel)
            self._file = MovieFile(folder / f"{prediction.name}{self._ending}", notes)
        assert self._file is not None
        self._file.append(plane)
        if frame.is_last:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Remove a file that is not complete."""
        if self._file is not None:
            self._file.discard()
            self._file = None
