"""Finds the image of an annotation: by its stem, of a movie by the number of its frame."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from livecell_monai.data.paths import compose, stem_of
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError
from livecell_monai.exchange.base import Annotation
from livecell_monai.exchange.label_images import name_labelled

_NUMBERED = re.compile(r"\D*?_?t?(\d+)$", re.IGNORECASE)  # t000, frame_12


def check_folders(source: Path, images: Path, count: int) -> None:
    """Reject a folder that is named twice, of which every file is taken as a label image; `count` are the images left."""
    if not count and source.resolve() == images.resolve():
        raise DataError(
            f"{source}: the annotations and --images are the same folder, and each file of it was taken as a label image; "
            "name label images NAME_masks.tif, or name two folders"
        )


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

    def _raise_missing(self, annotation: Annotation) -> NoReturn:
        source, name, frame = annotation.source, compose(annotation.name), annotation.frame
        name = name_labelled(source) if name == stem_of(source) else name  # `a` of `a_masks.tif`
        found = f"found no {name if frame is None else f'{name}, frame {frame},'} in {self._folder}"
        remedy = "put the image there, or remove the annotation"
        near = next((path.name for stem, path in self._paths.items() if stem.lower() == name.lower()), None)
        if near is not None and frame is None:
            found, remedy = f"the name of {near} differs in upper and lower case only", "rename one of the two"
        raise DataError(f"{source}: an annotation must have an image of the same name, {found}; {remedy}")

    def list_unused(self) -> list[Path]:
        """The images that no annotation was of."""
        return [path for stem, path in self._paths.items() if stem not in self._used]

    def _find_stem(self, annotation: Annotation) -> str | None:
        """The stem of the image; frames may be files of their own, numbered as they are."""
        name, frame = compose(annotation.name), annotation.frame
        if name in self._paths and (not frame or self._count_frames(name) > 1):
            return name
        if frame is None:
            return None
        numbered = [stem for stem in self._paths if (found := _NUMBERED.fullmatch(stem)) and int(found[1]) == frame]
        own = [stem for stem in numbered if stem.startswith(name)] or numbered
        return own[0] if len(own) == 1 else None

    def _count_frames(self, stem: str) -> int:
        if stem not in self._frames:
            with open_stack(self._paths[stem]) as stack:
                self._frames[stem] = stack.length("T")
        return self._frames[stem]
