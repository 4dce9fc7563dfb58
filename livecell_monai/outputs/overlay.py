"""A prediction drawn over its image: outline and tint, in three colours if the truth is known."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.data.readers.kinds import read_image
from livecell_monai.outputs.base import Files, LargePrediction, Output, Prediction, Row
from livecell_monai.outputs.cells import outline_cells
from livecell_monai.outputs.figures import AGREED, INVENTED, MISSED, PREDICTED, UNANNOTATED
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

TINT_ALONE, TINT_AGREED = 0.15, 0.2  # weight of the colour inside a mask; light, so that the cell stays visible
TINT_WRONG = 0.5  # strong: where prediction and truth differ, the position matters more than the cell
HATCH_PX = 8  # from one line of a hatching to the next, along rows and columns


class Overlay(Output):
    """`NAME_overlay.png`, the mask drawn over the image as it is on disk.

    Of a movie `NAME_overlay_first.png`, `_middle` and `_last`; of a large image one reduced picture.
    """

    files = Files(
        image=("{name}_overlay.png",),
        movie=("{name}_overlay_first.png", "{name}_overlay_middle.png", "{name}_overlay_last.png"),
        large=("{name}_overlay.png",),
    )
    needs_picture = True

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Draw the image; of a movie the first, the middle and the last frame."""
        ending, frame = "_overlay", prediction.frame
        if frame is not None:
            # in a short movie one frame may have two roles: first and last take precedence
            places = {frame.frames // 2: "middle", 0: "first", frame.frames - 1: "last"}
            if frame.position not in places:
                return {}
            ending = f"_overlay_{places[frame.position]}"
        is_empty = prediction.problem is not None
        image = np.zeros(prediction.mask.shape) if is_empty else read_image(prediction.source).pixels
        write_overlay(folder / f"{prediction.name}{ending}.png", image, prediction.mask, prediction.cells)
        return {}

    def write_large(self, prediction: LargePrediction, folder: Path) -> Row:
        """Draw the reduced image."""
        if prediction.picture is not None:
            write_overlay(folder / f"{prediction.name}_overlay.png", *prediction.picture)
        return {}


def draw_overlay(
    image: Pixels,
    mask: Pixels,
    truth: Pixels | None = None,
    *,
    cells: Pixels | None = None,
    labelled: Pixels | None = None,
    outline_px: int = 2,
) -> NDArray[np.uint8]:
    """Draw a mask over its image, pixel for pixel, as (Y, X, 3) uint8.

    Without a truth the mask is outlined and lightly tinted; with a truth, agreement, missed and invented pixels have the
    colours of `figures.COMPARED`.

    Args:
        image: (Y, X) of any real dtype, shown as by `stretch`.
        mask: (Y, X) predicted foreground, `> 0`.
        truth: (Y, X) annotated foreground, `> 0`.
        cells: (Y, X) ids; each cell is outlined, in place of the mask.
        labelled: (Y, X) bool, where the image is annotated; other pixels are hatched, without mask and truth. None for all.
        outline_px: width of the outlines, drawn inside the regions.
    """
    canvas = np.repeat(stretch(image)[..., None], 3, axis=2)
    counts = np.ones(canvas.shape[:2], bool) if labelled is None else np.asarray(labelled)
    predicted = (np.asarray(mask) > 0) & counts
    regions = [(predicted, PREDICTED, TINT_ALONE)]
    if truth is not None:
        annotated = (np.asarray(truth) > 0) & counts
        regions = [
            (predicted & annotated, AGREED, TINT_AGREED),
            (annotated & ~predicted, MISSED, TINT_WRONG),
            (predicted & ~annotated, INVENTED, TINT_WRONG),
        ]
    for region, colour, tint in regions:
        ink = np.array(colour, np.float32) * np.float32(tint)
        canvas[region] = np.rint(canvas[region] * np.float32(1 - tint) + ink).astype(np.uint8)
        canvas[outline(region, outline_px) if cells is None else outline_cells(cells)] = colour
    canvas[hatch(~counts)] = UNANNOTATED
    return canvas


def write_overlay(path: Path, image: Pixels, mask: Pixels, cells: Pixels | None = None) -> None:
    """Write the overlay of an image, a mask and perhaps cells, all (Y, X), as PNG; a DataError if it cannot be written."""
    picture = draw_overlay(image, mask, cells=cells)
    with atomic_path(path) as partial:
        # level 1: camera noise compresses badly at any level, and higher levels are several times slower
        Image.fromarray(picture).save(partial, format="PNG", compress_level=1)


def stretch(image: Pixels) -> NDArray[np.uint8]:
    """Grey values (Y, X) uint8 of an image (Y, X), scaled from its 0.5th to its 99.5th percentile.

    A constant image becomes mid-grey; NaN and infinite pixels become black.
    """
    pixels = np.asarray(image, dtype=np.float64)
    finite = np.isfinite(pixels)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(pixels[finite], (0.5, 99.5))
    if high <= low:  # nearly all pixels are equal, but the image may hold a small bright spot
        low, high = pixels[finite].min(), pixels[finite].max()
    if high <= low:
        return np.where(finite, np.uint8(128), np.uint8(0))
    grey: NDArray[np.float64] = np.clip((np.where(finite, pixels, low) - low) * (255.0 / (high - low)), 0, 255)
    return np.rint(grey).astype(np.uint8)


def outline(region: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """The outermost `width_px` pixels of a region (Y, X) bool; none at the edge of the image, where the cell is cut."""
    core = region
    for _ in range(width_px):  # erosion by shifted views: ten times as fast as scipy's on a 1024 x 1024 mask
        inner = core.copy()
        inner[1:] &= core[:-1]
        inner[:-1] &= core[1:]
        inner[:, 1:] &= core[:, :-1]
        inner[:, :-1] &= core[:, 1:]
        core = inner
    return region & ~core


def hatch(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels (Y, X) of a region (Y, X) bool that diagonal lines cover, two pixels wide."""
    rows, columns = (np.arange(edge) for edge in region.shape)
    return region & ((rows[:, None] + columns) % HATCH_PX < 2)
