"""A few images side by side with their predictions: the picture for the README and for a run's page."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from livecell_monai.outputs.figures import ALONE, COMPARED, HATCHED, RGB
from livecell_monai.outputs.overlay import draw_overlay
from livecell_monai.runs.atomic import atomic_path
from livecell_monai.sample import Pixels

#: title, image (Y, X), mask (Y, X), truth (Y, X) or None, annotated pixels (Y, X) or None for all
Panel = tuple[str, Pixels, Pixels, Pixels | None, Pixels | None]

MAX_ROWS = 6
SIDE_PX = 420  #: longest side of one picture
GAP_PX = 12
TITLE_PX, LEGEND_PX = 17, 15  # font sizes
BACKGROUND: RGB = (255, 255, 255)
INK: RGB = (30, 30, 30)


def write_gallery(path: Path, panels: Sequence[Panel]) -> None:
    """Write the picture of `draw_gallery` as PNG, atomically."""
    # a palette of its own: no channel moves by more than a few levels, and the file is less than half as large
    picture = Image.fromarray(draw_gallery(panels)).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with atomic_path(path) as partial:
        picture.save(partial, format="PNG", optimize=True)


def draw_gallery(panels: Sequence[Panel]) -> NDArray[np.uint8]:
    """Rows of image and overlay, with a legend at the bottom, (Y, X, 3) uint8.

    At least one panel, as for `draw_overlay`; those after the sixth are left out. Pictures are shrunk to at most 420 px.
    """
    shown = panels[:MAX_ROWS]
    pairs = [_draw_pair(image, mask, truth, labelled) for _, image, mask, truth, labelled in shown]
    width = max(pair.shape[1] for pair in pairs)
    rows = []
    for (title, *_), pair in zip(shown, pairs, strict=True):
        rows += [_draw_title(title, width), pair]
    rows.append(draw_legend(width, _list_inks(shown)))
    width = max(row.shape[1] for row in rows)
    body = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows])
    return np.pad(body, ((0, GAP_PX // 2), (GAP_PX, GAP_PX), (0, 0)), constant_values=255)


def _list_inks(shown: Sequence[Panel]) -> tuple[tuple[str, RGB], ...]:
    inks = ALONE if all(truth is None for *_, truth, _ in shown) else COMPARED
    return inks if all(labelled is None for *_, labelled in shown) else inks + HATCHED


def _draw_pair(image: Pixels, mask: Pixels, truth: Pixels | None, labelled: Pixels | None) -> NDArray[np.uint8]:
    """Image and overlay side by side, (Y, 2 X + gap, 3) uint8, shrunk first so that outlines keep their width."""
    small = shrink(np.asarray(image, dtype=np.float32))
    found = shrink_mask(mask)
    real = None if truth is None else shrink_mask(truth)
    left = draw_overlay(small, np.zeros_like(found))
    # a thin line: at this scale a small cell would be all outline
    known = None if labelled is None else shrink_mask(labelled)
    right = draw_overlay(small, found, real, labelled=known, outline_px=1)
    gap = np.full((len(left), GAP_PX, 3), BACKGROUND, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def shrink_mask(mask: Pixels, longest: int = SIDE_PX) -> NDArray[np.bool_]:
    """A mask (Y, X), foreground `> 0`, as `shrink`: foreground if at least half of the pixels that become one are."""
    return shrink((np.asarray(mask) > 0).astype(np.float32), longest) >= 0.5


def shrink(plane: NDArray[np.float32], longest: int = SIDE_PX) -> NDArray[np.float32]:
    """A plane (Y, X) reduced to a longest side in px, each pixel the mean of several; a smaller plane stays as it is."""
    if longest >= max(plane.shape):
        return plane
    height, width = _shrunk_shape(plane.shape, longest)
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))


def shrink_labels(labels: Pixels, longest: int) -> Pixels:
    """Ids (Y, X) as `shrink`, each pixel the one in the middle of several."""
    if longest >= max(labels.shape):
        return labels
    shape = _shrunk_shape(labels.shape, longest)
    rows, columns = (
        np.floor((np.arange(after) + 0.5) * before / after).astype(int)
        for before, after in zip(labels.shape, shape, strict=True)
    )
    return np.asarray(labels[rows[:, None], columns])


def _shrunk_shape(shape: tuple[int, ...], longest: int) -> tuple[int, int]:
    factor = longest / max(shape)
    height, width = (max(1, round(side * factor)) for side in shape)
    return height, width


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as shipped with matplotlib, `size` px high; Pillow's own font lacks µ and accented letters."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _draw_title(title: str, width: int) -> NDArray[np.uint8]:
    """One line of text as (Y, width, 3) uint8, cut with an ellipsis if it is too long."""
    font = load_font(TITLE_PX)
    text = " ".join(title.split())  # a line break in a name would be drawn over the picture below
    while font.getlength(text) > width:
        text = text.removesuffix("…")[:-1] + "…"
    line = Image.new("RGB", (width, 2 * TITLE_PX), BACKGROUND)
    ImageDraw.Draw(line).text((0, TITLE_PX + 2), text, fill=INK, font=font, anchor="lm")
    return np.asarray(line)


def draw_legend(width: int, entries: Sequence[tuple[str, RGB]]) -> NDArray[np.uint8]:
    """Coloured squares with their names, (Y, X, 3) uint8, wrapped into lines of `width` px, wider if an entry needs it."""
    size, font, pad = LEGEND_PX, load_font(LEGEND_PX), LEGEND_PX // 2
    spans = [pad + size + pad + int(np.ceil(font.getlength(name))) + pad for name, _ in entries]
    width = max(width, *spans)
    places, line, left = [], 0, 0
    for span in spans:
        if left + span > width:
            line, left = line + 1, 0
        places.append((left + pad, 2 * size * line + size))
        left += span + pad
    strip = Image.new("RGB", (width, 2 * size * (line + 1)), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for (name, colour), (left, middle) in zip(entries, places, strict=True):
        draw.rectangle((left, middle - size // 2, left + size - 1, middle + (size - 1) // 2), fill=colour, outline=INK)
        draw.text((left + size + pad, middle), name, fill=INK, font=font, anchor="lm")
    return np.asarray(strip)
