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
from scipy.spatial import KDTree

from livecell_monai.cells.cellprofiler import measure_shapes, scale_grey
from livecell_monai.cells.height import LEVELS
from livecell_monai.cells.hulls import measure_hulls
from livecell_monai.cells.runs import Runs, find_cell_runs, list_touching
from livecell_monai.sample import Pixels, Region

Column = NDArray[Any]
Columns = dict[str, Column]
SQUARE = 1.01  #: ratio of the sides of a pixel; above it, perimeter, axes and Feret have no value in µm
_SIDE = np.pi / 8  #: contribution to the perimeter of two pixels side by side, of which one is in the cell
_DIAGONAL = np.pi / 8 / np.sqrt(2)  #: the same of two pixels that touch diagonally


def measure_cells(
    labels: Pixels,
    images: Mapping[str, Pixels] | None = None,
    probability: Pixels | None = None,
    pixel_size_um: tuple[float, float] | None = None,
    as_cellprofiler: bool = False,
    runs: Runs | None = None,
) -> Columns:
    """The measurements (N,) of the cells of a label image by column, in the order of their ids.

    Args:
        labels: (Y, X) ids 1..N, 0 for background.
        images: grey values (Y, X) by the name of the channel, empty for the only one.
        probability: (Y, X) uint8 of the foreground, as `height.quantise` gives it.
        pixel_size_um: (Y, X); None if unknown, the columns in µm are then NaN.
        as_cellprofiler: measure what CellProfiler defines otherwise as it does, see `cellprofiler.DEFINITIONS`.
        runs: those of the labels, if they are known.

    Raises a ValueError if an image has another shape than the labels.
    """
    runs = runs or find_cell_runs(labels)
    own = measure_alone(labels, images, probability, as_cellprofiler=as_cellprofiler, runs=runs)
    return complete_table(own, list_touching(runs, diagonally=not as_cellprofiler), pixel_size_um)


def measure_alone(
    labels: Pixels,
    images: Mapping[str, Pixels] | None = None,
    probability: Pixels | None = None,
    place: Region | None = None,
    shape: tuple[int, int] | None = None,
    as_cellprofiler: bool = False,
    runs: Runs | None = None,
) -> Columns:
    """The measurements of each cell that do not depend on others, in pixels; arguments as for `measure_cells`.

    Labels, images and probability may be a part of an image of this shape (Y, X), at this place. `runs` are those of
    the labels, if they are known.
    """
    runs, origin = runs or find_cell_runs(labels), (0, 0) if place is None else (place.top, place.left)
    ids, count = runs.value - 1, int(runs.value.max(initial=0))
    area = np.bincount(ids, runs.length, count).astype(int)
    middle = (runs.start + runs.stop - 1) / 2
    y, x = (np.bincount(ids, runs.length * each, count) / area for each in (runs.row, middle))
    table: Columns = {"centroid_y_px": y + origin[0], "centroid_x_px": x + origin[1]}
    table |= _measure_place(runs, count, shape or labels.shape, origin)
    if as_cellprofiler:
        shapes = measure_shapes(labels)
    else:
        hull, feret = measure_hulls(runs, count)
        shapes = {"perimeter_px": _measure_perimeter(runs, area), "solidity": area / hull, "feret_px": feret}
    perimeter = shapes["perimeter_px"]
    table |= {"area_px": area, "perimeter_px": perimeter}
    table |= _measure_moments(runs, runs.row - np.rint(y)[ids], middle - np.rint(x)[ids], area)
    table |= {"solidity": shapes["solidity"], "feret_px": shapes["feret_px"]}
    table["form_factor"] = np.divide(4 * np.pi * area, perimeter**2, out=np.full(len(area), np.nan), where=perimeter > 0)
    inside = np.flatnonzero(labels > 0)
    for name, image in (images or {}).items():
        if image.shape != labels.shape:
            raise ValueError(f"the image must have the shape of the labels, {labels.shape}, got {image.shape}")
        grey = image.ravel()[inside]
        grey = scale_grey(grey) if as_cellprofiler else grey
        table |= _measure_intensity(grey, runs, area, f"_{name}" if name else "")
    if probability is not None:
        table["probability_mean"] = _add_up(probability.ravel()[inside], runs, count) / (area * LEVELS)
    return table


def complete_table(own: Columns, touching: Column, pixel_size_um: tuple[float, float] | None) -> Columns:
    """The table of all cells of an image: ids, what `measure_alone` returned, neighbours and columns in µm.

    `touching` (2, N) are the pairs of ids that `list_touching` returns.
    """
    y, x = own["centroid_y_px"], own["centroid_x_px"]
    neighbours = np.bincount(touching.ravel(), minlength=len(y) + 1)[1:]
    nearest = _find_nearest(y, x)
    table = {"cell": np.arange(1, len(y) + 1), **own, "neighbours": neighbours, "nearest_px": nearest}
    wide = _add_um(table, pixel_size_um)
    if pixel_size_um is not None and pixel_size_um[0] != pixel_size_um[1]:  # in µm it may be another cell
        wide["nearest_um"] = _find_nearest(y * pixel_size_um[0], x * pixel_size_um[1])
    return wide


