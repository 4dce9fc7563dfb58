"""Writes the label images of a folder in other formats."""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from livecell_monai.data.paths import compose, find_zarr, list_folder, stem_of
from livecell_monai.data.readers import Stack, open_stack
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import Format, LabelledPlane, Writer
from livecell_monai.exchange.ctc import is_ctc_folder
from livecell_monai.exchange.label_images import check_axes, check_ids, find_inner, name_labelled, separate_parts
from livecell_monai.exchange.measurements import Measurements
from livecell_monai.exchange.registry import find_writers
from livecell_monai.runs.atomic import writing_errors
from livecell_monai.runs.new_folder import fill_folder
from livecell_monai.sample import Pixels

_CELLS = "_cells"  # of label images of a prediction; the other images beside them are masks
#: the measurements of the cells of an image or a frame: its name, its index or None, its label image (Y, X)
FindMeasurements = Callable[[str, int | None, Pixels], Measurements]
_TRACKS = ("tracks.ome.tif", "tracks.ome.zarr")  # in the folder of a tracked movie: an id means the same cell in all frames


@dataclass
class Exported:
    """What was written."""

    images: int = 0  #: images and movies
    cells: int = 0  #: in all images and frames
    files: list[str] = field(default_factory=list)  #: names in the folder, in order
    notes: list[str] = field(default_factory=list)  #: what the user should know of single images


def export_labels(source: Path, output: Path, formats: Sequence[str], find: FindMeasurements | None = None) -> Exported:
    """Write every label image of a folder, or one label image, in each format into a new or empty folder.

    A movie (T, Y, X) is read frame by frame. The separate parts of a mask of one value count as cells. `find` looks up the
    measurements for formats that hold them.

    Raises a SettingError for an unknown format, a DataError if there is no label image, one holds no ids, or a format cannot
    hold it.
    """
    chosen = find_writers(formats)
    measures = any(each.measures for each in chosen)
    paths = list_label_images(source)
    done = Exported()
    with fill_folder(output) as draft, ExitStack() as files:
        shared = {each.name: _open(each, draft / each.shared, done, files) for each in chosen if each.shared}
        for name, path in paths.items():
            with open_stack(path, is_label=True) as stack, ExitStack() as own_files:
                own = [
                    _open(each, draft / each.target.format(name=name), done, own_files)
                    for each in chosen
                    if not each.shared and not _copy_lineages(each, path, draft / each.target.format(name=name), done)
                ]
                for plane in _add_measurements(read_planes(name, path, stack, done.notes), find if measures else None):
                    for writer in (*own, *shared.values()):
                        with writing_errors(output):
                            writer.add(plane)
                    done.cells += len(np.unique(plane.labels[plane.labels > 0]))
            done.images += 1
    return done


def _copy_lineages(form: Format, path: Path, target: Path, done: Exported) -> bool:
    """Copy the CTC folder beside the label images of tracks: it has divisions and gaps, which label images do not state."""
    tracks = next((each for each in (path, *path.parents) if each.name in _TRACKS), None)
    if form.name != "ctc" or tracks is None or not is_ctc_folder(tracks.parent / form.name):
        return False
    with writing_errors(target):
        shutil.copytree(tracks.parent / form.name, target)
    done.files.append(target.name)
    return True


def _add_measurements(planes: Iterator[LabelledPlane], find: FindMeasurements | None) -> Iterator[LabelledPlane]:
    """The planes with their measurements. Ids of tracks are not those of the cells that were measured."""
    for plane in planes:
        if find is None or plane.is_linked:
            yield plane
        else:
            yield replace(plane, measurements=find(plane.name, plane.frame, plane.labels))


def _open(form: Format, path: Path, done: Exported, files: ExitStack) -> Writer:
    """A writer that is closed with the others."""
    if path.name in done.files:
        raise DataError(f"{path.name}: each image must have its own file, two have this one; rename one of the images")
    with writing_errors(path):
        writer = form.open(path)
    files.callback(writer.close)
    done.files.append(path.name)
    return writer


