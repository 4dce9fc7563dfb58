"""`tracks.ome.zarr`: the label images of a movie whose ids are those of tracks, as OME-Zarr 0.5, frame by frame.

The image of the group is the mask of the cells, (T, Y, X) uint8 of 0 and 255; the ids are its label image `labels/tracks`.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.plane_files import label_type, mask_pixels
from livecell_monai.outputs.large.chunks import CHUNK
from livecell_monai.runs.atomic import writing_errors
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Tracks

LABEL = "tracks"  #: name of the label image


class LabelZarr:
    """An OME-Zarr with one level of full size, in chunks of one frame."""

    name = "tracks.ome.zarr"

    def __init__(self, tracks: Tracks, folder: Path) -> None:
        import zarr

        self._tracks, self._folder = tracks, folder / self.name
        with writing_errors(self._folder):
            self._root = zarr.open_group(str(self._folder), mode="w", zarr_format=3)
            self._ids_group = self._root.create_group(f"labels/{LABEL}")
            self._mask = self._create(self._root, np.uint8)
            self._ids = self._create(self._ids_group, label_type(int(tracks.track.max(initial=0))))

    def _create(self, group: Any, dtype: type[np.unsignedinteger]) -> Any:
        shape = (self._tracks.frames, *self._tracks.shape)
        chunks = (1, *(min(CHUNK, length) for length in self._tracks.shape))
        return group.create_array("0", shape=shape, chunks=chunks, dtype=dtype, dimension_names=["t", "y", "x"])

    def append(self, frame: int, plane: Pixels) -> None:
        """Write the ids (Y, X) of a frame; after the last one the metadata. A DataError if it cannot be written."""
        with writing_errors(self._folder):
            self._mask[frame] = mask_pixels(plane > 0)
            self._ids[frame] = plane.astype(self._ids.dtype)
            if frame == self._tracks.frames - 1:
                self._describe()

    def _describe(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # raised by the import itself
            from ome_zarr.format import FormatV05
            from ome_zarr.writer import write_label_metadata, write_multiscales_metadata
        tracks = self._tracks
        y, x = tracks.pixel_size_um or (1.0, 1.0)
        scale = [1.0 if tracks.interval_min is None else tracks.interval_min, y, x]
        units = {} if tracks.pixel_size_um is None else {"y": "micrometer", "x": "micrometer"}
        units |= {} if tracks.interval_min is None else {"t": "minute"}
        datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
        options: dict[str, Any] = {"fmt": FormatV05(), "axes": ["t", "y", "x"], "axes_units": units or None}
        for group in (self._root, self._ids_group):
            write_multiscales_metadata(group, datasets, name=tracks.name, **options)
        write_label_metadata(self._root["labels"], LABEL, fmt=FormatV05())

    def discard(self) -> None:
        """Nothing to close: the caller deletes the folder."""
