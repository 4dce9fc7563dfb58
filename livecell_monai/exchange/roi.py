"""ImageJ's ROIs: a .zip of the ROI Manager, or a single .roi.

Objects with holes or several parts are composite ROIs, others traced ones, as ImageJ's own wand makes them. Source:
`ij.io.RoiEncoder` and `ij.gui.ShapeRoi` of ImageJ, through the library roifile.
"""

import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import (
    AnnotatedObject,
    Annotation,
    LabelledPlane,
    Wanted,
    import_exchange,
    parse_number,
    raise_broken,
)
from livecell_monai.exchange.matching import name_annotated
from livecell_monai.exchange.outlines import Polygon, Ring
from livecell_monai.exchange.shapes import check_points, trace_ellipse

TITLE = "ImageJ ROIs"
ENDINGS = (".zip", ".roi")
MAX_COORDINATE = 60535  # ImageJ takes greater ones for negative ones, but for composite ROIs
MAX_ROI_BYTES = 2**26  # of one ROI: a few kilobytes of a zip may expand to gigabytes
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # the segments of a composite ROI
_CURVED = (
    "its outline has curves, which are not read; in ImageJ, choose Edit > Selection > Create Mask, then Create Selection"
)
COMMENT = b"written by livecell-monai"  # of a zip: tells an image without cells from an empty file


class RoiWriter:
    """One ROI for each object, written one by one; its name is its id, its position the frame of a movie."""

    def __init__(self, path: Path) -> None:
        self._roifile = import_exchange("roifile", path)
        self._file = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._file.comment = COMMENT

    def add(self, plane: LabelledPlane) -> None:
        """Write the objects of an image or a frame."""
        highest = int(plane.labels.max(initial=0))
        digits = max(4, len(str(highest)))
        before = "" if plane.frame is None else f"{plane.frame + 1:04}-"  # names in a zip differ
        for number, polygons in plane.outlines:
            roi = self._make(polygons)
            roi.name = f"{number:0{digits}}"
            # not as `t_position`, which ImageJ ignores in a stack without channels; it takes `position` as frame in both
            roi.position = 0 if plane.frame is None else plane.frame + 1
            self._file.writestr(f"{before}{roi.name}.roi", roi.tobytes())

    def close(self) -> None:
        """Write the list of the zip."""
        self._file.close()

    def _make(self, polygons: tuple[Polygon, ...]) -> Any:
        """The ROI of an object."""
        corners = np.concatenate([polygon[0] for polygon in polygons])
        left, top = corners.min(axis=0).tolist()
        right, bottom = corners.max(axis=0).tolist()
        place = {"left": left, "top": top, "right": right, "bottom": bottom}
        kinds, options = self._roifile.ROI_TYPE, self._roifile.ROI_OPTIONS
        if len(polygons) == 1 and len(polygons[0]) == 1 and max(right, bottom) <= MAX_COORDINATE:
            points = (corners - (left, top)).astype(np.int32)
            shown = {"roitype": kinds.TRACED, "n_coordinates": len(points), "integer_coordinates": points}
            return self._roifile.ImagejRoi(**place, **shown)
        path = np.array(
            list(chain.from_iterable(_list_segments(ring) for polygon in polygons for ring in polygon)), np.float32
        )
        shown = {"roitype": kinds.RECT, "shape_roi_size": len(path), "multi_coordinates": path, "options": options.NONE}
        return self._roifile.ImagejRoi(**place, **shown)


def _list_segments(ring: Ring) -> Iterator[float]:
    """A ring as segments of a composite ROI."""
    for index, (x, y) in enumerate(ring.tolist()):
        yield from (_LINE if index else _MOVE, x, y)
    yield _CLOSE


