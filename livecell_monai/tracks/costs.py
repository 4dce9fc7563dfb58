"""What a link between two objects costs: distance, overlap, area and mean intensity, each in [0, 1], weighted.

A cost of 0 is the same place, shape and grey value; 1 is the limit, from which on a link is not made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.tracks import Floats, Ints

#: share of each part in the cost of a link; a part that is not known leaves its share to the others
WEIGHTS = {"distance": 0.45, "overlap": 0.4, "area": 0.05, "intensity": 0.1}
ABSENCE = 0.15  #: cost of each frame without the cell
_SHARPNESS = 0.1  # difference of costs that makes one of two links e times as likely


@dataclass(frozen=True)
class Links:
    """Possible links: pairs of objects with what each costs."""

    first: Ints  #: (N,) indices of objects
    second: Ints  #: (N,) of objects in a later frame
    cost: Floats  #: (N,), below 1


def find_pairs(objects: Objects, first: Ints, second: Ints, reach: float) -> tuple[Ints, Ints, Floats]:
    """The pairs of two sets of objects whose centroids, without drift, are at most `reach` px apart, and their distance."""
    if not len(first) or not len(second):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    places = objects.places
    trees = [KDTree(places[each]) for each in (first, second)]
    found = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    return first[found["i"]], second[found["j"]], found["v"]


class LinkCosts:
    """The costs of links between the objects of one movie.

    Args:
        objects: of the movie.
        greatest_step: px from one frame to the next.
    """

    def __init__(self, objects: Objects, greatest_step: float) -> None:
        self._objects, self.greatest_step = objects, greatest_step
        keys = objects.pairs[0] * len(objects) + objects.pairs[1]
        order = np.argsort(keys)
        self._keys, self._shared = keys[order], objects.shared[order]
        self._position = np.searchsorted(objects.given(), objects.frame)
        self._spread = float(np.nanstd(objects.intensity)) if np.isfinite(objects.intensity).any() else 0.0

    def iou(self, first: Ints, second: Ints) -> Floats:
        """Intersection over union of pairs of objects; across a gap, of discs of their areas."""
        shared, area = self._share(first, second), self._objects.area
        iou: Floats = shared / (area[first] + area[second] - shared)
        return iou

    def cover(self, whole: Ints, first: Ints, second: Ints) -> Floats:
        """IoU of objects with two others of a neighbouring frame together."""
        shared, area = self._share(whole, first) + self._share(whole, second), self._objects.area
        cover: Floats = shared / (area[whole] + area[first] + area[second] - shared)
        return cover

    def _share(self, first: Ints, second: Ints) -> Floats:
        """The pixels that pairs of objects share, in any order; over a gap those of discs of their areas."""
        keys = np.minimum(first, second) * len(self._objects) + np.maximum(first, second)
        shared = np.zeros(len(keys))
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            shared = np.where(self._keys[place] == keys, self._shared[place], 0.0)
        apart = np.flatnonzero(np.abs(self._position[first] - self._position[second]) > 1)
        one, other = (side[apart] for side in (first, second))
        places = self._objects.places
        distance = np.hypot(*(places[one] - places[other]).T)
        shared[apart] = share_discs(self._objects.area[one], self._objects.area[other], distance)
        return shared

    def links(self, first: Ints, second: Ints, frames: int = 1) -> Links:
        """The possible links from each of some objects to those `frames` later; across a gap, a cell walks at random."""
        reach = self.greatest_step * float(np.sqrt(frames))
        one, other, distance = find_pairs(self._objects, first, second, reach)
        parts = {"distance": distance / reach, "overlap": 1 - self.iou(one, other)}
        return self._weigh(one, other, parts, ABSENCE * (frames - 1))

    def _weigh(self, one: Ints, other: Ints, parts: dict[str, Floats], more: float) -> Links:
        area, grey = self._objects.area, self._objects.intensity
        parts = {**parts, "area": np.minimum(1, np.abs(np.log(area[other] / area[one])))}
        if self._spread > 0:
            parts["intensity"] = np.minimum(1, np.abs(grey[other] - grey[one]) / (2 * self._spread))
        weights = np.array([WEIGHTS[name] for name in parts])[:, None]
        values = np.stack([*parts.values()])
        known = np.isfinite(values)
        cost = more + (weights * np.where(known, values, 0.0)).sum(axis=0) / (weights * known).sum(axis=0)
        keep = cost < 1
        return Links(one[keep], other[keep], cost[keep])


def share_discs(first: Floats, second: Floats, distance: Floats) -> Floats:
    """The area (N,) that pairs of discs share, by their areas and the distance of their centres."""
    radius, other = np.sqrt(np.maximum(first, second) / np.pi), np.sqrt(np.minimum(first, second) / np.pi)
    apart = np.clip(distance, np.maximum(radius - other, 1e-9), radius + other)  # closer: one in the other
    parts = []
    for one, two in ((radius, other), (other, radius)):
        along = np.clip((apart**2 + one**2 - two**2) / (2 * apart), -one, one)
        parts.append(one**2 * np.arccos(along / one) - along * np.sqrt(one**2 - along**2))
    shared: Floats = np.where(distance <= radius - other, np.minimum(first, second), parts[0] + parts[1])
    return shared


def rate_links(links: Links, chosen: NDArray[np.bool_]) -> Floats:
    """The confidence in [0, 1] of each chosen link: its share among all that the two objects could have, or no link."""
    weight = np.exp(-links.cost / _SHARPNESS)
    none = np.exp(-1 / _SHARPNESS)
    sides = [np.unique(side, return_inverse=True)[1] for side in (links.first, links.second)]
    sums = [np.bincount(side, weight)[side] if len(side) else np.zeros(0) for side in sides]
    share: Floats = weight / (sums[0] + sums[1] - weight + none)
    return share[chosen]
