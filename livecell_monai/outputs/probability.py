"""The network's maps before the threshold: one TIFF per map and image, one stack per map and movie."""

from pathlib import Path

from livecell_monai.data.plane_files import write_plane
from livecell_monai.outputs.base import Files, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.movie_file import MovieWriter


class Probability(Output):
    """`NAME_probability.tif`, (Y, X) float32 in [0, 1], of the foreground; `NAME_CHANNEL.tif` of each other map.

    Of a movie `NAME_probability.ome.tif` and `NAME_CHANNEL.ome.tif`, (T, Y, X). Not available for large images, whose maps
    are never in memory as a whole.
    """

    needs_maps = True

    def __init__(self, options: OutputOptions) -> None:
        self._suffixes = {name: "_probability" if name == "foreground" else f"_{name}" for name in options.channels}
        self._movies = {name: MovieWriter(f"{suffix}.ome.tif") for name, suffix in self._suffixes.items()}
        names = [f"{{name}}{suffix}" for suffix in self._suffixes.values()]
        self.files = Files(tuple(f"{name}.tif" for name in names), tuple(f"{name}.ome.tif" for name in names))

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the maps, or append each to its stack."""
        for channel, suffix in self._suffixes.items():
            values = prediction.maps[channel]
            if prediction.frame is None:
                write_plane(folder / f"{prediction.name}{suffix}.tif", values, prediction.pixel_size_um)
            else:
                self._movies[channel].append(prediction, values, folder)
        return {}

    def discard(self) -> None:
        """Delete incomplete stacks."""
        for movie in self._movies.values():
            movie.discard()
