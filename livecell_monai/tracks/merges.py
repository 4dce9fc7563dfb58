"""Two cells that the segmentation merges into one object for a few frames: each keeps its track afterwards."""

from dataclasses import dataclass

import numpy as np

from livecell_monai.tracks.costs import LinkCosts
from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.pieces import find_forks
from livecell_monai.tracks.tracks import Ints

_MOST_GROWTH = 2.0  # ratio of the areas of a cell before and after, either way
_LEAST_APART = 2  # frames for which both are seen before and after: one of them could be a piece of the other


@dataclass(frozen=True)
class Merge:
    """Two cells that are one object for some frames; indices of objects."""

    through: tuple[int, int]  #: the cell that has the object: its last one before, and its first one after
    aside: tuple[int, int]  #: the other cell, of the same frames
    merged: tuple[int, int]  #: the first and the last object that is both


def find_merges(objects: Objects, costs: LinkCosts, following: Ints, previous: Ints, longest: int) -> list[Merge]:
    """All merges of a movie, in order of the frames.

    Two objects, each seen for two frames or more, together cover one of the next frame, better than either alone; it, or one
    that follows it, is covered in the same way by two of the frame after. Cells before and after are paired so that both
    together move least. If a cell would then grow or shrink by more than a factor of two, there is no merge; nor if it needs
    a link that a third object or an earlier merge has.

    Args:
        objects: of the movie.
        costs: of its links.
        following: (N,) of each object the one that it is linked to in the next frame, -1 for none.
        previous: (N,) the one in the frame before, -1 for none.
        longest: frames for which two cells may be one object; 0 finds none.
    """
    if longest < 1:
        return []
    before = {whole: pair for pair, whole in find_forks(objects, costs, 1).items()}
    after = {whole: pair for pair, whole in find_forks(objects, costs, 0).items()}
    merges: list[Merge] = []
    used: tuple[set[int], set[int]] = set(), set()  # ends and starts of links of the merges so far
    for first, (one, other) in sorted(before.items()):
        last, frames = first, 1
        while last not in after and following[last] >= 0 and frames < longest:
            last, frames = int(following[last]), frames + 1
        if last not in after:
            continue
        ends, starts = (one, other), after[last]
        free = {-1, first, last}
        if not {*following[[*ends]].tolist(), *previous[[*starts]].tolist()} <= free:
            continue
        if not (previous[first] in (-1, *ends) and following[last] in (-1, *starts)):
            continue  # the object is linked to a third one
        if used[0] & {*ends, last} or used[1] & {*starts, first}:
            continue
        if not (_lasts(ends, previous) and _lasts(starts, following)):
            continue
        if _way(objects, ends, starts) > _way(objects, ends, starts[::-1]):
            starts = starts[::-1]
        pairs = list(zip(ends, starts, strict=True))
        if np.abs(np.log(objects.area[[*starts]] / objects.area[[*ends]])).max() > np.log(_MOST_GROWTH):
            continue
        aside = min(pairs, key=lambda pair: (previous[first] == pair[0], objects.area[pair[0]]))
        pairs.remove(aside)
        merges.append(Merge(pairs[0], aside, (first, last)))
        used[0].update((*ends, last))
        used[1].update((*starts, first))
    return merges


def _lasts(pair: tuple[int, int], links: Ints) -> bool:
    """Whether both objects are linked for long enough, in the direction of the links."""
    ends = np.array(pair)
    for _ in range(_LEAST_APART - 1):
        ends = np.where(ends >= 0, links[ends], -1)
    return bool((ends >= 0).all() and ends[0] != ends[1])


def _way(objects: Objects, ends: tuple[int, int], starts: tuple[int, int]) -> float:
    """The sum of the distances, in px and without drift, that two cells have moved."""
    steps = objects.places[list(starts)] - objects.places[list(ends)]
    return float(np.hypot(*steps.T).sum())
