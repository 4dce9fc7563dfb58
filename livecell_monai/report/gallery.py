"""A few images side by side with their predictions: the picture for the README and for a run's page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from livecell_monai.outputs.legend import ALONE, BACKGROUND, COMPARED, INK, draw_legend, load_font, stack
from livecell_monai.outputs.overlay import draw_overlay
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

Panel = tuple[str, Pixels, Pixels, Pixels | None]  #: title, image (Y, X), mask (Y, X), truth (Y, X) or None

MAX_ROWS = 6
SIDE_PX = 420  #: longest side of one picture
GAP_PX = 12
FONT_PX = 17


def write_gallery(path: Path, panels: Sequence[Panel]) -> None:
    """Writes rows of image and overlay as one PNG, with a legend at the bottom.

    Args:
        path: file to write, ending in .png; replaced where it exists.
        panels: (title, image, mask, truth), one row each; the image is (Y, X) of any real dtype, mask and truth (Y, X)
            with foreground `> 0`, the truth None where there is none. Rows after the sixth are left out.

    Raises:
        ValueError: there is no panel, or the arrays of one are not of one shape.
    """
    # 256 colours of its own: no channel moves by more than a few levels, and the file is less than half as large.
    picture = Image.fromarray(draw_gallery(panels)).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with atomic_path(path) as partial:
        picture.save(partial, format="PNG", optimize=True)


def draw_gallery(panels: Sequence[Panel]) -> NDArray[np.uint8]:
    """The picture that `write_gallery` writes.

    Args:
        panels: as for `write_gallery`.

    Returns:
        (Y, X, 3) uint8; pictures longer than 420 px are shrunk to that, smaller ones stay as they are.

    Raises:
        ValueError: there is no panel, or the arrays of one are not of one shape.
    """
    if not panels:
        raise ValueError("a gallery needs at least one panel (title, image, mask, truth); got none")
    shown = panels[:MAX_ROWS]
    pairs = [_draw_pair(image, mask, truth) for _, image, mask, truth in shown]
    width = max(pair.shape[1] for pair in pairs)
    rows = []
    for (title, *_), pair in zip(shown, pairs, strict=True):
        rows += [_draw_title(title, width), pair]
    entries = ALONE if all(truth is None for *_, truth in shown) else COMPARED
    body = stack([*rows, draw_legend(width, entries, FONT_PX - 2)])
    return np.pad(body, ((0, GAP_PX // 2), (GAP_PX, GAP_PX), (0, 0)), constant_values=BACKGROUND[0])


def _draw_pair(image: Pixels, mask: Pixels, truth: Pixels | None) -> NDArray[np.uint8]:
    """Image and overlay side by side, (Y, 2 X + gap, 3) uint8, shrunk first so that outlines keep their width."""
    small = shrink(np.asarray(image, dtype=np.float32))
    found = shrink_mask(mask)
    real = None if truth is None else shrink_mask(truth)
    left = draw_overlay(small, np.zeros_like(found))
    # A thin line: at this scale a small cell would be all outline.
    right = draw_overlay(small, found, real, outline_px=1)
    gap = np.full((len(left), GAP_PX, 3), BACKGROUND, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def shrink_mask(mask: Pixels, longest: int = SIDE_PX) -> NDArray[np.bool_]:
    """Foreground where at least half of what a pixel stands for is foreground.

    Args:
        mask: (Y, X), foreground `> 0`.
        longest: longest side of the result in px; a smaller mask stays as it is.
    """
    return shrink((np.asarray(mask) > 0).astype(np.float32), longest) >= 0.5


def shrink(plane: NDArray[np.float32], longest: int = SIDE_PX) -> NDArray[np.float32]:
    """A plane made smaller, each pixel the mean of those it stands for.

    Args:
        plane: (Y, X) float32.
        longest: longest side of the result in px; a smaller plane stays as it is.
    """
    factor = longest / max(plane.shape)
    if factor >= 1:
        return plane
    height, width = (max(1, round(side * factor)) for side in plane.shape)
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))


def _draw_title(title: str, width: int) -> NDArray[np.uint8]:
    """One line of text as (Y, width, 3) uint8, cut with an ellipsis where it is too long."""
    font = load_font(FONT_PX)
    text = " ".join(title.split())  # a line break in a name would be drawn over the picture below
    while font.getlength(text) > width:
        text = text.removesuffix("…")[:-1] + "…"
    line = Image.new("RGB", (width, 2 * FONT_PX), BACKGROUND)
    ImageDraw.Draw(line).text((0, FONT_PX + 2), text, fill=INK, font=font, anchor="lm")
    return np.asarray(line)
