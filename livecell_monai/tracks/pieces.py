"""Cells that the segmentation has cut in two for a few frames: found by what lies before and after, and joined again."""

from dataclasses import replace
from typing import Any

import numpy as np

from livecell_monai.tracks.costs import LinkCosts
from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.tracks import Floats, Ints

_LEAST_COVER = 0.5  # IoU of two pieces together with the whole cell, in the frame before and in the frame after
_MOST_GROWTH = 1.3  # ratio of the area of two pieces together and the whole cell, either way
_Forks = dict[tuple[int, int], int]


def find_pieces(objects: Objects, costs: LinkCosts, following: Ints, longest: int) -> Ints:
    """Of each object (N,) the index of the one that it is a piece of; its own if it is none.

    Two objects are pieces of one cell if together they cover one object of the frame before, better than either alone, and
    they, or those that they are linked to, cover one object of a later frame in the same way. The larger one stands for the
    cell. Two cells that are one object both in a single frame before and in a single frame after stay two.

    Args:
        objects: of the movie.
        costs: of its links.
        following: (N,) of each object the one that it is linked to in the next frame, -1 for none.
        longest: frames for which a cell may be in two pieces; 0 finds none.
    """
    whole = np.arange(len(objects))
    if longest < 1:
        return whole
    before, after = (find_forks(objects, costs, side) for side in (0, 1))
    merged, parted = set(after.values()), set(before.values())  # objects that are two in the frame before, or after
    for fork in sorted(before):
        path = [fork]
        while path[-1] not in after and len(path) < longest:
            first, second = sorted(int(following[one]) for one in path[-1])
            if first < 0 or first == second:
                break
            path.append((first, second))
        if path[-1] in after and not (before[fork] in merged and after[path[-1]] in parted):
            for first, second in path:
                small, large = sorted((first, second), key=lambda one: (objects.area[one], -one))
                whole[small] = large
    while (whole[whole] != whole).any():  # a piece of a piece
        whole = whole[whole]
    return whole


def join_objects(objects: Objects, whole: Ints) -> Objects:
    """The objects with pieces joined, see `find_pieces`; what is joined has the label of the larger piece."""
    keep = np.flatnonzero(whole == np.arange(len(whole)))
    place, count = np.searchsorted(keep, whole), len(keep)
    area = np.bincount(place, objects.area, count).astype(np.float64)

    def average(values: Floats) -> Floats:
        mean: Floats = np.bincount(place, values * objects.area, count) / area
        return mean

    keys, back = np.unique(place[objects.pairs[0]] * count + place[objects.pairs[1]], return_inverse=True)
    pieces = np.flatnonzero(whole != np.arange(len(whole)))
    new: dict[str, Any] = {name: getattr(objects, name)[keep] for name in ("frame", "label")}
    new |= {name: average(getattr(objects, name)) for name in ("y", "x", "intensity")}
    return replace(
        objects,
        **new,
        area=area,
        touches_border=np.bincount(place, objects.touches_border, count) > 0,
        pairs=np.stack(np.divmod(keys, max(1, count))),
        shared=np.bincount(back, objects.shared, len(keys)).astype(np.float64),
        channels={name: average(values) for name, values in objects.channels.items()},
        joined=np.stack([objects.frame[pieces], objects.label[pieces], objects.label[whole[pieces]]], axis=1),
    )


def find_forks(objects: Objects, costs: LinkCosts, side: int) -> _Forks:
    """Pairs of objects, ascending, that cover one of a neighbouring frame better together than either alone.

    Side 0: the one is in the frame before; side 1: it is in the frame after.
    """
    one, other = objects.pairs[side], objects.pairs[1 - side]
    order = np.lexsort((other, -objects.shared, one))
    same = np.flatnonzero(one[order][1:] == one[order][:-1])
    first = same[~np.isin(same, same + 1)]  # the two that share most with the one
    rows = order[first], order[first + 1]
    whole, pair = one[rows[0]], (other[rows[0]], other[rows[1]])
    cover, alone = costs.cover(whole, *pair), np.maximum(*(costs.iou(whole, each) for each in pair))
    growth = (objects.area[pair[0]] + objects.area[pair[1]]) / objects.area[whole]
    keep = (cover >= _LEAST_COVER) & (cover > alone) & (np.abs(np.log(growth)) <= np.log(_MOST_GROWTH))
    pairs = np.sort(np.stack(pair, axis=1)[keep], axis=1).tolist()
    return {(two[0], two[1]): int(which) for two, which in zip(pairs, whole[keep], strict=True)}
