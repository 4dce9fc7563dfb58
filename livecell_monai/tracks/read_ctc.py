"""Reads tracks in the form of the Cell Tracking Challenge: numbered label images with ids of tracks, and a text of parents.

Source: Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking", Nature Methods 20, 2023. Each line
of the text is `L B E P`: track, first and last frame, parent (0: none).
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import ENTRIES, Frames, Tracks

FORMS = (("mask", "res_track.txt"), ("man_track", "man_track.txt"))  #: of a result and of a truth: images and text
_REMEDY = "correct it, or give another folder"


class CtcFrames:
    """The label images (Y, X) of a folder `mask000.tif` or `man_track000.tif`, one in memory; a missing frame is all zero.

    Raises a DataError if there are none, or one cannot be read or has another size.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = [(_number_frames(folder, stem), text) for stem, text in FORMS]
        self._files, self.text = next(((files, text) for files, text in found if files), ({}, ""))
        if not self._files:
            raise DataError(f"{folder}: expected label images mask000.tif or man_track000.tif, got none; {_REMEDY}")
        self.shape = read_plane(self._files[min(self._files)], is_label=True).pixels.shape
        self.missing = tuple(frame for frame in range(len(self)) if frame not in self._files)

    def __len__(self) -> int:
        return max(self._files) + 1

    def __getitem__(self, index: int) -> Pixels:
        if index in self.missing:
            return np.zeros(self.shape, np.uint16)
        plane = read_plane(self._files[index], is_label=True).pixels
        if plane.shape != self.shape or plane.dtype.kind not in "ui":
            raise DataError(
                f"{self._files[index]}: a label image must hold integers of the size {self.shape} of the first one, got "
                f"{plane.dtype} of {plane.shape}; {_REMEDY}"
            )
        return plane


def read_ctc(
    folder: Path,
    images: Frames | None = None,
    interval_min: float | None = None,
    pixel_size_um: tuple[float, float] | None = None,
) -> tuple[Tracks, CtcFrames]:
    """The tracks of a folder of the Cell Tracking Challenge, with their label images.

    Args:
        folder: with the label images and `res_track.txt`, or `man_track.txt` of a truth.
        images: the movie, for the mean intensity.
        interval_min: minutes between frames; None if unknown.
        pixel_size_um: (Y, X); None if unknown.

    Raises a DataError if an image or the text is missing or damaged, or an image has a track that the text lacks.
    """
    frames = CtcFrames(folder)
    path = folder / frames.text
    listed = _read_lines(path)
    parts = [measure_frame(index, frames[index], None if images is None else images[index]) for index in range(len(frames))]
    columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
    table: dict[str, Any] = dict(
        zip(("frame", "label", "y", "x", "area", "intensity", "touches_border"), columns, strict=True)
    )
    if unknown := sorted(set(table["label"].tolist()) - set(listed)):
        raise DataError(f"{path}: must list every track of the label images, got none for {unknown[0]}; {_REMEDY}")
    order = np.lexsort((table["frame"], table["label"]))
    table = {name: values[order] for name, values in table.items()} | {"track": table["label"][order]}
    is_first = np.diff(table["track"], prepend=0) != 0
    table["confidence"] = np.where(is_first, np.nan, 1.0)
    present = set(table["track"].tolist())
    parents = {track: parent for track, parent in listed.items() if parent in present and track in present}
    tracks = Tracks(
        **{name: table[name] for name in ENTRIES},
        parents=parents,
        name=folder.name,
        frames=len(frames),
        shape=(frames.shape[0], frames.shape[1]),
        interval_min=interval_min,
        pixel_size_um=pixel_size_um,
        drift=np.zeros((len(frames), 2)),
        missing=frames.missing,
    )
    return tracks, frames


def measure_frame(index: int, labels: Pixels, image: Pixels | None) -> tuple[NDArray[Any], ...]:
    """Frame, id, centroid y and x, area, mean intensity and whether it touches the border of each object (N,) of a frame."""
    inside = np.flatnonzero(labels)
    rows, columns = np.divmod(inside, labels.shape[1])
    ids, objects = np.unique(labels.ravel()[inside], return_inverse=True)
    area = np.bincount(objects, minlength=len(ids))
    grey = np.full(len(ids), np.nan) if image is None else np.bincount(objects, image.ravel()[inside], len(ids)) / area
    edge = (rows == 0) | (columns == 0) | (rows == labels.shape[0] - 1) | (columns == labels.shape[1] - 1)
    return (
        np.full(len(ids), index),
        ids.astype(np.int64),
        np.bincount(objects, rows, len(ids)) / area,
        np.bincount(objects, columns, len(ids)) / area,
        area.astype(np.float64),
        grey,
        np.bincount(objects, edge, len(ids)) > 0,
    )


def _number_frames(folder: Path, stem: str) -> dict[int, Path]:
    """The label images of a folder by their number."""
    try:
        names = sorted(path for path in folder.iterdir() if path.suffix == ".tif")
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); give a folder of label images") from error
    matches = ((re.fullmatch(rf"{stem}(\d+)", path.stem), path) for path in names)
    return {int(match[1]): path for match, path in matches if match}


def _read_lines(path: Path) -> dict[int, int]:
    """The parent of each track, 0 without one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the text of the tracks cannot be read ({error}); {_REMEDY}") from error
    parents: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            track, _, _, parents[track] = map(int, line.split())
        except ValueError as error:
            raise DataError(f"{path}: line {number} must be four whole numbers L B E P, got {line!r}; {_REMEDY}") from error
    return parents
