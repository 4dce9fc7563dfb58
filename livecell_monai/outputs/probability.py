"""The network's maps before the threshold: one TIFF per map and image, one stack per map and movie."""

from pathlib import Path

from livecell_monai.data.plane_files import write_plane
from livecell_monai.outputs.base import Files, Output, OutputOptions, Row
from livecell_monai.outputs.movie_file import MovieStack
from livecell_monai.outputs.prediction import Prediction

FOREGROUND = "foreground"  # the map whose file is called NAME_probability


class Probability(Output):
    """`NAME_probability.tif`, (Y, X) float32 in [0, 1], of the foreground; `NAME_CHANNEL.tif` of each other map.

    Of a movie `NAME_probability.ome.tif` and `NAME_CHANNEL.ome.tif`, (T, Y, X). Not available for large images, whose maps
    are never in memory as a whole.
    """

    needs_maps = True

    def __init__(self, options: OutputOptions) -> None:
        suffixes = ["_probability" if channel == FOREGROUND else f"_{channel}" for channel in options.channels]
        self._suffixes = dict(zip(options.channels, suffixes, strict=True))
        self._stacks = {channel: MovieStack(f"{suffix}.ome.tif") for channel, suffix in self._suffixes.items()}
        image, movie = (tuple(f"{{name}}{suffix}{ending}" for suffix in suffixes) for ending in (".tif", ".ome.tif"))
        self.files = Files(image=image, movie=movie)

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the maps, or append each to its stack."""
        for channel, suffix in self._suffixes.items():
            values = prediction.maps[channel]
            if prediction.frame is None:
                write_plane(folder / f"{prediction.name}{suffix}.tif", values, prediction.pixel_size_um)
            else:
                self._stacks[channel].append(prediction, values, folder)
        return {}

    def discard(self) -> None:
        """Delete incomplete stacks."""
        for stack in self._stacks.values():
            stack.discard()
