"""Tracks in a format of other programs, see `exchange`: the id of a cell is that of its track in all frames."""

from pathlib import Path

from livecell_monai.exchange.registry import FORMATS
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.exchanged import Exchanged
from livecell_monai.sample import Pixels
from livecell_monai.tracks.tracks import Tracks

CTC = "ctc"  #: the format that a movie with tracks has anyway, with its divisions and gaps, see `ctc`


class ExchangedTracks:
    """Writes the file or folder of one format, named after the movie, frame by frame.

    Args:
        tracks: the movie.
        folder: where it is written.
        name: of the movie, for the file.
        form: name of a format of `exchange.registry` that can be written.
    """

    def __init__(self, tracks: Tracks, folder: Path, name: str, form: str) -> None:
        self._tracks, self._folder, self._name = tracks, folder, name
        self._output = Exchanged(FORMATS[form], is_linked=True)  # type: ignore[abstract]

    def append(self, frame: int, plane: Pixels) -> None:
        """Append the ids (Y, X) of the next frame; the last one publishes the file. A DataError if it cannot be written."""
        tracks = self._tracks
        place = Frame(frame, frame, tracks.frames, tracks.interval_min)
        source = Path(tracks.name)
        self._output.write(
            Prediction(self._name, source, plane > 0, {}, tracks.pixel_size_um, 0.0, place, plane), self._folder
        )

    def discard(self) -> None:
        """Close and delete an incomplete file."""
        self._output.discard()


def name_exported(names: tuple[str, ...], movie: str) -> list[str]:
    """The files and folders of formats in the folder of a movie; none of `ctc`."""
    return [FORMATS[name].target.format(name=movie) for name in names if name != CTC]
