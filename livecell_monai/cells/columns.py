"""What the columns of the table of cells are: type, unit and definition of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column; what the file does not state is empty."""

    name: str
    kind: Kind
    unit: str  #: empty for a number without one
    description: str


_LISTED = (
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
    Column("axis_minor_px", "number", "px", "Short axis of that ellipse."),
    Column(
        "orientation_deg", "number", "deg", "Angle from the vertical to the long axis, -90 to 90, positive to the right."
    ),
    Column("eccentricity", "number", "", "Of that ellipse: 0 for a circle, towards 1 for a line."),
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
COLUMNS = {column.name: column for column in _LISTED}
_OF_CHANNELS = tuple(name for name in COLUMNS if name.startswith("intensity_"))
_ORDER = [name for name in COLUMNS if name not in _OF_CHANNELS[1:]]


def find_column(name: str) -> Column:
    """The column of a name, also of one in µm or of a channel; a text without description if it is unknown."""
    base, rest = _split(name)
    found = COLUMNS.get(base, Column(name, "text", "", ""))
    if not rest:
        return found
    if base in _OF_CHANNELS:
        return Column(name, found.kind, found.unit, f"{found.description.removesuffix('.')}, channel {rest}.")
    unit = "µm²" if rest == "um2" else "µm"
    return Column(name, "number", unit, f"{base} in {unit}, by the size of a pixel.")


def find_columns(names: Iterable[str]) -> dict[str, Column]:
    """The columns of names by name, in the order of `COLUMNS`: unknown ones last, channels in their own order."""

    def place(name: str) -> tuple[int, bool]:
        base, rest = _split(name)
        base = _OF_CHANNELS[0] if base in _OF_CHANNELS else base
        return _ORDER.index(base) if base in _ORDER else len(_ORDER), bool(rest) and base not in _OF_CHANNELS

    return {name: find_column(name) for name in sorted(dict.fromkeys(names), key=place)}


def _split(name: str) -> tuple[str, str]:
    """The column of `COLUMNS` that a name belongs to, and the unit in place of px or the channel; ("", "") for others."""
    stem, _, unit = name.rpartition("_")
    if name in COLUMNS:
        return name, ""
    if unit in ("um", "um2") and f"{stem}_px" in COLUMNS:
        return f"{stem}_px", unit
    base = next((each for each in _OF_CHANNELS if name.startswith(f"{each}_")), "")
    return base, name.removeprefix(f"{base}_") if base else ""
