"""Measurements of cells: place, size, shape, neighbours and intensity, for all cells of an image at once.

Lengths are in pixels; with a pixel size (Y, X) in µm there is a second column of each length and area in µm. The definitions
are those of scikit-image's `regionprops`, except for hull and Feret diameter, which are those of the polygon of the pixels'
edges, as in QuPath.

Sources: Legland et al., "Computation of Minkowski measures on 2D and 3D binary images", Image Analysis and Stereology 26,
2007 (perimeter by Crofton's formula); Haralick and Shapiro, "Computer and Robot Vision", 1992 (axes from moments).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, KDTree

from livecell_monai.cells.cellprofiler import measure_shapes, scale_grey
from livecell_monai.cells.height import LEVELS
from livecell_monai.sample import Pixels, Region

Column = NDArray[Any]
Columns = dict[str, Column]
#: contribution to the perimeter of each pattern of 2 x 2 pixels, bits: itself 1, right 2, below 4, below right 8
_DIAGONAL = np.pi / 8 / np.sqrt(2)
_SIDE = np.pi / 8


def measure_cells(
    labels: Pixels,
    images: Mapping[str, Pixels] | None = None,
    probability: Pixels | None = None,
    pixel_size_um: tuple[float, float] | None = None,
    as_cellprofiler: bool = False,
) -> Columns:
    """The measurements (N,) of the cells of a label image by column, in the order of their ids.

    Args:
        labels: (Y, X) ids 1..N, 0 for background.
        images: grey values (Y, X) by the name of the channel, empty for the only one.
        probability: (Y, X) uint8 of the foreground, as `height.quantise` gives it.
        pixel_size_um: (Y, X); None if unknown, the columns in µm are then NaN.
        as_cellprofiler: measure what CellProfiler defines otherwise as it does, see `cellprofiler.DEFINITIONS`.
    """
    own = measure_alone(labels, images, probability, as_cellprofiler=as_cellprofiler)
    return complete_table(own, list_touching(labels, diagonally=not as_cellprofiler), pixel_size_um)


def measure_alone(
    labels: Pixels,
    images: Mapping[str, Pixels] | None = None,
    probability: Pixels | None = None,
    place: Region | None = None,
    shape: tuple[int, int] | None = None,
    as_cellprofiler: bool = False,
) -> Columns:
    """The measurements of each cell that do not depend on others, in pixels; arguments as for `measure_cells`.

    Labels, images and probability may be a part of an image of this shape (Y, X), at this place.
    """
    boxes = ndimage.find_objects(labels)
    inside = np.flatnonzero(labels)
    rows, columns = np.divmod(inside, labels.shape[1])
    ids = labels.ravel()[inside] - 1
    area = np.bincount(ids, minlength=len(boxes))
    origin = (0, 0) if place is None else (place.top, place.left)
    table: Columns = {
        "centroid_y_px": np.bincount(ids, rows, len(boxes)) / area + origin[0],
        "centroid_x_px": np.bincount(ids, columns, len(boxes)) / area + origin[1],
    }
    table |= _measure_place(boxes, shape or labels.shape, origin)
    if as_cellprofiler:
        shapes = measure_shapes(labels)
    else:
        shapes = {"perimeter_px": _measure_perimeter(labels, len(boxes)), **_measure_hulls(ids, rows, columns, area)}
    perimeter = shapes["perimeter_px"]
    table |= {"area_px": area, "perimeter_px": perimeter}
    table |= _measure_moments(ids, rows, columns, area)
    table |= {"solidity": shapes["solidity"], "feret_px": shapes["feret_px"]}
    table["form_factor"] = np.divide(4 * np.pi * area, perimeter**2, out=np.full(len(area), np.nan), where=perimeter > 0)
    for name, image in (images or {}).items():
        grey = image.ravel()[inside]
        grey = scale_grey(grey) if as_cellprofiler else grey
        table |= _measure_intensity(grey, ids, len(boxes), f"_{name}" if name else "")
    if probability is not None:
        table["probability_mean"] = np.bincount(ids, probability.ravel()[inside], len(boxes)) / (area * LEVELS)
    return table


def complete_table(own: Columns, touching: Column, pixel_size_um: tuple[float, float] | None) -> Columns:
    """The table of all cells of an image: ids, what `measure_alone` returned, neighbours and columns in µm.

    `touching` (2, N) are the pairs of ids that `list_touching` returns.
    """
    y, x = own["centroid_y_px"], own["centroid_x_px"]
    neighbours = np.bincount(touching.ravel(), minlength=len(y) + 1)[1:]
    nearest = np.full(len(y), np.nan)
    if len(y) > 1:
        centres = np.stack([y, x], axis=1)
        nearest = KDTree(centres).query(centres, k=2)[0][:, 1]
    table = {"cell": np.arange(1, len(y) + 1), **own, "neighbours": neighbours, "nearest_px": nearest}
    return _add_um(table, pixel_size_um)


def list_touching(labels: Pixels, diagonally: bool = True) -> Column:
    """The pairs (2, N) of ids of a label image (Y, X) that touch, the lower id first."""
    wide = np.pad(labels, 1)
    flat, row = wide.ravel(), wide.shape[1]
    inside = np.flatnonzero(flat)
    own = flat[inside]
    pairs = []
    for step in (1, row, row + 1, row - 1) if diagonally else (1, row):
        other = flat[inside + step]
        border = np.flatnonzero((other != own) & (other > 0))
        pairs.append(np.stack([own[border], other[border]]))
    return np.unique(np.sort(np.concatenate(pairs, axis=1), axis=0), axis=1)


def _measure_place(boxes: list[tuple[slice, slice]], shape: tuple[int, ...], origin: tuple[int, int]) -> Columns:
    corners = np.array([(y.start, x.start, y.stop, x.stop) for y, x in boxes], int).reshape(len(boxes), 4)
    corners += np.array([*origin, *origin])
    touches = (corners[:, :2] == 0).any(axis=1) | (corners[:, 2:] == shape).any(axis=1)
    names = ("box_top_px", "box_left_px", "box_bottom_px", "box_right_px")
    return {**dict(zip(names, corners.T, strict=True)), "touches_border": touches}


def _measure_perimeter(labels: Pixels, count: int) -> Column:
    """The perimeter by Crofton's formula with four directions."""
    wide = np.pad(labels, 1)
    block = (wide[:-1, :-1], wide[:-1, 1:], wide[1:, :-1], wide[1:, 1:])
    mixed = np.nonzero((block[0] != block[1]) | (block[0] != block[2]) | (block[0] != block[3]))
    corner = np.stack([part[mixed] for part in block])
    perimeter = np.zeros(count + 1)
    for number, label in enumerate(corner):
        is_first = (label > 0) & (corner[:number] != label).all(axis=0)  # each cell of a block once
        inside = corner == label
        sides = (inside[0] != inside[1]).astype(float) + (inside[2] != inside[3])
        sides += (inside[0] != inside[2]).astype(float) + (inside[1] != inside[3])
        diagonals = (inside[0] != inside[3]).astype(float) + (inside[1] != inside[2])
        length = _SIDE / 2 * sides + _DIAGONAL * diagonals
        perimeter += np.bincount(label[is_first], length[is_first], count + 1)
    return perimeter[1:]