def read_rois(path: Path, wanted: Wanted) -> Iterator[Annotation]:
    """The annotation of the image with the name of the file, or of each frame that its ROIs state."""
    roifile = import_exchange("roifile", path)
    frames: dict[int, list[AnnotatedObject]] = defaultdict(list)
    without_area = 0
    for inner, data in _list_rois(path):
        try:
            roi = roifile.ImagejRoi.frombytes(data)
            polygons = _read_polygons(roi, roifile)
        except NotImplementedError:
            raise_broken(path, f"{TITLE}: {inner}", _CURVED)
        except Exception as error:  # whatever the library raises for damaged bytes
            raise_broken(path, f"{TITLE}: {inner}", error)
        if not polygons:
            without_area += 1
            continue
        shown = roi.name or PurePosixPath(inner).stem
        number = parse_number(PurePosixPath(shown).stem if shown.endswith(".roi") else shown)
        each = AnnotatedObject(polygons, number=number, kind=_find_kind(shown))
        frames[max(roi.t_position or roi.position, 0)].append(each)
    name = name_annotated(path, wanted)
    for position, objects in sorted(frames.items()) or [(1, [])]:  # the first frame is also an image of one plane
        frame = position - 1 if position else None
        yield Annotation(path, name, tuple(objects), frame=frame, without_area=without_area)
        without_area = 0


def _find_kind(name: str) -> str:
    """The class in a name. ROIs have no classes: only `ignore...` and `region...` are recognised in their names."""
    lower = name.lower()
    return name if lower.startswith(("ignore", "region")) else ""


def _list_rois(path: Path) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each ROI of a file."""
    try:
        if path.suffix.lower() == ".roi":
            yield path.name, path.read_bytes()
            return
        with zipfile.ZipFile(path) as file:
            _check_names(path, file.namelist(), file.comment == COMMENT)
            for each in file.infolist():
                place = PurePosixPath(each.filename.replace("\\", "/"))
                if each.is_dir() or place.suffix.lower() != ".roi" or place.name.startswith("."):
                    continue  # macOS adds files of its own
                if each.file_size > MAX_ROI_BYTES:
                    rule = f"a ROI must have at most {MAX_ROI_BYTES} bytes, got {each.file_size}"
                    raise DataError(f"{path}: {each.filename}: {rule}; export it again")
                yield each.filename, file.read(each)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zlib.error) as error:
        raise_broken(path, TITLE, error)


def _check_names(path: Path, names: Sequence[str], is_ours: bool) -> None:
    """Reject a zip with names that lead out of it, and one of other files, which would pass for an image without cells."""
    for name in names:
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{path}: the names in a zip must stay inside of it, got {name}; do not use this file")
    if not names and not is_ours:
        raise DataError(f"{path}: a zip must hold ROIs, it is empty; save it again by the ROI Manager")
    if names and not any(name.lower().endswith(".roi") for name in names):
        raise DataError(f"{path}: a zip must hold ROIs, got {names[0]}; unpack it, or save it by the ROI Manager")


def _read_polygons(roi: Any, roifile: Any) -> tuple[Polygon, ...]:
    """The polygon of a ROI; none for points, lines and texts."""
    kinds = roifile.ROI_TYPE
    if roi.composite and roi.multi_coordinates is not None:
        rings = tuple(ring for each in roi.coordinates(multi=True) if len(ring := _open_ring(each)) >= 3)
        return (rings,) if rings else ()  # parts and holes together: inside is what an odd number encloses
    if roi.subtype == roifile.ROI_SUBTYPE.TEXT or roi.subtype == roifile.ROI_SUBTYPE.IMAGE:
        return ()
    if roi.roitype in (kinds.POLYGON, kinds.FREEHAND, kinds.TRACED):
        ring = _open_ring(roi.coordinates())
        return ((ring,),) if len(ring) >= 3 else ()
    if roi.roitype not in (kinds.RECT, kinds.OVAL):
        return ()
    left, top, width, height = (
        (roi.xd, roi.yd, roi.widthd, roi.heightd)
        if roi.subpixelrect
        else (roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top)
    )
    if roi.roitype == kinds.RECT:
        return (
            (
                check_points(
                    np.array(
                        [(left, top), (left + width, top), (left + width, top + height), (left, top + height)], np.float64
                    )
                ),
            ),
        )
    return ((trace_ellipse((left + width / 2, top + height / 2), (width / 2, height / 2)),),)


def _open_ring(points: Any) -> Ring:
    ring = check_points(np.asarray(points, np.float64).reshape(-1, 2))
    return ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring
