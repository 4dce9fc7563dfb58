"""The decoder of a bundle: from its maps to cells, by its settings."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from livecell_monai.cells.decode import Decoding, Labels, decode
from livecell_monai.cells.fit import fit_decoding
from livecell_monai.cells.height import quantise
from livecell_monai.sample import Pixels

DISTANCE = "distance"  #: the map that separates touching cells


class CellDecoder:
    """Separates the cells of masks, at necks of the mask, and by the map `distance` where there is one.

    Args:
        channels: names of the network's maps.
        cells: whether cells are written: true, false, or auto for where the network has the map.
        seed_depth, cell_diameter, map_threshold, min_area, min_border_area: see `Decoding`.
    """

    def __init__(
        self,
        channels: Sequence[str] = (),
        cells: bool | str = "auto",
        seed_depth: float = 2.0,
        cell_diameter: float = 40.0,
        map_threshold: float = 0.5,
        min_area: int = 1,
        min_border_area: int = 0,
    ) -> None:
        self.has_map = DISTANCE in channels
        self.is_on = self.has_map if cells == "auto" else bool(cells)
        self.decoding = Decoding(seed_depth, cell_diameter, map_threshold, min_area, min_border_area)

    def adapted(self, sizes: Mapping[str, Any]) -> "CellDecoder":
        """The decoder with other sizes, those of `seed_depth`, `cell_diameter` and `min_cell_area` that are given."""
        here, other = self.decoding, copy(self)
        other.decoding = replace(
            here,
            seed_depth=float(sizes.get("seed_depth", here.seed_depth)),
            cell_diameter=float(sizes.get("cell_diameter", here.cell_diameter)),
            min_area=round(float(sizes.get("min_cell_area", here.min_area))),
        )
        return other

    def __call__(self, mask: Pixels, maps: Mapping[str, Pixels]) -> Labels:
        """The cells (Y, X), ids from 1, of a mask (Y, X) bool and maps (Y, X) float32 in [0, 1] by name."""
        if DISTANCE not in maps:
            return decode(mask, None, self.decoding)
        distance = quantise(maps[DISTANCE])
        shape = (mask.shape[0], mask.shape[1])
        decoding = fit_decoding(self.decoding, shape, lambda part: part.crop(mask), lambda part: part.crop(distance))
        return decode(mask, distance, decoding)
