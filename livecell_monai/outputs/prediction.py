"""The records that outputs receive: one image, one frame of a movie, or one large image. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class Frame:
    """The position of a prediction in its movie, and metadata of the movie.

    Attributes:
        index: index of the frame in the file, from 0.
        position: position among the selected frames, from 0.
        frames: number of selected frames.
        interval_min: time between frames of the file in minutes; None if unknown.
        channel: name of the predicted channel; None if it has none.
    """

    index: int
    position: int
    frames: int
    interval_min: float | None = None
    channel: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether the frame completes the movie."""
        return self.position == self.frames - 1

    @property
    def time_min(self) -> float | None:
        """Minutes since the first frame of the file; None if unknown."""
        return None if self.interval_min is None else round(self.index * self.interval_min, 6)


@dataclass(frozen=True)
class Prediction:
    """One image, or one frame of a movie, on its original grid.

    Attributes:
        name: name of the image or the movie.
        source: path or address of the image.
        mask: (Y, X) bool, the foreground.
        maps: (Y, X) float32 in [0, 1] by channel name; empty if no output needs them.
        pixel_size_um: (Y, X) size of a pixel in µm; None if unknown.
        seconds: duration of the prediction.
        frame: position in the movie; None for a single image.
    """

    name: str
    source: Path
    mask: Pixels
    maps: Mapping[str, Pixels]
    pixel_size_um: tuple[float, float] | None
    seconds: float
    frame: Frame | None = None


@dataclass(frozen=True)
class LargePrediction:
    """One large image. Its mask is on disk; the whole mask is never in memory.

    Attributes:
        name: name of the image.
        source: path or address of the image.
        foreground_fraction: in [0, 1].
        components: number of connected components.
        seconds: duration of the prediction.
        picture: reduced image and mask, both (Y, X); None if an earlier run has written the files of this image and only
            its row of the table is missing.
    """

    name: str
    source: Path
    foreground_fraction: float
    components: int
    seconds: float
    picture: tuple[Pixels, Pixels] | None = None
