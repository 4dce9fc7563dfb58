"""What the network has found, as outputs take it: one image, one frame of a movie, or one large image. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.sample import Pixels


@dataclass(frozen=True)
class Frame:
    """The place of a prediction in its movie, and what the movie's file says.

    Attributes:
        index: of the frame in the file, from 0.
        position: of the frame among those that were chosen, from 0.
        frames: how many were chosen.
        interval_min: time from frame to frame of the file in minutes; None where unknown.
        channel: name of the channel that was predicted; None where the file names none.
    """

    index: int
    position: int
    frames: int
    interval_min: float | None = None
    channel: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether the movie is complete with this frame."""
        return self.position == self.frames - 1

    @property
    def time_min(self) -> float | None:
        """Minutes since the first frame of the file; None where unknown."""
        return None if self.interval_min is None else round(self.index * self.interval_min, 6)


@dataclass(frozen=True)
class Prediction:
    """One image, or one frame of a movie, on its original grid.

    Attributes:
        name: of the image or the movie.
        source: path or address that the image was read from.
        mask: (Y, X) bool, the foreground.
        maps: (Y, X) float32 in [0, 1] by the name of the network's channel; empty where no output needs them.
        pixel_size_um: (Y, X) size of a pixel in µm; None where unknown.
        seconds: that the prediction took.
        frame: the place in the movie; None for a single image.
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
    """One large image, whose mask is on disk and is never in memory as a whole.

    Attributes:
        name: of the image.
        source: path or address that the image was read from.
        foreground_fraction: in [0, 1].
        components: number of connected components.
        seconds: that the prediction took.
        picture: image and mask, both (Y, X), reduced to the size of a picture; None where an earlier run has written the
            files of this image, so that only its row of the table is missing.
    """

    name: str
    source: Path
    foreground_fraction: float
    components: int
    seconds: float
    picture: tuple[Pixels, Pixels] | None = None
