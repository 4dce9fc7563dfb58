"""The colours of the overlays, what they mean, and the strip under a picture that says so."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

RGB = tuple[int, int, int]

# Sky blue, yellow and vermillion of Okabe & Ito, "Color Universal Design" (2008). Of all triples of that palette this
# one stays furthest apart under simulated protanopia, deuteranopia and tritanopia (CIELAB distance >= 34 for every
# pair; green, orange and purple: 17), and its lightness L* is 70, 89 and 54, so it survives grey printing as well.
AGREED: RGB = (86, 180, 233)  #: foreground in prediction and truth
MISSED: RGB = (240, 228, 66)  #: foreground in the truth only
INVENTED: RGB = (213, 94, 0)  #: foreground in the prediction only
PREDICTED: RGB = AGREED  #: foreground of a prediction without a truth

Entry = tuple[str, RGB]
COMPARED: tuple[Entry, ...] = (
    ("agreement", AGREED),
    ("missed (annotation only)", MISSED),
    ("invented (prediction only)", INVENTED),
)
ALONE: tuple[Entry, ...] = (("prediction", PREDICTED),)

BACKGROUND: RGB = (255, 255, 255)
INK: RGB = (30, 30, 30)


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it; Pillow's own font lacks µ and every accented letter.

    Args:
        size: height of the font in px.
    """
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def draw_legend(width: int, entries: Sequence[Entry], size: int | None = None) -> NDArray[np.uint8]:
    """A strip of coloured squares and their names.

    Args:
        width: width of the picture above in px; the strip is wider only where its longest entry asks for it.
        entries: names and colours, in reading order; they break into lines where the width does not hold them.
        size: font size in px; None for one that fits the width.

    Returns:
        (Y, X, 3) uint8 with X >= width.
    """
    size = size or min(max(width // 48, 11), 24)
    font, pad = load_font(size), size // 2
    spans = [pad + size + pad + int(np.ceil(font.getlength(name))) + pad for name, _ in entries]
    width = max(width, *spans)
    places, line, left = [], 0, 0
    for span in spans:
        if left + span > width:
            line, left = line + 1, 0
        places.append((left + pad, line))
        left += span + pad
    step = 2 * size
    strip = Image.new("RGB", (width, step * (line + 1)), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for (name, colour), (left, line) in zip(entries, places, strict=True):
        middle = step * line + step // 2
        draw.rectangle((left, middle - size // 2, left + size - 1, middle + (size - 1) // 2), fill=colour, outline=INK)
        draw.text((left + size + pad, middle), name, fill=INK, font=font, anchor="lm")
    return np.asarray(strip)


def stack(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures one below the other, padded at the right to the widest.

    Args:
        rows: pictures (Y, X, 3) uint8.

    Returns:
        (sum of Y, largest X, 3) uint8.
    """
    width = max(row.shape[1] for row in rows)
    canvas = np.full((sum(len(row) for row in rows), width, 3), BACKGROUND, np.uint8)
    top = 0
    for row in rows:
        canvas[top : top + len(row), : row.shape[1]] = row
        top += len(row)
    return canvas
