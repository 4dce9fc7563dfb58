"""Reads tracks in the form of the Cell Tracking Challenge: numbered label images with ids of tracks, and a text of parents.

Source: Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking", Nature Methods 20, 2023. Each line
of the text is `L B E P`: track, first and last frame, parent (0: none).
"""

from pathlib import Path

import numpy as np

from livecell_monai.errors import DataError
from livecell_monai.tracks.movie import LabelMovie
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.tracks import Frames, Tracks

FORMS = (("mask", "res_track.txt"), ("man_track", "man_track.txt"))  #: of a result and of a truth: images and text
_REMEDY = "correct it, or give another folder"


def read_ctc(folder: Path, images: Frames | None = None) -> tuple[Tracks, LabelMovie]:
    """The tracks of a folder of the Cell Tracking Challenge, with their label images.

    Args:
        folder: with the label images and `res_track.txt` or, of a truth, `man_track.txt`.
        images: the movie, for the mean intensity; NaN without it.

    Raises a DataError if an image or the text is missing or damaged, or an image has a track that the text lacks.
    """
    labels = LabelMovie(folder)
    paths = [folder / text for _, text in FORMS]
    path = next((path for path in paths if path.is_file()), paths[0])
    listed = _read_lines(path)
    objects = measure_objects(labels, images, correct_drift=False)
    if unknown := sorted(set(objects.label.tolist()) - set(listed)):
        raise DataError(f"{path}: must list every track of the label images, got none for {unknown[0]}; {_REMEDY}")
    order = np.lexsort((objects.frame, objects.label))
    names = ("frame", "label", "y", "x", "area", "intensity", "touches_border")
    track = objects.label[order]
    present = set(track.tolist())
    tracks = Tracks(
        track=track,
        **{name: getattr(objects, name)[order] for name in names},
        confidence=np.where(np.diff(track, prepend=0) != 0, np.nan, 1.0),
        parents={child: parent for child, parent in listed.items() if child in present and parent in present},
        name=labels.name,
        frames=objects.frames,
        shape=labels.shape,
        interval_min=labels.interval_min,
        pixel_size_um=labels.pixel_size_um,
        drift=objects.drift,
        missing=objects.missing,
    )
    return tracks, labels


def _read_lines(path: Path) -> dict[int, int]:
    """The parent of each track, 0 without one."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
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
