"""Finds the image of an annotation: by its stem, of a movie by the number of its frame."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from livecell_monai.data.paths import compose, stem_of
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import Annotation, Wanted
from livecell_monai.exchange.label_images import name_labelled

_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)  # what stands before a number, and all of its digits
_ADDED = re.compile(r"(?<=.)(\.ome)?(_rois)?$", re.IGNORECASE)  # of a file: an image's double ending, Cellpose's ROIs
_MARK = re.compile(r"[ _.-]*(t|time|frame)?[ _.-]*", re.IGNORECASE)  # between the name of a movie and the number of a frame


def check_folders(source: Path, images: Path, count: int) -> None:
    """Reject a folder that is named twice, of which every file is taken as a label image; `count` are the images left."""
    if not count and source.resolve() == images.resolve():
        raise DataError(
            f"{source}: the annotations and --images are the same folder, and each file of it was taken as a label image; "
            "name label images NAME_masks.tif, or name two folders"
        )


def name_annotated(path: Path, wanted: Wanted = ()) -> str:
    """The stem of the image that an annotation file belongs to: `a` of `a.roi`, `a.ome.geojson.gz` and `a_rois.zip`.

    `wanted` are stems of images; one that is the name of the file as it stands is kept.
    """
    name = compose(Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem)
    return name if name in wanted else _ADDED.sub("", name)


def _is_frame(stem: re.Match[str], movie: str, frame: int) -> bool:
    """Whether a stem is the name of a movie and the number of a frame: `m1_t0003`, but not `m10`, is of `m1`."""
    before, number = stem.groups()
    rest = before[len(movie) :]
    is_one_word = movie[-1:].isalpha() and rest[:1].isalpha()  # `cat3` is not of `ca`
    return int(number) == frame and before.startswith(movie) and not is_one_word and _MARK.fullmatch(rest) is not None


class ImageFinder:
    """The images of a folder by stem; raises a DataError if two have the same one."""

    def __init__(self, paths: Sequence[Path], folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, Path] = {}
        for path in paths:
            other = self._paths.setdefault(stem_of(path), path)
            if other is not path:
                raise DataError(
                    f"{path}: each image must have its own stem, {other.name} has the same; remove one of the two"
                )
        self._frames: dict[str, int] = {}
        self._used: set[str] = set()

    @property
    def stems(self) -> frozenset[str]:
        """The stems of all images."""
        return frozenset(self._paths)

    def has(self, annotation: Annotation) -> bool:
        """Whether the image of an annotation is there."""
        return self._find_stem(annotation) is not None

    def find(self, annotation: Annotation) -> tuple[Path, int | None]:
        """The image of an annotation, and the index of its frame if the image is a movie; a DataError if there is none."""
        stem, frame = self._find_stem(annotation), annotation.frame
        if stem is None:
            self._raise_missing(annotation)
        self._used.add(stem)
        path = self._paths[stem]
        frames = self._count_frames(stem)
        if frames == 1:
            return path, None
        if frame is None or frame >= frames:
            got = "no frame" if frame is None else f"frame {frame}"
            raise DataError(
                f"{annotation.source}: must state a frame of {path.name}, 0 to {frames - 1}, got {got}; correct it"
            )
        return path, frame

    def join_planes(self, annotations: Iterable[Annotation]) -> Iterator[Annotation]:
        """The annotations of a file; of an image of one plane, objects without a frame and of frame 0 are one annotation."""
        earlier: Annotation | None = None
        for found in annotations:
            each = found
            if found.frame == 0 and self._is_plane(found):
                each = replace(found, frame=None)
                if earlier is not None and (earlier.name, earlier.frame) == (each.name, None):
                    without_area = earlier.without_area + each.without_area
                    each = replace(earlier, objects=earlier.objects + each.objects, without_area=without_area)
                    earlier = None
            if earlier is not None:
                yield earlier
            earlier = each
        if earlier is not None:
            yield earlier

    def _is_plane(self, annotation: Annotation) -> bool:
        """Whether an annotation is of an image of one plane that has its name."""
        name = compose(annotation.name)
        return name in self._paths and self._count_frames(name) == 1

    def _raise_missing(self, annotation: Annotation) -> NoReturn:
        source, name, frame = annotation.source, compose(annotation.name), annotation.frame
        name = name_labelled(source) if name == stem_of(source) else name  # `a` of `a_masks.tif`
        found = f"found no {name if frame is None else f'{name}, frame {frame},'} in {self._folder}"
        remedy = "put the image there, or remove the annotation"
        plane = self._paths.get(compose(annotation.name))
        if frame and plane is not None:
            found, remedy = f"{found}: {plane.name} has one frame", "give the movie that was annotated"
        near = next((path.name for stem, path in self._paths.items() if stem.lower() == name.lower()), None)
        if near is not None and frame is None:
            found, remedy = f"the name of {near} differs in upper and lower case only", "rename one of the two"
        raise DataError(f"{source}: an annotation must have an image of the same name, {found}; {remedy}")

    def list_unused(self) -> list[Path]:
        """The images that no annotation was of."""
        return [path for stem, path in self._paths.items() if stem not in self._used]

    def _find_stem(self, annotation: Annotation) -> str | None:
        """The stem of the image; frames may be files of their own, named by the movie and their number, or by that alone."""
        name, frame = compose(annotation.name), annotation.frame
        if name in self._paths:
            return name if not frame or self._count_frames(name) > 1 else None
        if frame is None:
            return None
        found = self._list_frames(name, frame) or self._list_frames("", frame)
        return found[0] if len(found) == 1 else None

    def _list_frames(self, movie: str, frame: int) -> list[str]:
        """The stems `MOVIE_t0003`, or `t003` without a name, of a frame."""
        return [stem for stem in self._paths if (found := _NUMBERED.fullmatch(stem)) and _is_frame(found, movie, frame)]

    def _count_frames(self, stem: str) -> int:
        if stem not in self._frames:
            with open_stack(self._paths[stem]) as stack:
                self._frames[stem] = stack.length("T")
        return self._frames[stem]
