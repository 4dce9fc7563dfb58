"""What the columns of the table of cells are: type, unit and definition of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from livecell_monai.cells.cellprofiler import DEFINITIONS, from_cellprofiler

Names = Literal["livecell", "cellprofiler"]
Kind = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column; what the file does not state is empty."""

    name: str
    kind: Kind
    unit: str  #: empty for a number without one
    description: str


_LISTED = (
    Column("ImageNumber", "integer", "", "Number of the image or frame in this table, from 1."),
    Column("image", "text", "", "Name of the image or movie: its file name without the ending."),
    Column("frame", "integer", "", "Index of the frame in its movie, from 0."),
    Column("time_min", "number", "min", "Time since the first frame of the file."),
    Column("cell", "integer", "", "Id of the cell in the label image of this image or frame, from 1."),
    Column("centroid_y_px", "number", "px", "Row of the centre of mass; the middle of the first pixel is 0."),
    Column("centroid_x_px", "number", "px", "Column of the centre of mass; the middle of the first pixel is 0."),
    Column("box_top_px", "integer", "px", "First row of the bounding box."),
    Column("box_left_px", "integer", "px", "First column of the bounding box."),
    Column("box_bottom_px", "integer", "px", "Row after the last one of the bounding box."),
    Column("box_right_px", "integer", "px", "Column after the last one of the bounding box."),
    Column("touches_border", "boolean", "", "1 if the bounding box touches the border of the image, else 0."),
    Column("area_px", "integer", "px", "Number of pixels."),
    Column("perimeter_px", "number", "px", "Length of the outline, by Crofton's formula with four directions."),
    Column("axis_major_px", "number", "px", "Long axis of the ellipse with the same second moments."),
    Column("axis_minor_px", "number", "px", "Short axis of the ellipse with the same second moments."),
    Column("orientation_deg", "number", "deg", "Of the long axis, from the vertical, -90 to 90; positive: lower end right."),
    Column("eccentricity", "number", "", "Of the ellipse with the same second moments: 0 for a circle."),
    Column("solidity", "number", "", "Area over the area of the convex hull of the pixels' edges."),
    Column("feret_px", "number", "px", "Largest diameter of the convex hull of the pixels' edges."),
    Column("form_factor", "number", "", "4 pi area / perimeter^2: 1 for a circle."),
    Column("intensity_mean", "number", "grey value", "Mean of the original grey values."),
    Column("intensity_sd", "number", "grey value", "Standard deviation of the original grey values."),
    Column("intensity_min", "number", "grey value", "Least of the original grey values."),
    Column("intensity_max", "number", "grey value", "Greatest of the original grey values."),
    Column("probability_mean", "number", "", "Mean probability of foreground, each pixel rounded to 1/255."),
    Column("neighbours", "integer", "", "Number of cells that touch this one, diagonally too."),
    Column("nearest_px", "number", "px", "Distance to the nearest other centre of mass; empty without another cell."),
    Column("pixel_size_y_um", "number", "µm", "Height of a pixel, as the file states it; empty if it does not."),
    Column("pixel_size_x_um", "number", "µm", "Width of a pixel, as the file states it; empty if it does not."),
)
OF_SQUARE_PIXELS = ("perimeter_px", "axis_major_px", "axis_minor_px", "feret_px")  #: lengths in any direction
COLUMNS = {column.name: column for column in _LISTED}
_OF_CHANNELS = tuple(name for name in COLUMNS if name.startswith("intensity_"))
_ORDER = [name for name in COLUMNS if name not in _OF_CHANNELS[1:]]


def find_columns(names: Iterable[str], scheme: Names = "livecell") -> dict[str, Column]:
    """The columns of the names of a scheme by name: in the order of `COLUMNS`, channels in their own order.

    The unit µm and the channel are at the end of a name. An unknown column comes last, as a text without description.
    """
    own = {name: from_cellprofiler(name) if scheme == "cellprofiler" else name for name in names}
    return {name: _describe(name, own[name], scheme) for name in sorted(own, key=lambda name: _find_place(own[name]))}


def _describe(name: str, own: str, scheme: Names) -> Column:
    base, rest = _split(own)
    if not base:
        return Column(name, "text", "", "")
    found = COLUMNS[base]
    kind, unit, description = found.kind, found.unit, found.description
    if scheme == "cellprofiler" and base in DEFINITIONS:
        description, unit = DEFINITIONS[base], "" if base in _OF_CHANNELS else unit
    if base in _OF_CHANNELS:
        return Column(name, kind, unit, f"Channel {rest}: {description}" if rest else description)
    if rest:
        kind, unit = "number", "µm²" if rest == "um2" else "µm"
        description = f"{description} In {unit}, by the size of a pixel."
        if base in OF_SQUARE_PIXELS:
            description = f"{description} Empty if pixels are not square."
    return Column(name, kind, unit, description)


def _find_place(own: str) -> tuple[int, bool]:
    base, rest = _split(own)
    if base in _OF_CHANNELS:
        return _ORDER.index(_OF_CHANNELS[0]), False
    return _ORDER.index(base) if base else len(_ORDER), bool(rest)


def _split(name: str) -> tuple[str, str]:
    """The column of `COLUMNS` that a name belongs to, and what is at its end: another unit than px, or the channel."""
    stem, _, unit = name.rpartition("_")
    if name in COLUMNS:
        return name, ""
    if unit in ("um", "um2") and f"{stem}_px" in COLUMNS:
        return f"{stem}_px", unit
    base = next((each for each in _OF_CHANNELS if name.startswith(f"{each}_")), "")
    return base, name.removeprefix(f"{base}_") if base else ""
