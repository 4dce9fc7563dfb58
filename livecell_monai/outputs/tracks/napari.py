"""`napari_tracks.npz`: what `add_tracks` of napari takes.

`data` (N, 4) float64 are track, frame, row and column of each cell, in px; `graph` (M, 2) int64 are child and parent.
"""

from pathlib import Path

import numpy as np

from livecell_monai.runs.atomic import atomic_path
from livecell_monai.tracks.tracks import Tracks

NAME = "napari_tracks.npz"


def write_napari(path: Path, tracks: Tracks) -> None:
    """Write the file atomically; a DataError if it cannot be written."""
    data = np.stack([tracks.track, tracks.frame, tracks.y, tracks.x], axis=1).astype(np.float64)
    graph = np.array(sorted(tracks.parents.items()), np.int64).reshape(-1, 2)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, data=data, graph=graph)