def _measure_moments(ids: Column, rows: Column, columns: Column, area: Column) -> Columns:
    """Axes, orientation and eccentricity of the ellipse with the same second moments."""
    count = len(area)
    y, x = (place - np.bincount(ids, place, count)[ids] / area[ids] for place in (rows, columns))
    yy, xx, xy = (np.bincount(ids, product, count) / area for product in (y * y, x * x, x * y))
    middle, spread = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    major, minor = 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))
    return {
        "axis_major_px": major,
        "axis_minor_px": minor,
        "orientation_deg": np.degrees(np.arctan2(2 * xy, yy - xx) / 2),  # of the major axis, from the vertical
        "eccentricity": np.sqrt(1 - np.divide(minor, major, out=np.ones(count), where=major > 0) ** 2),
    }


def _measure_hulls(ids: Column, rows: Column, columns: Column, area: Column) -> Columns:
    """Solidity and largest Feret diameter of the convex hull of the pixels' edges."""
    solidity, feret = np.zeros(len(area)), np.zeros(len(area))
    for index, corners in enumerate(_list_corners(ids, rows, columns, len(area))):
        hull = ConvexHull(corners)
        ends = corners[hull.vertices]
        solidity[index] = area[index] / hull.volume
        feret[index] = np.sqrt(((ends[:, None] - ends) ** 2).sum(axis=2).max())
    return {"solidity": solidity, "feret_px": feret}


def _list_corners(ids: Column, rows: Column, columns: Column, count: int) -> list[NDArray[np.float64]]:
    """Of each cell, the corners (N, 2) of the outermost pixels of each row."""
    lines, line = np.unique(ids * (rows.max(initial=0) + 1) + rows, return_inverse=True)  # of a cell and a row
    first, last = np.full(len(lines), np.iinfo(int).max), np.zeros(len(lines), int)
    np.minimum.at(first, line, columns)
    np.maximum.at(last, line, columns)
    cell, y = np.divmod(lines, rows.max(initial=0) + 1)
    corners = np.stack([y, first, y, last + 1, y + 1, first, y + 1, last + 1], axis=1).reshape(-1, 4, 2).astype(float)
    ends = np.searchsorted(cell, np.arange(count), side="right")
    return [part.reshape(-1, 2) for part in np.split(corners, ends)[:count]]


def _measure_intensity(values: Column, ids: Column, count: int, ending: str) -> Columns:
    grey = values.astype(np.float64)
    area = np.bincount(ids, minlength=count)
    mean = np.bincount(ids, grey, count) / area
    spread = np.sqrt(np.bincount(ids, (grey - mean[ids]) ** 2, count) / area)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, ids, grey)
    np.maximum.at(high, ids, grey)
    measured = {"mean": mean, "sd": spread, "min": low, "max": high}
    return {f"intensity_{name}{ending}": column for name, column in measured.items()}


def _add_um(table: Columns, pixel_size_um: tuple[float, float] | None) -> Columns:
    """The table with a column in µm after each in pixels, but for the box."""
    y, x = (np.nan, np.nan) if pixel_size_um is None else pixel_size_um
    both = np.sqrt(y * x)  # exact for square pixels
    wide: Columns = {}
    for name, column in table.items():
        wide[name] = column
        if not name.endswith("_px") or name.startswith("box_"):
            continue
        stem = name.removesuffix("_px")
        factor = {"centroid_y": y, "centroid_x": x, "area": y * x}.get(stem, both)
        wide[f"{stem}_um2" if stem == "area" else f"{stem}_um"] = column * factor
    return wide
