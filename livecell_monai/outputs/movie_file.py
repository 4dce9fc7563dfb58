"""A movie as OME-TIFF, written frame by frame: only one frame is in memory, however long the movie is."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import tifffile

from livecell_monai.data.plane_files import resolution_tags
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.runs.atomic import remove, temporary_path, writing_errors
from livecell_monai.sample import Pixels

_CLASSIC_TIFF_BYTES = 2**32 - 2**25  # pixel data that fits into a classic TIFF beside its tags


class MovieWriter:
    """Writes one plane of each frame into a deflated OME-TIFF (T, Y, X), one movie after the other.

    A file has a temporary name until its last frame is written. Methods raise a DataError if it cannot be written. The
    ending, such as `.ome.tif`, follows the name of the movie.
    """

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._writer: Any = None

    def append(self, prediction: Prediction, plane: Pixels, folder: Path) -> None:
        """Append the plane (Y, X) of a frame, of the same shape and dtype as the first; the last one publishes the file."""
        frame = prediction.frame
        assert frame is not None
        path = folder / f"{prediction.name}{self._ending}"
        with writing_errors(path):
            first: dict[str, Any] = {}
            if frame.position == 0:
                self._temporary = temporary_path(path)
                is_big = frame.frames * plane.nbytes > _CLASSIC_TIFF_BYTES
                # pages behind our own OME-XML: tifffile's OME writer needs all frames at once
                self._writer = tifffile.TiffWriter(self._temporary, bigtiff=is_big, ome=False)
                first = {"description": _ome_xml(prediction, frame, plane)}
            self._writer.write(
                plane,
                photometric="minisblack",
                compression="zlib",
                metadata=None,
                maxworkers=1,  # the network needs the cores
                **first,
                **resolution_tags(prediction.pixel_size_um),  # for readers that ignore OME-XML
            )
            if frame.is_last:
                self._writer.close()
                self._temporary.replace(path)
                self._writer = None

    def discard(self) -> None:
        """Delete an incomplete file."""
        if self._writer is not None:
            with suppress(OSError):  # on a full disk, closing fails too
                self._writer.close()
            remove(self._temporary)
            self._writer = None


def _ome_xml(prediction: Prediction, frame: Frame, plane: Pixels) -> bytes:
    fields: dict[str, Any] = {"Name": prediction.name}
    if prediction.pixel_size_um is not None:
        y, x = prediction.pixel_size_um
        fields |= {"PhysicalSizeY": y, "PhysicalSizeX": x, "PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}
    if frame.interval_min is not None:
        fields |= {"TimeIncrement": frame.interval_min, "TimeIncrementUnit": "min"}
    if frame.channel:
        fields["Channel"] = {"Name": frame.channel}
    xml, shape = tifffile.OmeXml(), (frame.frames, *plane.shape)
    xml.addimage(plane.dtype, shape, (frame.frames, 1, 1, *plane.shape, 1), axes="TYX", **fields)
    return str(xml.tostring()).encode("utf-8")
