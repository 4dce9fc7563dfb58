"""Folders of the Cell Tracking Challenge: one label image a frame, and a table of tracks.

Source: "Naming and file content conventions", celltrackingchallenge.net: `mask000.tif` uint16, `res_track.txt` with the
columns label, first frame, last frame, parent (0 for none).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from livecell_monai.data.plane_files import write_plane
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import Annotation, LabelledPlane, Wanted
from livecell_monai.exchange.label_images import check_ids

TITLE = "Cell Tracking Challenge"
ENDINGS = ("_RES", "_GT", "_ST", "_ERR_SEG")  #: of the folder of a movie
MAX_ID = np.iinfo(np.uint16).max
_FRAME = re.compile(r"(?:mask|man_track|man_seg)(\d{3,5})\.tif", re.IGNORECASE)
_INNER = ("SEG", "TRA")  # of a folder of truth: SEG has the exact outlines, of some frames only


def is_ctc_folder(path: Path) -> bool:
    """Whether a folder holds label images of the challenge, or a folder SEG or TRA that does."""
    return path.is_dir() and _find_frames(path) is not None


def _find_frames(path: Path) -> list[tuple[int, Path]] | None:
    """The frames of a folder in order; None if there are none."""
    for folder in (path, *(path / name for name in _INNER)):
        if folder.is_dir():
            found = sorted((int(match[1]), each) for each in folder.iterdir() if (match := _FRAME.fullmatch(each.name)))
            if found:
                return found
    return None


def _name_movie(path: Path) -> str:
    folder = path.absolute()
    folder = folder.parent if folder.name in _INNER else folder
    ending = next((each for each in ENDINGS if folder.name.endswith(each) and folder.name != each), "")
    return folder.name[: len(folder.name) - len(ending)]


def read_ctc(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of each frame; the tracks are not read."""
    for frame, file in _find_frames(path) or []:
        labels = check_ids(file, read_plane(file, is_label=True).pixels)
        yield Annotation(file, _name_movie(path), labels=labels, frame=frame)


class CtcWriter:
    """One label image a frame; where ids are not linked over frames, each cell of each frame is a track of its own."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self._folder = path
        self._spans: dict[int, list[int]] = {}  # first and last frame of each id
        self._highest = 0

    def add(self, plane: LabelledPlane) -> None:
        """Write the label image of an image or a frame."""
        labels = plane.labels.astype(np.int64)
        if plane.frames > 1 and not plane.is_linked:
            ids, inverse = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
            labels = np.where(labels > 0, inverse[:-1].reshape(labels.shape) - int((ids < 0).sum()) + self._highest, 0)
        present = np.unique(labels[labels > 0]).tolist()
        self._highest = max([self._highest, *present])
        if self._highest > MAX_ID:
            raise DataError(
                f"{plane.name}: the format ctc has at most {MAX_ID:,} ids in all frames, got {self._highest:,}; "
                "choose another format, or fewer frames"
            )
        frame = plane.frame or 0
        for number in present:
            self._spans.setdefault(number, [frame, frame])[1] = frame
        write_plane(self._folder / f"mask{frame:03}.tif", labels.astype(np.uint16), plane.pixel_size_um)

    def close(self) -> None:
        """Write the table of tracks; parents are not known here."""
        lines = [f"{number} {first} {last} 0\n" for number, (first, last) in sorted(self._spans.items())]
        (self._folder / "res_track.txt").write_text("".join(lines), encoding="ascii")
