"""One prediction drawn over its image: outline and tint, in three colours where the truth is known."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.data.readers.kinds import read_image
from livecell_monai.outputs.base import Files, Output, OutputOptions, Row
from livecell_monai.outputs.legend import AGREED, COMPARED, INVENTED, MISSED, PREDICTED, RGB, draw_legend, stack
from livecell_monai.outputs.prediction import LargePrediction, Prediction
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

TINT_ALONE = 0.15  #: share of colour inside a mask; light, so that the cell remains to be judged
TINT_AGREED = 0.2
TINT_WRONG = 0.5  #: where prediction and truth differ the place matters more than the cell
SHOWN = ("first", "middle", "last")  #: the frames of a movie that are drawn


class Overlay(Output):
    """`NAME_overlay.png`, the mask drawn over the image as it is on disk.

    Of a movie `NAME_overlay_first.png`, `_middle` and `_last`; of a large image one reduced picture.

    Args:
        options: not used.
    """

    def __init__(self, options: OutputOptions | None = None) -> None:
        pass

    @property
    def files(self) -> Files:
        """One picture of an image, three of a movie."""
        one = ("{name}_overlay.png",)
        return Files(image=one, movie=tuple(f"{{name}}_overlay_{place}.png" for place in SHOWN), large=one)

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Draw the image, or the frame where it is the first, the middle or the last."""
        ending, frame = "_overlay", prediction.frame
        if frame is not None:
            # of a short movie one frame may have two places: it is the first or the last then
            places = {frame.frames // 2: "middle", 0: "first", frame.frames - 1: "last"}
            if frame.position not in places:
                return {}
            ending = f"_overlay_{places[frame.position]}"
        write_overlay(folder / f"{prediction.name}{ending}.png", read_image(prediction.source).pixels, prediction.mask)
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Draw the reduced image."""
        if prediction.picture is not None:
            write_overlay(folder / f"{prediction.name}_overlay.png", *prediction.picture)
        return {}


def draw_overlay(image: Pixels, mask: Pixels, truth: Pixels | None = None, *, outline_px: int = 2) -> NDArray[np.uint8]:
    """Draws a mask over its image, pixel for pixel.

    Args:
        image: (Y, X) of any real dtype; shown in grey from its 0.5th to its 99.5th percentile.
        mask: (Y, X) predicted foreground, `> 0`.
        truth: (Y, X) annotated foreground, `> 0`; None where there is no annotation.
        outline_px: width of the outlines in px, drawn inside the regions.

    Returns:
        (Y, X, 3) uint8. Without truth the mask is outlined and lightly tinted; with truth agreement, missed and
        invented pixels have the colours of `legend.COMPARED`.

    Raises:
        ValueError: image, mask and truth are not of one shape (Y, X).
    """
    _check_shapes(image, mask, truth)
    canvas = np.repeat(stretch(image)[..., None], 3, axis=2)
    found = np.asarray(mask) > 0
    if truth is None:
        _paint(canvas, found, PREDICTED, TINT_ALONE, outline_px)
        return canvas
    real = np.asarray(truth) > 0
    _paint(canvas, found & real, AGREED, TINT_AGREED, outline_px)
    _paint(canvas, real & ~found, MISSED, TINT_WRONG, outline_px)
    _paint(canvas, found & ~real, INVENTED, TINT_WRONG, outline_px)
    return canvas


def write_overlay(path: Path, image: Pixels, mask: Pixels, truth: Pixels | None = None) -> None:
    """Writes the overlay as PNG, with a legend below it where the truth is known.

    Args:
        path: file to write, ending in .png; replaced where it exists.
        image: (Y, X) of any real dtype.
        mask: (Y, X) predicted foreground, `> 0`.
        truth: (Y, X) annotated foreground, `> 0`, or None.

    Raises:
        ValueError: image, mask and truth are not of one shape (Y, X).
    """
    picture = draw_overlay(image, mask, truth)
    if truth is not None:
        picture = stack([picture, draw_legend(picture.shape[1], COMPARED)])
    with atomic_path(path) as partial:
        # Level 1: camera noise compresses badly at any level, and the higher ones take several times as long.
        Image.fromarray(picture).save(partial, format="PNG", compress_level=1)


def _check_shapes(image: Pixels, mask: Pixels, truth: Pixels | None) -> None:
    shapes = {"image": np.shape(image), "mask": np.shape(mask)}
    if truth is not None:
        shapes["truth"] = np.shape(truth)
    if len(set(shapes.values())) > 1 or len(shapes["image"]) != 2:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"an overlay needs arrays of one shape (Y, X); got {given}")


def stretch(image: Pixels) -> NDArray[np.uint8]:
    """Grey values of an image from its 0.5th to its 99.5th percentile.

    Args:
        image: (Y, X) of any real dtype.

    Returns:
        (Y, X) uint8; a constant image is mid-grey, a pixel that is no number black.
    """
    pixels = np.asarray(image, dtype=np.float64)
    finite = np.isfinite(pixels)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(pixels[finite], (0.5, 99.5))
    if high <= low:  # nearly all pixels are alike: the percentiles meet although the image may hold a spot
        low, high = pixels[finite].min(), pixels[finite].max()
    if high <= low:
        return np.where(finite, np.uint8(128), np.uint8(0))
    grey: NDArray[np.float64] = np.clip((np.where(finite, pixels, low) - low) * (255.0 / (high - low)), 0, 255)
    return np.rint(grey).astype(np.uint8)


def _paint(canvas: NDArray[np.uint8], region: NDArray[np.bool_], colour: RGB, tint: float, outline_px: int) -> None:
    """Tints a region (Y, X) of the canvas (Y, X, 3) in place and draws its outline in the full colour."""
    ink = np.array(colour, np.float32)
    canvas[region] = np.rint(canvas[region] * np.float32(1 - tint) + ink * np.float32(tint)).astype(np.uint8)
    canvas[outline(region, outline_px)] = colour


def outline(region: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """The outermost pixels of a region; at the edge of the image the cell goes on, so there is no outline.

    Args:
        region: (Y, X) bool.
        width_px: width of the outline in px, drawn inside the region.
    """
    core = region
    for _ in range(width_px):  # erosion by shifted views: ten times faster than scipy's on a 1024 x 1024 mask
        inner = core.copy()
        inner[1:] &= core[:-1]
        inner[:-1] &= core[1:]
        inner[:, 1:] &= core[:, :-1]
        inner[:, :-1] &= core[:, 1:]
        core = inner
    return region & ~core
