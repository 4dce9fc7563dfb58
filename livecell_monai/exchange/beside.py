"""Annotations that lie beside their images, `a.tif` and `a.zip`: they are made a data folder once, and then used like one.

Source files are compared by their hashes: as long as none has changed, the data folder is used again.
"""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livecell_monai import __version__
from livecell_monai.data.checks.limits import reading_errors
from livecell_monai.data.dataset.folder import ROLES
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.data.paths import describe_folders, find_zarr, is_image, stem_of
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import Format
from livecell_monai.exchange.importing import MAX_NOTES, Imported, check_classes, write_annotated
from livecell_monai.exchange.label_images import find_inner, name_labelled
from livecell_monai.exchange.matching import ImageFinder
from livecell_monai.exchange.origins import Origins, list_origins, restate, restated
from livecell_monai.exchange.registry import ENDINGS, FORMATS, LABELS, find_format, prefer_labels, refuse_pickles
from livecell_monai.runs.atomic import make_folder, move_to_name, writing_errors

RECORD = "annotations.json"  #: in the data folder: what it was made of
OUTPUT = "{name}_data"  #: beside an output: the folder of the data folder
_CVAT = b"<annotations"  # microscopes write .xml files too
_HEAD = 4096  # bytes of a file in which it must be
_ALSO_OF_IMAGES = "_cells"  # of the endings of label images, the one that images have as well


@dataclass(frozen=True)
class PreparedData:
    """A data folder or datalist that can be read."""

    path: Path
    lines: list[str] = field(default_factory=list)  #: what the user should know of how it was made
    origins: Origins = field(default_factory=dict)  #: the user's paths by those of the data folder

    def restate(self, text: str) -> str:
        """A line with the user's paths in place of those of a data folder that was made of them."""
        return restate(text, self.origins)


@dataclass(frozen=True)
class _Beside:
    """The images of a folder and the annotations beside them."""

    folder: Path
    sources: list[tuple[Format, Path]]
    images: list[Path]
    others: list[str]  #: names of files that are neither

    def describe(self, role: str, unannotated: Collection[str]) -> dict[str, Any]:
        """What the data folder depends on, of images without an annotation only their names."""
        annotations = {path.name: hash_file(path) for _, path in self.sources}
        images = {path.name: None if path.name in unannotated else hash_file(path) for path in self.images}
        return {"livecell_monai": __version__, "role": role, "annotations": annotations, "images": images}

    def is_described(self, record: Mapping[str, Any], role: str) -> bool:
        """Whether a data folder is of these files as they are now."""
        unannotated = [name for name, digest in record["images"].items() if digest is None]
        return all(record.get(name) == value for name, value in self.describe(role, unannotated).items())

    def describe_skipped(self) -> list[str]:
        """One line about files that are neither image nor annotation, and one about folders of images or annotations."""
        lines = describe_folders(self.folder, ENDINGS)
        if self.others:
            what = "1 file that is" if len(self.others) == 1 else f"{len(self.others):,} files that are"
            shown = ", ".join(self.others[:5]) + (", ..." if len(self.others) > 5 else "")
            lines.insert(0, f"{self.folder}: skipped {what} neither image nor annotation: {shown}")
        return lines


@contextmanager
def prepared_data(data: Path, output: Path | None = None, role: str = "train") -> Iterator[PreparedData]:
    """A data folder or datalist as it is; a folder of images with their annotations beside them as a data folder of it.

    That data folder is `OUTPUT_data/NAME` beside the output, or a temporary one without an output. It is made as a whole,
    used again while no annotation and no annotated image has changed, and removed at the end of the block if nothing was
    written to the output. Annotated images are copied; of the role `train`, the others become its test images, by links.
    Errors of the block name the user's files.

    Args:
        data: of a command.
        output: the folder that the command writes to; None for one that reads only.
        role: of the annotated images, `train` or `test`.

    Raises a LiveCellError if an annotation is damaged or has no image, or sizes or classes do not fit; see `importing`.
    """
    found = find_beside(data)
    if found is None:
        yield PreparedData(data)
        return
    with ExitStack() as stack:
        if output is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            place = output.absolute().with_name(OUTPUT.format(name=output.absolute().name))
            stack.enter_context(_kept_with(output, place / data.resolve().name))
        target = place / data.resolve().name
        record = _prepare(found, target, role, output)
        lines = [*record["lines"], *found.describe_skipped()]
        origins = list_origins(target, data, record.get("origins", {}))
        stack.enter_context(restated(origins))
        shown = lines if output is None else [f"{lines[0]}; data folder: {target}", *lines[1:]]
        yield PreparedData(target, shown, origins)


def find_beside(data: Path) -> _Beside | None:
    """The images of a folder and the annotations beside them; None for a data folder, or without an annotation."""
    if not data.is_dir() or find_zarr(data) is not None or any((data / role).is_dir() for role in ROLES):
        return None
    try:
        paths = sorted(path for path in data.iterdir() if not path.name.startswith("."))
    except OSError:  # reported where data folders are read
        return None
    stems = {stem_of(path) for path in paths if is_image(path)}
    forms = {path: form for path in paths if (form := _find_annotation(path, stems)) is not None}
    images = [path for path in paths if is_image(path) and (path not in forms or _is_image_too(path, stems))]
    if not forms:
        if images:
            refuse_pickles(data, paths)
        return None
    others = [path.name for path in paths if path.is_file() and path not in forms and not is_image(path)]
    return _Beside(data, prefer_labels([(form, path) for path, form in forms.items()]), images, others)


