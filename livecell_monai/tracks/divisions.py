"""Which objects may be the two daughters of a division: a track that starts near a cell whose own place has changed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.tracks.costs import LinkCosts, find_pairs
from livecell_monai.tracks.objects import Objects
from livecell_monai.tracks.tracks import Floats, Ints

_OVERLAP = 2.0  # weight of the overlap of mother and first daughter: a cell that has not divided stays where it is
_RATIO = 0.15  # weight of the logarithm of the ratio of the daughters' areas
_COVER = 0.4  # of her usual area that both daughters together still cover: a cell that covers more was cut in two
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
    objects: Objects, costs: LinkCosts, links: tuple[Ints, Ints], starts: list[tuple[Ints, Ints]], distance: float
) -> Divisions:
    """All possible divisions of a movie.

    Two daughters that still cover the place of a mother of usual size are two pieces of one cell, and no division: a cell
    that divides becomes round, and therefore small, or its daughters move apart.

    Args:
        objects: of the movie.
        costs: of its links.
        links: (N,) of each object the one that it is linked to in the next frame, and in the one before, -1 for none.
        starts: for each pair of neighbouring frames the objects of the first one, and those of the second one that are
            linked to none; objects at the border are left out: they enter the field.
        distance: greatest distance of a daughter from its mother in px.
    """
    following, previous = links
    found = [find_pairs(objects, *pair, distance) for pair in starts]
    mother, second = (np.concatenate([each[side] for each in found] or [np.zeros(0, np.int64)]) for side in (0, 1))
    apart = np.concatenate([each[2] for each in found] or [np.zeros(0)])
    keep = (following[mother] >= 0) if len(mother) else np.zeros(0, bool)
    mother, second, apart = mother[keep], second[keep], apart[keep]
    first = following[mother] if len(mother) else mother
    angle, ratio = _measure(objects, mother, first, second)
    diameter = median_diameter(objects)
    parts = apart / diameter + _OVERLAP * costs.iou(mother, first) + _RATIO * np.minimum(np.log(ratio), 2)
    divisions = Divisions(mother, first, second, apart, angle, ratio, parts / _LIMIT)
    size = np.minimum(1, objects.area[mother] / _measure_usual(objects, previous, mother))
    return divisions.take((divisions.cost < 1) & (size * costs.cover(mother, first, second) <= _COVER))


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
