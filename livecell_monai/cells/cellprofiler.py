"""Names and definitions of CellProfiler 4 for the columns of the table of cells; columns that it lacks keep our names.

Shapes are those of its module MeasureObjectSizeShape, which takes them from scikit-image; neighbours are those of
MeasureObjectNeighbors with objects that are adjacent.
"""

import numpy as np
from scipy.spatial.distance import cdist
from skimage.measure import regionprops

from livecell_monai.sample import Pixels

NAMES = {
    "cell": "ObjectNumber",
    "centroid_y_px": "Location_Center_Y",
    "centroid_x_px": "Location_Center_X",
    "box_top_px": "AreaShape_BoundingBoxMinimum_Y",
    "box_left_px": "AreaShape_BoundingBoxMinimum_X",
    "box_bottom_px": "AreaShape_BoundingBoxMaximum_Y",
    "box_right_px": "AreaShape_BoundingBoxMaximum_X",
    "area_px": "AreaShape_Area",
    "perimeter_px": "AreaShape_Perimeter",
    "axis_major_px": "AreaShape_MajorAxisLength",
    "axis_minor_px": "AreaShape_MinorAxisLength",
    "orientation_deg": "AreaShape_Orientation",
    "eccentricity": "AreaShape_Eccentricity",
    "solidity": "AreaShape_Solidity",
    "feret_px": "AreaShape_MaxFeretDiameter",
    "form_factor": "AreaShape_FormFactor",
    "neighbours": "Neighbors_NumberOfNeighbors_Adjacent",
    "nearest_px": "Neighbors_FirstClosestDistance_Adjacent",
}
#: with the name of the channel behind it
OF_CHANNELS = {
    "intensity_mean": "Intensity_MeanIntensity",
    "intensity_sd": "Intensity_StdIntensity",
    "intensity_min": "Intensity_MinIntensity",
    "intensity_max": "Intensity_MaxIntensity",
}
ONLY_CHANNEL = "Image"  #: its name, which CellProfiler asks for
_OWN = {name: own for own, name in NAMES.items()}
_INTENSITY = "the original grey values over the greatest value of their integer type; of floats as they are."
#: the definitions that differ from ours
DEFINITIONS = {
    "perimeter_px": "Length of the line through the centres of the outermost pixels (scikit-image's perimeter).",
    "solidity": "Area over the number of pixels of the convex hull (scikit-image's solidity).",
    "feret_px": "Largest diameter of the convex hull of the pixels' centres.",
    "neighbours": "Number of cells that share an edge of a pixel with this one.",
    "intensity_mean": f"Mean of {_INTENSITY}",
    "intensity_sd": f"Standard deviation of {_INTENSITY}",
    "intensity_min": f"Least of {_INTENSITY}",
    "intensity_max": f"Greatest of {_INTENSITY}",
}


def to_cellprofiler(own: str) -> str:
    """The name of CellProfiler for one of our columns; our name if it has none."""
    for base, name in OF_CHANNELS.items():
        if own == base or own.startswith(f"{base}_"):
            return f"{name}_{own.removeprefix(base).removeprefix('_') or ONLY_CHANNEL}"
    return NAMES.get(own, own)


def from_cellprofiler(name: str) -> str:
    """Our name for a column of CellProfiler; other names are returned unchanged."""
    for base, theirs in OF_CHANNELS.items():
        if name.startswith(f"{theirs}_"):
            channel = name.removeprefix(f"{theirs}_")
            return base if channel == ONLY_CHANNEL else f"{base}_{channel}"
    return _OWN.get(name, name)


def measure_shapes(labels: Pixels) -> dict[str, Pixels]:
    """Perimeter, solidity and largest Feret diameter (N,) of the cells of a label image (Y, X) of ids 1..N."""
    found: dict[str, list[float]] = {"perimeter_px": [], "solidity": [], "feret_px": []}
    for cell in regionprops(labels):
        found["perimeter_px"].append(cell.perimeter)
        found["solidity"].append(cell.solidity)
        found["feret_px"].append(_measure_feret(cell.image))
    return {name: np.array(values, float) for name, values in found.items()}


def _measure_feret(cell: Pixels) -> float:
    """The largest distance between the centres of two pixels of a cell (Y, X) bool."""
    rows = np.flatnonzero(cell.any(axis=1))
    ends = cell[rows].argmax(axis=1), cell.shape[1] - 1 - cell[rows, ::-1].argmax(axis=1)
    centres = np.concatenate([np.stack([rows, end], axis=1) for end in ends])
    parts = np.array_split(centres, 1 + len(centres) // 512)  # so that a tall cell does not fill the memory
    return max(float(cdist(part, centres).max()) for part in parts)


def scale_grey(values: Pixels) -> Pixels:
    """Grey values over the greatest one of their integer type, 0 to 1 where it is unsigned; floats as they are."""
    return values if values.dtype.kind == "f" else values / (2.0 ** (8 * values.dtype.itemsize) - 1)