def list_label_images(source: Path) -> dict[str, Path]:
    """The label images of a folder, or one of its own, by the name of their image.

    In a folder of a prediction those are `NAME_cells`; of tracked movies, those of their folders. A DataError if there is
    none, or an image has two.
    """
    if not source.exists():
        raise DataError(f"{source}: the results must exist, there is no such file or folder; correct the path")
    paths = [source] if source.is_file() or find_zarr(source) is not None else list_folder(source)
    inner = {path: find_inner(path) or path for path in paths if find_zarr(path) is not None}
    cells = [path for path in paths if stem_of(path).endswith(_CELLS)]
    kinds = (
        [path for path, labels in inner.items() if labels != path],  # large images
        [path for path in cells if path in inner],
        [path for path in cells if path not in inner],  # of a cell image and an OME-Zarr of it, the first counts
    )
    found = {name: inner.get(path, path) for kind in kinds for name, path in _name_each(source, kind).items()}
    found = {**found, **_list_tracked(source)} or _name_each(source, paths)
    if not found:
        raise DataError(
            f"{source}: must hold label images, found none; predict with --cells, or name a folder of label images"
        )
    return dict(sorted(found.items()))


def _name_each(source: Path, paths: Collection[Path]) -> dict[str, Path]:
    """Label images by the name of their image; `a_masks` counts before `a`, which is its image."""
    found: dict[str, Path] = {}
    is_plain = {path: name_labelled(path) == stem_of(path) for path in paths}
    for path in sorted(paths, key=is_plain.__getitem__):
        other = found.setdefault(name_labelled(path), path)
        if other != path and is_plain[other] == is_plain[path]:
            got = f"{name_labelled(path)} has two, {other.name} and {path.name}"
            raise DataError(f"{source}: each image must have one label image, {got}; rename or remove one")
    return found


def _list_tracked(source: Path) -> dict[str, Path]:
    """The label images of tracked movies by the name of their folder: of one, or of the folders in it."""
    if not source.is_dir() or find_zarr(source) is not None:
        return {}
    folders = (source, *sorted(each for each in source.iterdir() if each.is_dir()))
    found = {
        compose(folder.resolve().name): folder / name for folder in folders for name in _TRACKS if (folder / name).exists()
    }
    return {name: (path.is_dir() and find_inner(path)) or path for name, path in found.items()}


def read_planes(name: str, path: Path, stack: Stack, notes: list[str]) -> Iterator[LabelledPlane]:
    """The frames of an open label image, one after the other; a DataError if it holds no ids or has channels or depth.

    `notes` get a line for each plane whose ids are not those of the file.
    """
    check_axes(path, stack)
    frames = stack.length("T")
    is_linked = any(part in _TRACKS for part in path.parts)
    is_mask = not is_linked and (frames == 1 or _is_mask(path, stack))
    file = find_zarr(path) or path
    for frame in range(frames):
        plane = file if frames == 1 else file.with_name(f"{file.name}, frame {frame},")
        labels, renumbered = _renumber(plane, check_labels(path, stack.read(frame)))
        labels, separated = separate_parts(plane, labels) if is_mask else (labels, "")
        notes += [note for note in (renumbered, separated) if note]
        yield LabelledPlane(
            name,
            labels,
            frame if frames > 1 else None,
            frames,
            stack.pixel_size_um,
            stack.interval_min,
            is_linked,
        )


def _is_mask(path: Path, stack: Stack) -> bool:
    """Whether no frame has a value above 0 that another does not have; read up to the first that has."""
    values: set[int] = set()
    for frame in range(stack.length("T")):
        labels = check_labels(path, stack.read(frame))
        values.update(np.unique(labels[labels > 0]).tolist())
        if len(values) > 1:
            return False
    return True


def _renumber(path: Path, labels: Pixels) -> tuple[Pixels, str]:
    """Ids (Y, X) that 32 bits hold, 1, 2, 3 ... in their order with a note if they are greater, and else as they are."""
    if labels.max(initial=0) < 2**32:
        return labels, ""
    ids = np.unique(np.append(labels.ravel(), labels.dtype.type(0)), return_inverse=True)[1][:-1]
    return ids.reshape(labels.shape), f"{path.name} has ids of 2^32 or more: its cells have got new ones, 1, 2, 3 ..."


def check_labels(path: Path, labels: Pixels) -> Pixels:
    """A label image (Y, X) of whole numbers, 0 where it is not annotated (negative); a DataError if it is none."""
    if labels.dtype.kind == "f":
        labels = check_ids(path, labels)
        labels = labels.astype(np.int32 if labels.max(initial=0) < 2**31 else np.int64)
    if labels.dtype.kind not in "ui":
        raise DataError(f"{path}: a label image must hold integers, got {labels.dtype}; name the label images of the cells")
    return labels if labels.dtype.kind == "u" else np.maximum(labels, 0)
