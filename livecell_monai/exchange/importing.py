"""Makes a data folder of annotated images: train/images, train/labels and, where parts are not annotated, train/ignore."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from livecell_monai.data.paths import list_images, stem_of
from livecell_monai.data.plane_files import mask_pixels, write_plane
from livecell_monai.data.readers import Stack, describe_axes, open_stack
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import Annotation, Format
from livecell_monai.exchange.labelling import Counts, label_objects
from livecell_monai.exchange.matching import ImageFinder, check_folders
from livecell_monai.exchange.registry import find_sources
from livecell_monai.runs.atomic import make_folder
from livecell_monai.runs.new_folder import fill_folder

_REPAIR = "inside is what an odd number of turns encloses"
MAX_NOTES = 10  #: lines about single images
NO_CLASS = "none"  #: the name of `--class` for objects without a class


@dataclass
class Imported:
    """What was imported."""

    titles: list[str] = field(default_factory=list)  #: of the formats
    counts: Counts = field(default_factory=Counts)
    absent: int = 0  #: annotated images of a file of many that are not in the folder of images
    unannotated: list[Path] = field(default_factory=list)  #: images without an annotation
    partial: int = 0  #: images of which a part is not annotated
    origins: dict[Path, Path] = field(default_factory=dict)  #: labels and frames that were written -> the user's files


def import_annotations(
    source: Path, images: Path, output: Path, classes: Sequence[str] = (), form_name: str | None = None
) -> Imported:
    """Write a data folder, new or empty, of the annotations in a file or folder and their images.

    Images of one plane are copied as they are, of a movie the annotated frames are written as `NAME_t0003.tif`. `classes`
    are the names of the classes that are cells; without them, there must be only one. `form_name` is that of the format,
    None for the only one of the folder.

    Raises:
        DataError: an annotation has no image or another size, or a file is damaged.
        SettingError: the classes are ambiguous or unknown, or the folder is not empty.
    """
    sources = find_sources(source, form_name)
    labels = {path.resolve() for _, path in sources}  # label images may lie beside the images
    paths = [path for path in list_images([images]) if path.resolve() not in labels]
    check_folders(source, images, len(paths))
    finder = ImageFinder(paths, images)
    chosen = ["" if name == NO_CLASS else name for name in classes]
    with fill_folder(output) as draft:
        done = write_annotated(sources, finder, draft / "train", chosen)
        check_classes(source, done.counts, chosen)
        if not done.counts.images:
            raise DataError(f"{source}: must annotate images of {images}, found none of them; correct --images")
    return done


def write_annotated(
    sources: Sequence[tuple[Format, Path]], finder: ImageFinder, folder: Path, classes: Sequence[str] = ()
) -> Imported:
    """Write the annotated images, their labels and the parts that are not annotated into a new folder.

    Args:
        sources: annotation files with their formats.
        finder: of the images.
        folder: of a role, `train` or `test`; gets `images`, `labels` and, if a part is not annotated, `ignore`.
        classes: names of the classes that are cells, empty for one without a name; without any, all are.

    Raises a DataError if an annotation has no image or another size, an image has two, or a file is damaged.
    """
    done = Imported(list(dict.fromkeys(form.title for form, _ in sources)))
    for part in ("images", "labels"):
        make_folder(folder / part)
    for form, path in sources:
        for annotation in _read(form, path, finder, done):
            _write(annotation, finder, folder, classes, done)
    done.unannotated = finder.list_unused()
    return done


def _read(form: Format, path: Path, finder: ImageFinder, done: Imported) -> Iterator[Annotation]:
    """The annotations of a file whose images exist; of a file of one image, it must."""
    for annotation in finder.join_planes(form.read(path, finder.stems)):
        if form.is_of_many and not finder.has(annotation):
            done.absent += 1
            continue
        yield annotation


def _write(annotation: Annotation, finder: ImageFinder, folder: Path, classes: Sequence[str], done: Imported) -> None:
    """Write the image, the label and the part that is not annotated."""
    path, frame = finder.find(annotation)
    with open_stack(path) as stack:
        shape = _check_size(annotation, path, stack)
        name = stem_of(path) if frame is None else f"{stem_of(path)}_t{frame:04}"
        labels, outside = label_objects(annotation, shape, classes, done.counts)
        label = folder / "labels" / f"{name}.tif"
        if label.exists():
            raise DataError(f"{annotation.source}: each image must have one annotation, {name} has two; remove one")
        write_plane(label, labels, stack.pixel_size_um)
        done.origins[label] = annotation.source
        if outside is not None:
            done.partial += 1
            ignored = make_folder(folder / "ignore") / label.name
            write_plane(ignored, mask_pixels(outside), stack.pixel_size_um)
            done.origins[ignored] = annotation.source
        if frame is not None:
            image = folder / "images" / label.name
            write_plane(image, stack.read(frame), stack.pixel_size_um)
            done.origins[image] = path
    if frame is None and path.is_dir():
        shutil.copytree(path, folder / "images" / path.name)
    elif frame is None:
        shutil.copy2(path, folder / "images" / path.name)


def _check_size(annotation: Annotation, path: Path, stack: Stack) -> tuple[int, int]:
    """The size (Y, X) of an image, which must be that of its annotation."""
    if stack.length("C") > 1 or stack.length("Z") > 1:
        got = describe_axes(stack.axes, stack.shape)
        raise DataError(f"{path}: an image must be one grey plane, or frames of it, got axes {got}; save the channel to use")
    shape = stack.shape[-2], stack.shape[-1]
    stated = annotation.size if annotation.labels is None else annotation.labels.shape
    if stated is not None and tuple(stated) != shape:
        got = f"{stated[0]} x {stated[1]} for {shape[0]} x {shape[1]}"
        raise DataError(
            f"{annotation.source}: must be of the size of its image {path.name} (Y x X), got {got}; "
            "give the image that was annotated"
        )
    return shape


def check_classes(source: Path, counts: Counts, chosen: Sequence[str] = (), option: str = "--class") -> None:
    """Reject classes that the annotations do not have, and several if none is chosen; a SettingError.

    `option` is what the message asks for, before the name of a class.
    """
    found = ", ".join(f"{kind or NO_CLASS} ({number:,})" for kind, number in counts.kinds.most_common(20))
    unknown = [name or NO_CLASS for name in chosen if name not in counts.kinds]
    if unknown:
        raise SettingError(f"--class must name classes of {source}, got {unknown[0]!r}; it has {found or 'none'}")
    if not chosen and len(counts.kinds) > 1:
        first = counts.kinds.most_common(1)[0][0] or NO_CLASS
        raise SettingError(
            f"{source}: has objects of several classes: {found}; name those that are cells: {option} '{first}'"
        )


def describe_import(done: Imported, images: Path) -> Iterator[str]:
    """What the user should know, one line each."""
    counts = done.counts
    rule = "each goes to the smallest cell, of equally large ones to the first"
    lines = (
        (counts.overlapping, f"overlapping cells: {counts.overlapping:,}, pixels: {counts.overlap_pixels:,}; {rule}"),
        (counts.hidden, f"cells that others cover entirely, left out: {counts.hidden:,}"),
        (counts.clipped, f"objects that reach out of their image, cut off at its border: {counts.clipped:,}"),
        (counts.empty, f"cells that cover no pixel of their image, left out: {counts.empty:,}"),
        (counts.repaired, f"objects whose outline crosses itself: {counts.repaired:,}; {_REPAIR}"),
        (counts.without_area, f"points, lines and boxes, which have no area, left out: {counts.without_area:,}"),
        (done.partial, f"images that are annotated in part, see train/ignore: {done.partial:,}"),
        (done.absent, f"annotated images that are not in {images}, left out: {done.absent:,}"),
    )
    yield from (line for number, line in lines if number)
    yield from shorten_notes(counts.notes)
    if done.unannotated:
        shown = ", ".join(path.name for path in done.unannotated[:3]) + (", ..." if len(done.unannotated) > 3 else "")
        yield f"images of {images} without an annotation, left out: {len(done.unannotated):,} ({shown})"


def shorten_notes(notes: Sequence[str]) -> Iterator[str]:
    """The first notes of single images, and how many there are more."""
    yield from notes[:MAX_NOTES]
    if len(notes) > MAX_NOTES:
        yield f"the same is true of {len(notes) - MAX_NOTES:,} more images"