def _find_nearest(y: Column, x: Column) -> Column:
    """The distance (N,) of each centre from the nearest other one, NaN if there is none."""
    if len(y) < 2:
        return np.full(len(y), np.nan)
    centres = np.stack([y, x], axis=1)
    return np.asarray(KDTree(centres).query(centres, k=2)[0][:, 1])


def _measure_place(runs: Runs, count: int, shape: tuple[int, ...], origin: tuple[int, int]) -> Columns:
    least, most = np.full((count, 2), np.iinfo(int).max), np.zeros((count, 2), int)
    np.minimum.at(least, runs.value - 1, np.stack([runs.row, runs.start], axis=1))
    np.maximum.at(most, runs.value - 1, np.stack([runs.row + 1, runs.stop], axis=1))
    corners = np.concatenate([least, most], axis=1) + np.array([*origin, *origin])
    touches = (corners[:, :2] == 0).any(axis=1) | (corners[:, 2:] == shape).any(axis=1)
    names = ("box_top_px", "box_left_px", "box_bottom_px", "box_right_px")
    return {**dict(zip(names, corners.T, strict=True)), "touches_border": touches}


def _measure_perimeter(runs: Runs, area: Column) -> Column:
    """The perimeter by Crofton's formula with four directions, from the pairs of pixels of which one is in the cell."""
    upper, lower = (runs.select(each) for each in runs.pair(reach=1))
    is_same = upper.value == lower.value
    upper, lower = upper.select(is_same), lower.select(is_same)
    inside = []  # pairs of pixels of a cell, below each other and on both diagonals
    for step in (0, -1, 1):
        shared = np.minimum(upper.stop, lower.stop + step) - np.maximum(upper.start, lower.start + step)
        inside.append(np.bincount(upper.value - 1, np.maximum(shared, 0), len(area)))
    rows = np.bincount(runs.value - 1, minlength=len(area))
    sides, diagonals = 2 * rows + 2 * area - 2 * inside[0], 4 * area - 2 * inside[1] - 2 * inside[2]
    return np.asarray(_SIDE * sides + _DIAGONAL * diagonals)


def _measure_moments(runs: Runs, y: Column, x: Column, area: Column) -> Columns:
    """Axes, orientation and eccentricity of the ellipse with the same second moments.

    (y, x) are the middles of the runs, from the pixel at the centre of their cell: the sums are exact, so that a symmetric
    cell has no mixed moment.
    """
    squares = (y * y, x * x + (runs.length**2 - 1) / 12, x * y)
    down, right, *sums = (np.bincount(runs.value - 1, runs.length * each, len(area)) for each in (y, x, *squares))
    products = (down * down, right * right, down * right)
    yy, xx, xy = ((area * total - product) / area.astype(float) ** 2 for total, product in zip(sums, products, strict=True))
    middle, spread = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    major, minor = 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))
    return {
        "axis_major_px": major,
        "axis_minor_px": minor,
        "orientation_deg": np.degrees(np.arctan2(2 * xy, yy - xx) / 2),  # of the major axis, from the vertical
        "eccentricity": np.sqrt(1 - np.divide(minor, major, out=np.ones(len(area)), where=major > 0) ** 2),
    }


def _measure_intensity(grey: Column, runs: Runs, area: Column, ending: str) -> Columns:
    """The grey values (P,) of the runs' pixels by cell."""
    first, ids, count = np.cumsum(runs.length) - runs.length, runs.value - 1, len(area)
    mean = _add_up(grey, runs, count) / area
    spread = np.sqrt(_add_up((grey - np.repeat(mean[ids], runs.length)) ** 2, runs, count) / area)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    if len(first):
        np.minimum.at(low, ids, np.minimum.reduceat(grey, first))
        np.maximum.at(high, ids, np.maximum.reduceat(grey, first))
    measured = {"mean": mean, "sd": spread, "min": low, "max": high}
    return {f"intensity_{name}{ending}": column for name, column in measured.items()}


def _add_up(values: Column, runs: Runs, count: int) -> Column:
    """The sums (N,) of values (P,) of the runs' pixels by cell."""
    first = np.cumsum(runs.length) - runs.length
    sums = np.add.reduceat(values, first, dtype=np.float64) if len(first) else np.zeros(0)
    return np.bincount(runs.value - 1, sums, count)


def _add_um(table: Columns, pixel_size_um: tuple[float, float] | None) -> Columns:
    """The table with a column in µm after each in pixels, but for the box."""
    y, x = (np.nan, np.nan) if pixel_size_um is None else pixel_size_um
    both = np.sqrt(y * x) if max(y, x) <= SQUARE * min(y, x) else np.nan
    wide: Columns = {}
    for name, column in table.items():
        wide[name] = column
        if not name.endswith("_px") or name.startswith("box_"):
            continue
        stem = name.removesuffix("_px")
        factor = {"centroid_y": y, "centroid_x": x, "area": y * x}.get(stem, both)
        wide[f"{stem}_um2" if stem == "area" else f"{stem}_um"] = column * factor
    return wide
