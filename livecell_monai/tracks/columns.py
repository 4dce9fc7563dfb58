"""What the columns of `tracks.csv` and `lineages.csv` are: type, unit and definition of each."""

from collections.abc import Iterable
from dataclasses import replace

from livecell_monai.cells.columns import Column

_SPEED = "Distance from the cell's previous place over the time between, stage drift taken out; empty for its first frame."
_MEAN_SPEED = "Length of the path over its time, stage drift taken out; empty for a track of one frame."
_NET = "Distance from the first to the last place, stage drift taken out; empty for a track of one frame."
_KNOWN = "Empty if the time between frames is unknown."
_GREY = "Mean of the original grey values; empty without images."
OF_CHANNEL = "intensity_mean_"  #: before the name of a channel, if the movie has several
_SIZED = "Empty if the size of a pixel is unknown."

_CELLS = (
    Column("track", "integer", "", "Id of the track, from 1: the id of the cell in `tracks.ome.tif`."),
    Column("parent", "integer", "", "Id of the track that divided into this one; 0 for none."),
    Column("frame", "integer", "", "Index of the frame in the movie, from 0."),
    Column("time_min", "number", "min", f"Time since the first frame. {_KNOWN}"),
    Column("label", "integer", "", "Id of the cell in the label image of this frame that was linked."),
    Column(
        "centroid_y_px", "number", "px", "Row of the centroid in its frame, with drift; the middle of the first pixel is 0."
    ),
    Column("centroid_x_px", "number", "px", "Column of the centroid in its frame, with drift."),
    Column("centroid_y_um", "number", "µm", f"Row of the centroid. {_SIZED}"),
    Column("centroid_x_um", "number", "µm", f"Column of the centroid. {_SIZED}"),
    Column("area_px", "integer", "px", "Number of pixels."),
    Column("area_um2", "number", "µm²", f"Area. {_SIZED}"),
    Column("intensity_mean", "number", "grey value", _GREY),
    Column("speed_px_per_frame", "number", "px / frame", _SPEED),
    Column("speed_um_per_min", "number", "µm / min", _SPEED),
    Column("age_frames", "integer", "frames", "Frames since the track began; since the division if it has a parent."),
    Column("age_min", "number", "min", f"The same in minutes. {_KNOWN}"),
    Column("touches_border", "boolean", "", "1 if the bounding box touches the border of the frame, else 0."),
    Column("confidence", "number", "", "Of the link to the previous frame, 0 to 1; empty for the first cell of a track."),
)
_LINEAGES = (
    Column("track", "integer", "", "Id of the track, from 1."),
    Column("parent", "integer", "", "Id of the track that divided into this one; 0 for none."),
    Column("children", "text", "", "Ids of the tracks into which it divided, with spaces between."),
    Column("founder", "integer", "", "First ancestor; the track itself if it has no parent."),
    Column("generation", "integer", "", "Divisions between the founder and this track."),
    Column("born_frame", "integer", "", "First frame of the track, from 0."),
    Column("ended_frame", "integer", "", "Last frame of the track."),
    Column("born_min", "number", "min", f"Time of its first frame. {_KNOWN}"),
    Column("ended_min", "number", "min", f"Time of its last frame. {_KNOWN}"),
    Column("cells", "integer", "frames", "Frames in which the cell was found."),
    Column(
        "fate",
        "text",
        "",
        "`divided` (two children or more), `continued` (one child), `end of movie`, `left the field` (it touched the border "
        "last, or its next step would have led across it) or `lost`.",
    ),
    Column("mean_speed_px_per_frame", "number", "px / frame", _MEAN_SPEED),
    Column("mean_speed_um_per_min", "number", "µm / min", _MEAN_SPEED),
    Column("displacement_y_px", "number", "px", "Rows from the first to the last place, down is positive, drift taken out."),
    Column("displacement_x_px", "number", "px", "Columns from the first to the last place, right is positive."),
    Column("net_displacement_px", "number", "px", _NET),
    Column("net_displacement_um", "number", "µm", _NET),
    Column("persistence", "number", "", "Net displacement over the length of the path: 1 for a straight line."),
)
CELL_COLUMNS = {column.name: column for column in _CELLS}  #: of `tracks.csv`, in order
LINEAGE_COLUMNS = {column.name: column for column in _LINEAGES}  #: of `lineages.csv`, in order


def list_cell_columns(channels: Iterable[str] = ()) -> dict[str, Column]:
    """The columns of `tracks.csv` of a movie with these channels, in order; none for a movie of one channel."""
    found = {}
    for name, column in CELL_COLUMNS.items():
        found[name] = column
        if name == "intensity_mean":
            found |= {
                f"{OF_CHANNEL}{one}": replace(column, name=f"{OF_CHANNEL}{one}", description=f"Channel {one}: {_GREY}")
                for one in channels
            }
    return found
