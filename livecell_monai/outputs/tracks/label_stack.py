"""`tracks.ome.tif`: the label images of a movie whose ids are those of tracks, frame by frame."""

from pathlib import Path

from livecell_monai.data.plane_files import label_type
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.movie_file import MovieWriter
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Tracks


class LabelStack:
    """An OME-TIFF (T, Y, X) uint16, of more than 65,535 tracks uint32: 0 is background, an id one cell in all frames."""

    name = "tracks.ome.tif"

    def __init__(self, tracks: Tracks, folder: Path) -> None:
        self._tracks, self._folder, self._movie = tracks, folder, MovieWriter(".ome.tif")
        self._dtype = label_type(int(tracks.track.max(initial=0)))

    def append(self, frame: int, plane: Pixels) -> None:
        """Append the ids (Y, X) of the next frame; the last one publishes the file. A DataError if it cannot be written."""
        tracks = self._tracks
        place = Frame(frame, frame, tracks.frames, tracks.interval_min)
        ids = plane.astype(self._dtype)
        one = Prediction("tracks", Path(tracks.name), ids > 0, {}, tracks.pixel_size_um, 0.0, place)
        self._movie.append(one, ids, self._folder)

    def discard(self) -> None:
        """Close and delete an incomplete file."""
        self._movie.discard()
