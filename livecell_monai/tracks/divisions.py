"""Which objects may be the two daughters of a division: a track that starts near a cell whose own place has changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.tracks.costs import ABSENCE, LinkCosts, find_pairs
from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.tracks import Floats, Ints

_OVERLAP = 2.0  # weight of the overlap of mother and first daughter: a cell that has not divided stays where it is
_RATIO = 0.15  # weight of the logarithm of the ratio of the daughters' areas
_COVER = 0.4  # of her usual area that both daughters together still cover: a cell that covers more was cut in two
_MOST = 2.0  # times her usual area that both have at most, even if both have grown to her size by the next frame
_PAST = 20  # frames before a division, of which the mother's usual area is the median
_LEAST_PAST = 3  # frames; with fewer it is the median area in the movie
_LIMIT = 2.0  # of distance in diameters plus both; chosen by the figures of docs/tracking.md


@dataclass(frozen=True)
class Divisions:
    """Possible divisions; arrays have one entry each."""

    mother: Ints  #: indices of objects
    first: Ints  #: the daughter that continues the mother's links
    second: Ints  #: the daughter that starts a track
    distance: Floats  #: px, of the second daughter from the mother
    angle: Floats  #: degrees between the daughters as seen from the mother; 180 is opposite
    ratio: Floats  #: of the daughters' areas, the larger one first: 1 is equal
    cost: Floats  #: in [0, 1)

    def __len__(self) -> int:
        return len(self.mother)

    def take(self, chosen: NDArray[np.bool_]) -> "Divisions":
        """Those of a mask (N,)."""
        return Divisions(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def find_divisions(
    objects: Objects, costs: LinkCosts, links: tuple[Ints, Ints], starts: list[tuple[Ints, Ints, int]], distance: float
) -> Divisions:
    """All possible divisions of a movie.

    Two daughters that still cover the place of a mother of usual size are two pieces of one cell, and no division: a cell
    that divides becomes round, and therefore small, or its daughters move apart, or are small. Two that are together much
    larger than the mother are two cells that met, or lay one above the other.

    Args:
        objects: of the movie.
        costs: of its links.
        links: (N,) of each object the one that follows it in its track, and the one before, -1 for none.
        starts: the objects of a frame, the possible daughters in a later one, which no object before is linked to, and how
            many frames later that is, 1 being the next; objects at the border are left out: they enter the field.
        distance: greatest distance of a daughter from its mother in px.
    """
    following, previous = links
    found = [(*find_pairs(objects, mothers, daughters, distance), later) for mothers, daughters, later in starts]
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    mother, second, apart = (np.concatenate([none[side], *(each[side] for each in found)]) for side in range(3))
    frames = np.repeat(np.array([each[3] for each in found], np.int64), [len(each[0]) for each in found])
    keep = following[mother] >= 0
    mother, second, apart, frames = mother[keep], second[keep], apart[keep], frames[keep]
    first = following[mother]
    angle, ratio = _measure(objects, mother, first, second)
    parts = apart / median_diameter(objects) + _OVERLAP * costs.iou(mother, first) + _RATIO * np.minimum(np.log(ratio), 2)
    divisions = Divisions(mother, first, second, apart, angle, ratio, parts / _LIMIT + ABSENCE * (frames - 1))
    usual, area = _measure_usual(objects, previous, mother), objects.area[mother]
    both = objects.area[first] + objects.area[second]
    left = costs.cover(mother, first, second) * np.minimum(1, area / usual) * np.minimum(1, both / area)
    return divisions.take((divisions.cost < 1) & (left <= _COVER) & (both <= _MOST * usual))


def median_diameter(objects: Objects) -> float:
    """The median diameter in px of a circle with an object's area; 1 without objects."""
    return float(np.median(2 * np.sqrt(objects.area / np.pi))) if len(objects) else 1.0


def _measure_usual(objects: Objects, previous: Ints, mothers: Ints) -> Floats:
    """The usual area (N,) in px of each mother before her last frame."""
    usual = np.full(len(mothers), np.median(objects.area) if len(objects) else 1.0)
    past, at = np.full((_PAST, len(mothers)), np.nan), mothers
    for areas in past:
        at = np.where(at >= 0, previous[at], -1)
        areas[at >= 0] = objects.area[at[at >= 0]]
    known = np.isfinite(past).sum(axis=0) >= _LEAST_PAST
    usual[known] = np.nanmedian(past[:, known], axis=0)
    return usual


def _measure(objects: Objects, mother: Ints, first: Ints, second: Ints) -> tuple[Floats, Floats]:
    places = objects.places
    one, other = places[first] - places[mother], places[second] - places[mother]
    lengths = np.maximum(np.hypot(*one.T) * np.hypot(*other.T), 1e-9)
    angle = np.degrees(np.arccos(np.clip((one * other).sum(axis=1) / lengths, -1, 1)))
    larger, smaller = (pick(objects.area[first], objects.area[second]) for pick in (np.maximum, np.minimum))
    return angle, larger / smaller
