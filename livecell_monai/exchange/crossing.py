"""Finds outlines that cross themselves.

Filling them by the even-odd rule is shapely's repair: `shapely.make_valid` keeps what an odd number of turns encloses.
"""

from collections.abc import Sequence

import numpy as np

from livecell_monai.exchange.base import import_exchange
from livecell_monai.exchange.outlines import Polygon


def count_crossing(numbers: Sequence[int], polygons: Sequence[Polygon]) -> int:
    """How many objects have a ring that crosses or touches itself; `numbers` are the objects of the polygons."""
    rings = [ring for polygon in polygons for ring in polygon]
    if not rings:
        return 0
    shapely = import_exchange("shapely", "the check of annotations")
    owner = np.repeat(np.asarray(numbers), [len(polygon) for polygon in polygons])
    place = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    is_valid = shapely.is_valid(shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=place)))
    return len(np.unique(owner[~is_valid]))
