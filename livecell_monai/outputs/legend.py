"""The colours of the overlays, and the legend below a picture."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

RGB = tuple[int, int, int]

# Sky blue, yellow and vermillion of Okabe & Ito, "Color Universal Design" (2008). Of all triples of that palette, these
# differ most under simulated protanopia, deuteranopia and tritanopia (CIELAB distance >= 34 for every pair; green, orange
# and purple: 17). Their lightness L* is 70, 89 and 54, so they also differ in grey print.
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
    """DejaVu Sans as shipped with matplotlib, `size` px high; Pillow's own font lacks µ and accented letters."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def draw_legend(width: int, entries: Sequence[Entry], size: int | None = None) -> NDArray[np.uint8]:
    """A strip of coloured squares with their names.

    Args:
        width: width of the picture above in px. The strip is wider if its longest entry does not fit.
        entries: names and colours, in reading order; they wrap into lines.
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
    """Pictures (Y, X, 3) uint8 one below the other as (sum of Y, largest X, 3), padded on the right."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows])
