"""`tracks.geff`: the tracks as a graph, a node for each cell and frame (Graph Exchange File Format)."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from livecell_monai.errors import SettingError
from livecell_monai.runs.atomic import writing_errors
from livecell_monai.tracks.lineages import trace_founders
from livecell_monai.tracks.tracks import Ints, Tracks

NAME = "tracks.geff"


def check_geff() -> None:
    """Raise a SettingError if the package is missing."""
    try:
        import geff  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "the extra track must be installed to write GEFF, got no package geff; install livecell-monai[track]"
        ) from error


def write_geff(path: Path, tracks: Tracks, labels: str | None = None) -> None:
    """Write the graph; a DataError if it cannot be written.

    Nodes have `t` (frame), `y`, `x` (px), `track`, `lineage` (id of the founder), `label`, `area` (px), `intensity`; edges,
    from a cell to the same cell later or to a daughter, have `confidence`. What is unknown is marked as missing.

    Args:
        path: of the new folder.
        tracks: the movie.
        labels: name of the label stack beside it, whose ids are tracks.
    """
    check_geff()
    from geff.core_io import write_arrays

    nodes, edges = np.arange(len(tracks), dtype=np.uint64), list_edges(tracks)
    lineage = trace_founders(tracks)[0][np.searchsorted(tracks.ids, tracks.track)]
    columns = {"t": tracks.frame, "y": tracks.y, "x": tracks.x, "track": tracks.track, "lineage": lineage}
    columns |= {"label": tracks.label, "area": tracks.area, "intensity": tracks.intensity}
    confidence = tracks.confidence[edges[:, 1].astype(np.int64)]
    with writing_errors(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on the format that geff writes
        write_arrays(
            path,
            nodes,
            {name: _describe(values) for name, values in columns.items()},
            edges,
            {"confidence": _describe(confidence)},
            _describe_graph(tracks, labels),
        )


def list_edges(tracks: Tracks) -> Ints:
    """The edges (E, 2) uint64 of the graph: places of the earlier and the later entry in the arrays of the tracks."""
    later = np.flatnonzero(tracks.track[1:] == tracks.track[:-1]) + 1
    spans = dict(tracks.spans())
    links = [(spans[parent].stop - 1, spans[child].start) for child, parent in sorted(tracks.parents.items())]
    along = np.stack([later - 1, later], axis=1)
    return np.concatenate([along, np.array(links, np.int64).reshape(-1, 2)]).astype(np.uint64)


def _describe(values: Any) -> Any:
    """Values with a mark where they are unknown, as geff takes them."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    return {"values": np.where(missing, 0, values).astype(values.dtype), "missing": missing if missing.any() else None}


def _describe_graph(tracks: Tracks, labels: str | None) -> Any:
    from geff_spec import Axis, GeffMetadata, RelatedObject

    time: dict[str, Any] = {"name": "t", "type": "time", "unit": "frame"}
    if tracks.interval_min is not None:
        time |= {"scale": tracks.interval_min, "scaled_unit": "minute"}
    axes = [Axis(**time)]
    for name, size in zip("yx", tracks.pixel_size_um or (None, None), strict=True):
        scaled = {} if size is None else {"scale": size, "scaled_unit": "micrometer"}
        axes.append(Axis(name=name, type="space", unit="pixel", **scaled))
    return GeffMetadata(
        directed=True,
        axes=axes,
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "track", "lineage": "lineage"},
        related_objects=[RelatedObject(type="labels", path=f"../{labels}", label_prop="track")] if labels else None,
    )
