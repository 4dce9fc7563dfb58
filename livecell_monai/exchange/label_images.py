"""Label images of other programs: TIFF and PNG of napari, Cellpose and CellProfiler, Zarr arrays, labels of OME-Zarr."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.data.paths import find_stored_format, stem_of
from livecell_monai.data.readers import Stack, describe_axes, open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import Annotation, Wanted, import_exchange, raise_broken
from livecell_monai.sample import Pixels

TITLE = "a label image"
#: what programs add to the name of the image; the longest first
SUFFIXES = ("_cp_masks", "_masks", "_mask", "_cells", "_labels", "_label", "_seg")
_LABELS = "labels"  # of an OME-Zarr image: the group of its label images
_PREFERRED = "cells"  # if there are several


def name_labelled(path: Path) -> str:
    """The stem of the image that a label image belongs to."""
    stem = stem_of(path)
    ending = next((each for each in SUFFIXES if stem.lower().endswith(each) and len(stem) > len(each)), "")
    name = stem[: len(stem) - len(ending)]
    is_ome = bool(ending) and name.lower().endswith(".ome") and len(name) > len(".ome")
    return name[: -len(".ome")] if is_ome else name  # `a.ome_cp_masks` is of `a.ome.tif`


def read_label_image(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of an image, or of each frame of a movie (T, Y, X), from an image of ids."""
    own, stem = name_labelled(path), stem_of(path)
    is_own = own in wanted or not any(each.startswith(stem) for each in wanted)  # `a_masks`, or frames of it, may be images
    name = own if is_own else stem
    if path.name.lower().endswith(".zarr"):
        yield from _read_zarr(path, name)
        return
    for frame, pixels in _read_frames(path):
        labels, note = separate_parts(path, check_ids(path, pixels))
        yield Annotation(path, name, labels=labels, frame=frame, note=note)


def _read_frames(path: Path) -> Iterator[tuple[int | None, Pixels]]:
    """The frames (Y, X) of a movie by their numbers; one plane with the ids of a palette, not inverted, and no number."""
    if find_stored_format(path) is not None:  # PNG is decoded as soon as it is opened
        with open_stack(path, is_label=True) as stack:
            if stack.length("T") > 1:
                check_axes(path, stack)
                yield from ((frame, stack.read(frame)) for frame in range(stack.length("T")))
                return
    yield None, read_plane(path, is_label=True).pixels


def separate_parts(path: Path, labels: Pixels) -> tuple[Pixels, str]:
    """A mask (Y, X) of one value above 0 as ids of its connected parts, with a note; ids and a single part as they are."""
    from scipy import ndimage

    value = int(labels.max(initial=0))
    if value <= 0 or ((labels > 0) & (labels != value)).any():
        return labels, ""
    parts, count = ndimage.label(labels > 0, structure=np.ones((3, 3)))
    if count < 2:
        return labels, ""
    note = f"{path.name} is a mask of one value: its {count:,} separate parts are taken as cells"
    return np.where(labels > 0, parts, labels), note


def check_ids(path: Path, pixels: Pixels) -> Pixels:
    """Ids (Y, X) as int64, negative for pixels that are not annotated; a DataError for colours and fractions."""
    whole = pixels.astype(np.int64) if pixels.dtype.kind in "uifb" and np.isfinite(pixels).all() else None
    if whole is not None and (whole != pixels).any():
        raise DataError(
            f"{path}: labels must be whole numbers, got {pixels[whole != pixels][0]:g}; save the ids of the cells"
        )
    if whole is None or whole.ndim != 2 or whole.max(initial=0) >= 2**32:
        shown = f"{pixels.dtype} of the shape {pixels.shape}"
        raise DataError(
            f"{path}: a label image must hold whole numbers (Y, X) below 2^32, got {shown}; save the ids of the cells"
        )
    return whole


def check_axes(path: Path, stack: Stack) -> None:
    """Reject, by a DataError, an open label image of several channels or planes in depth."""
    if stack.length("C") > 1 or stack.length("Z") > 1:
        got = describe_axes(stack.axes, stack.shape)
        raise DataError(f"{path}: a label image must have the axes T, Y, X, got {got}; save one channel and plane of it")


def find_inner(path: Path) -> Path | None:
    """The label image inside an OME-Zarr image: `cells`, or the only one; None if it has none."""
    inner = path / _LABELS
    if not inner.is_dir():
        return None
    names = sorted(each.name for each in inner.iterdir() if each.is_dir() and not each.name.startswith("."))
    if len(names) > 1 and _PREFERRED not in names:
        raise DataError(
            f"{path}: an OME-Zarr image with several label images, {', '.join(names[:5])}; name one: {inner / names[0]}"
        )
    return inner / (_PREFERRED if _PREFERRED in names else names[0]) if names else None


def _read_zarr(path: Path, name: str) -> Iterator[Annotation]:
    """The frames of an OME-Zarr's label image, of an OME-Zarr image of ids, or of a plain Zarr array."""
    zarr = import_exchange("zarr", path)
    inner = find_inner(path)
    try:
        node: Any = zarr.open(str(path), mode="r")
    except Exception:  # whatever the library raises for a folder that is no Zarr
        raise_broken(path, "Zarr", "it holds no array and no group")
    if hasattr(node, "shape"):
        if node.ndim not in (2, 3):
            raise DataError(
                f"{path}: a Zarr array of labels must have the axes (Y, X) or (T, Y, X), got {node.shape}; save one plane"
            )
        for frame in range(node.shape[0] if node.ndim == 3 else 1):
            pixels = np.asarray(node[frame] if node.ndim == 3 else node[:])
            yield Annotation(path, name, labels=check_ids(path, pixels), frame=frame if node.ndim == 3 else None)
        return
    with open_stack(path if inner is None else inner) as stack:
        check_axes(path, stack)
        frames = stack.length("T")
        for frame in range(frames):
            yield Annotation(path, name, labels=check_ids(path, stack.read(frame)), frame=frame if frames > 1 else None)
