"""OME-Zarr 0.5 or 0.4: the foreground as image, the cells as its label image `labels/cells`, both with the same levels.

Source: NGFF specifications 0.5 and 0.4, "multiscales" and "labels" metadata. Smaller levels keep every second pixel, so ids
stay ids. Version 0.5 is Zarr 3 with its metadata under the key `ome`, 0.4 is Zarr 2 without that key.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.exchange.base import LabelledPlane, import_exchange
from livecell_monai.sample import Pixels

LABEL = "cells"  #: name of the label image
_CHUNK = 1024
_SMALLEST = 1024  # greatest edge of the last level


class OmeZarrWriter:
    """An image (Y, X) or a movie (T, Y, X), written frame by frame, as version 0.5."""

    _version, _zarr_format = "0.5", 3

    def __init__(self, path: Path) -> None:
        import_exchange("ome_zarr", path)
        self._path = path
        self._plane: LabelledPlane | None = None
        self._levels: dict[str, list[Any]] = {}
        self._count = 0  # of frames: a part of a movie begins at 0

    def add(self, plane: LabelledPlane) -> None:
        """Write an image or a frame."""
        if self._plane is None:
            self._plane = plane
            self._levels = {"": self._create("", plane, np.uint8), LABEL: self._create(f"labels/{LABEL}", plane, np.uint32)}
        pixels = {"": (plane.labels > 0).astype(np.uint8) * np.uint8(255), LABEL: plane.labels.astype(np.uint32)}
        for name, levels in self._levels.items():
            own: Pixels = pixels[name]
            for level in levels:
                level[... if plane.frame is None else self._count] = own
                own = own[::2, ::2]
        self._count += 1

    def _create(self, inner: str, plane: LabelledPlane, dtype: type[np.generic]) -> list[Any]:
        """The empty levels of an image."""
        group = self._open_group(inner)
        height, width = plane.labels.shape
        is_movie = plane.frame is not None
        levels: list[Any] = []
        while True:
            shape, chunks = (height, width), (min(height, _CHUNK), min(width, _CHUNK))
            levels.append(
                group.create_array(
                    str(len(levels)),
                    shape=(plane.frames, *shape) if is_movie else shape,
                    chunks=(1, *chunks) if is_movie else chunks,
                    dtype=dtype,
                    **self._describe_array(is_movie),
                )
            )
            if max(shape) <= _SMALLEST:
                return levels
            height, width = -(-height // 2), -(-width // 2)

    def _open_group(self, inner: str) -> Any:
        import zarr

        return zarr.open_group(str(self._path / inner), mode="a", zarr_format=self._zarr_format)

    def _describe_array(self, is_movie: bool) -> dict[str, Any]:
        """Arguments of `create_array` that differ between the versions."""
        return {"dimension_names": ["t", "y", "x"] if is_movie else ["y", "x"]}

    def close(self) -> None:
        """Write the metadata of both images."""
        if self._plane is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # raised by the import itself
            from ome_zarr.format import format_from_version
            from ome_zarr.writer import write_label_metadata, write_multiscales_metadata

        form = format_from_version(self._version)
        for inner, name in (("", self._plane.name), (f"labels/{LABEL}", LABEL)):
            options = {"fmt": form, "name": name, **_describe_axes(self._plane)}
            datasets = _list_datasets(self._plane, len(self._levels[LABEL]))
            write_multiscales_metadata(self._open_group(inner), datasets, **options)
        group = self._open_group("labels")
        write_label_metadata(group, LABEL, fmt=form)
        self._complete(group)

    def _complete(self, group: Any) -> None:
        """Add what the specification asks for and the library does not write."""
        group.attrs["ome"] = {**dict(group.attrs["ome"]), "version": self._version}
        label = group[LABEL]
        label.attrs["ome"] = {**dict(label.attrs["ome"]), "image-label": self._describe_label()}

    def _describe_label(self) -> dict[str, Any]:
        return {"version": self._version, "source": {"image": "../../"}}


class OmeZarr04Writer(OmeZarrWriter):
    """The same as version 0.4, for programs that do not read Zarr 3 yet."""

    _version, _zarr_format = "0.4", 2

    def _describe_array(self, is_movie: bool) -> dict[str, Any]:
        return {"chunk_key_encoding": {"name": "v2", "separator": "/"}}

    def _complete(self, group: Any) -> None:
        group[LABEL].attrs["image-label"] = self._describe_label()


def _describe_axes(plane: LabelledPlane) -> dict[str, Any]:
    units = {} if plane.pixel_size_um is None else {"y": "micrometer", "x": "micrometer"}
    axes = ["y", "x"] if plane.frame is None else ["t", "y", "x"]
    if plane.frame is not None and plane.interval_min is not None:
        units["t"] = "minute"
    return {"axes": axes, "axes_units": units or None}


def _list_datasets(plane: LabelledPlane, count: int) -> list[dict[str, Any]]:
    """The path and the scale of each level."""
    y, x = plane.pixel_size_um or (1.0, 1.0)
    time = [] if plane.frame is None else [plane.interval_min or 1.0]
    return [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [*time, y * 2**level, x * 2**level]}]}
        for level in range(count)
    ]