def _find_annotation(path: Path, stems: set[str]) -> Format | None:
    """The format of an annotation; None for an image and for any other file."""
    if path.name.lower().endswith(".xml"):
        if not path.is_file():
            return None
        with reading_errors(path, "XML"), open(path, "rb") as stream:
            return FORMATS["cvat"] if _CVAT in stream.read(_HEAD) else None
    form = find_format(path)
    if form is None or form.name == "ctc":
        return None
    if not is_image(path):
        return form
    own = name_labelled(path)
    is_label = own != stem_of(path) and (own in stems or not stem_of(path).lower().endswith(_ALSO_OF_IMAGES))
    return form if is_label or (form is not LABELS and find_inner(path) is not None) else None


def _is_image_too(path: Path, stems: set[str]) -> bool:
    """Whether an annotation is an OME-Zarr image with its own label image."""
    return path.is_dir() and find_inner(path) is not None and name_labelled(path) not in stems - {stem_of(path)}


def _prepare(found: _Beside, target: Path, role: str, output: Path | None) -> dict[str, Any]:
    """Make the data folder, unless the one that is there is of the same files; returns the record of how it was made.

    Raises a SettingError if something in the output was made of the files as they were before.
    """
    earlier = _read_record(target)
    if earlier is not None and found.is_described(earlier, role):
        return earlier
    if earlier is not None and output is not None and output.is_dir() and any(output.iterdir()):
        raise SettingError(
            f"{found.folder}: images and annotations must be those that {output} was made of, some have changed since; name "
            "another output, or restore them"
        )
    place = make_folder(target.parent)
    try:
        with writing_errors(target), tempfile.TemporaryDirectory(prefix=".filling-", dir=place) as temporary:
            draft = make_folder(Path(temporary) / "new")
            done, lines = _fill(found, draft, role)
            record = found.describe(role, [path.name for path in done.unannotated])
            origins = {path.relative_to(draft).as_posix(): own.name for path, own in done.origins.items()}
            record |= {"source": str(found.folder.resolve()), "lines": lines, "origins": origins}
            (draft / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            move_to_name(draft, target, Path(temporary))
    finally:
        with suppress(OSError):  # unless it is empty
            place.rmdir()
    return record


def _read_record(target: Path) -> dict[str, Any] | None:
    """What a data folder was made of; None if there is none. A SettingError for a folder that is somebody else's."""
    if not target.exists():
        return None
    with suppress(OSError, ValueError, LookupError, TypeError):
        record: dict[str, Any] = json.loads((target / RECORD).read_text(encoding="utf-8"))
        if isinstance(record["lines"], list) and isinstance(record["images"], dict):
            return record
    raise SettingError(
        f"{target}: the annotations beside the images are made a data folder here, but the folder exists and has no "
        f"{RECORD}; remove it, or name another --output"
    )


def _fill(found: _Beside, draft: Path, role: str) -> tuple[Imported, list[str]]:
    """Write the data folder; returns also what the user should know of it."""
    folder = found.folder
    finder = ImageFinder(found.images, folder)
    done = write_annotated(found.sources, finder, draft / role)
    if not done.counts.images:  # a file of many images, of others than these
        first = found.sources[0][1]
        raise DataError(f"{first}: must annotate images of {folder}, found none of them; add the images that it names")
    if len(done.titles) > 1:  # not all formats have classes
        done.counts.kinds.pop("", None)
    check_classes(folder, done.counts, (), f"livecell import {folder} --images {folder} --output cells --class")
    rest = done.unannotated if role == "train" else []
    for path in rest:
        _link(path, make_folder(draft / "test" / "images") / path.name)
    return done, [_describe(folder, done, len(rest)), *done.counts.notes[:MAX_NOTES]]


def _link(path: Path, link: Path) -> None:
    """Link to an image, which may be one of many; copy it where links are not allowed."""
    try:
        link.symlink_to(path.resolve())
    except OSError:
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, link)


def _describe(folder: Path, done: Imported, tests: int) -> str:
    """What was read, on one line."""
    counts = done.counts
    alone = len(done.unannotated)
    parts: Sequence[tuple[int, str]] = (
        (counts.overlapping, f"{counts.overlapping:,} overlap"),
        (counts.hidden, f"{counts.hidden:,} covered by others and left out"),
        (counts.clipped, f"{counts.clipped:,} cut off at the border"),
        (counts.empty, f"{counts.empty:,} outside of the image and left out"),
        (counts.repaired, f"{counts.repaired:,} repaired, whose outlines cross themselves"),
        (counts.without_area, f"{counts.without_area:,} points, lines and boxes left out"),
        (done.partial, f"{done.partial:,} annotated in part"),
        (done.absent, f"{done.absent:,} annotated images that are not here"),
        (alone, f"{alone:,} without an annotation, " + ("which are test images" if tests else "left out")),
    )
    more = "".join(f"; {text}" for number, text in parts if number)
    images = f"{counts.images:,} {'image' if counts.images == 1 else 'images'}"
    return f"{folder}: {images} with {counts.cells:,} cells, annotated beside them by {', '.join(done.titles)}{more}"


@contextmanager
def _kept_with(output: Path, target: Path) -> Iterator[None]:
    """Remove a new data folder at the end of the block if nothing was written to the output."""
    was_there, before = target.exists(), _list(output)
    try:
        yield
    finally:
        if not was_there and target.exists() and _list(output) == before:
            shutil.rmtree(target, ignore_errors=True)
            with suppress(OSError):
                target.parent.rmdir()


def _list(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
