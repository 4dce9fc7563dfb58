"""Labels, borders and ignore files whose names are near those of their images: `a_mask`, `mask_01` for `image_1`."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path

from livecell_monai.data.paths import compose

_LABELS = (
    r"cp_masks?|masks?|labels?|lbls?|label[ _]?images?|labell?ed|seg|(?:simple[ _]|instance[ _])?segmentation|man_seg|gt"
    r"|ground[ _-]?truth|truth|annotations?|annotated|manual|binary|instances?|object[ _]identities|borders?|weights?"
    r"|ignored?"
)
_IMAGES = r"images?|img|im|raw|original|phase|frame|t"
#: what programs add to the stem of a label or border
_ADDED = re.compile(rf"(?:[ ._-]*(?:{_LABELS})|\.(?:ome|tiff?|png))+$")
_FRONT = re.compile(rf"(?:(?:{_LABELS}|{_IMAGES})(?=_|\d|$)_?)+")
_BACK = re.compile(rf"(?:_(?:{_LABELS}|{_IMAGES}))+$")


def match_near_names(images: dict[str, Path], others: dict[str, Path]) -> dict[str, Path]:
    """Labels or borders by the stem of their image; a near name counts if it fits one image alone."""
    free = [stem for stem in images if stem not in others], [stem for stem in others if stem not in images]
    found = _pair(*free, _without_added)
    # numbers without zeros may be those of other images: each name must be alone in its whole folder
    distant = _pair(images, others, _reduce)
    left = set(free[0]) - set(found), set(free[1]) - set(found.values())
    found |= {stem: other for stem, other in distant.items() if stem in left[0] and other in left[1]}
    renamed = {other: stem for stem, other in found.items()}
    return {renamed.get(stem, stem): path for stem, path in others.items()}


def list_near_names(stem: str, others: Iterable[str]) -> list[str]:
    """The stems that are nearest to one."""
    free = list(others)
    for simplify in (_without_added, _reduce):
        near = [other for other in free if simplify(other) == simplify(stem)]
        if near:
            return sorted(near)
    return get_close_matches(stem, free, 1)


def _pair(images: Iterable[str], others: Iterable[str], simplify: Callable[[str], str]) -> dict[str, str]:
    """The other stem of each image's stem, if both are alone in being the same after `simplify`."""
    sides: list[dict[str, list[str]]] = []
    for stems in (images, others):
        by_key: dict[str, list[str]] = {}
        for stem in stems:
            by_key.setdefault(simplify(stem), []).append(stem)
        sides.append(by_key)
    return {stems[0]: sides[1][key][0] for key, stems in sides[0].items() if len(stems) == len(sides[1].get(key, [])) == 1}


def _without_added(stem: str) -> str:
    """A stem without what programs add to it: `Cell_01_masks`, `cell_01.ome_seg` and `cell_01` are alike."""
    return _ADDED.sub("", compose(stem).casefold())


def _reduce(stem: str) -> str:
    """A stem by its own words and numbers alone: `image_1`, `mask 01` and `1_label` are alike."""
    plain = re.sub(r"[\W_]+", "_", _without_added(stem)).strip("_")
    plain = _BACK.sub("", _FRONT.sub("", plain, count=1) if _FRONT.match(plain) else plain)
    return re.sub(r"\d+", lambda number: str(int(number[0])), plain)
