"""Pictures for a page that stands alone: a grey image, and over it a layer of colours that can be hidden, as data URIs."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.outputs.legend import AGREED, INVENTED, MISSED, PREDICTED, RGB
from livecell_monai.outputs.overlay import outline, stretch
from livecell_monai.report.gallery import shrink, shrink_mask
from livecell_monai.sample import Pixels, Region, SplitPreview

SIDE_PX = 512  #: longest side of a picture
QUALITIES = (82, 70, 55, 40, 25)  # of JPEG, the first that keeps within the bytes allowed
LEAST_PX = 96  # side below which a picture would show nothing
TINT, WRONG_TINT = 45, 125  # opacity inside of a region, of 255: where mask and truth differ the place matters more
LINE = 255  # opacity of an outline

# Vermillion and blue of Okabe & Ito, as in the curves.
TRAINED: RGB = (213, 94, 0)
HELD: RGB = (0, 114, 178)
UNUSED: RGB = (20, 20, 20)
ANNOTATED: RGB = MISSED

Paint = tuple[NDArray[np.bool_], RGB, int]  #: where (Y, X), the colour, its opacity of 255


@dataclass(frozen=True)
class Layers:
    """A picture in two layers of one size.

    Attributes:
        image: data URI of the grey image, JPEG.
        overlay: data URI of the colours above it, PNG with transparency.
        width: px.
        height: px.
    """

    image: str
    overlay: str
    width: int
    height: int


def draw_judged(image: Pixels, mask: Pixels, truth: Pixels | None, most_bytes: int, longest: int = SIDE_PX) -> Layers:
    """Image and, over it, the prediction: agreement, missed and invented in the colours of `legend.COMPARED`.

    Args:
        image: (Y, X) of any real dtype.
        mask: (Y, X) predicted foreground, `> 0`.
        truth: (Y, X) annotated foreground, `> 0`, or None; the prediction then stands alone.
        most_bytes: what both layers may take in the page; a picture that would take more loses detail.
        longest: longest side in px.
    """
    found = shrink_mask(mask, longest)
    if truth is None:
        paints = [(found, PREDICTED, TINT), (outline(found, 1), PREDICTED, LINE)]
        return _draw(image, paints, most_bytes, longest)
    real = shrink_mask(truth, longest)
    regions = ((found & real, AGREED, TINT), (real & ~found, MISSED, WRONG_TINT), (found & ~real, INVENTED, WRONG_TINT))
    paints = [paint for where, ink, tint in regions for paint in ((where, ink, tint), (outline(where, 1), ink, LINE))]
    return _draw(image, paints, most_bytes, longest)


def draw_sides(sides: SplitPreview, most_bytes: int, longest: int = SIDE_PX) -> Layers:
    """An annotated image with its outlines, the part that is validated on tinted and framed, and what is not used dark.

    Args:
        sides: the image, its annotation and its parts.
        most_bytes: as for `draw_judged`.
        longest: longest side in px.
    """
    shape = np.shape(sides.truth)
    trained, held = (shrink_mask(_fill(region, shape), longest) for region in (sides.training, sides.validation))
    paints: list[Paint] = [(~(trained | held), UNUSED, 150), (held, HELD, 70)]
    paints += [(_frame(trained), TRAINED, LINE), (_frame(held), HELD, LINE)]
    paints += [(outline(shrink_mask(sides.truth, longest), 1), ANNOTATED, LINE)]
    return _draw(sides.image, paints, most_bytes, longest)


def draw_sample(image: Pixels, label: Pixels, most_bytes: int) -> Layers:
    """An augmented patch as the network sees it, its label outlined.

    Args:
        image: (Y, X) float.
        label: (Y, X), foreground `> 0`.
        most_bytes: as for `draw_judged`.
    """
    side = min(SIDE_PX, 256)
    return _draw(image, [(outline(shrink_mask(label, side), 1), ANNOTATED, LINE)], most_bytes, side)


def encode(content: bytes, kind: str) -> str:
    """A data URI.

    Args:
        content: of the file.
        kind: its media type, such as `image/png`.
    """
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def _draw(image: Pixels, paints: Sequence[Paint], most_bytes: int, longest: int) -> Layers:
    overlay = _write_overlay(paints)
    grey = stretch(shrink(np.asarray(image, dtype=np.float32), longest))
    height, width = grey.shape
    # base64 takes four bytes for three
    left = most_bytes * 3 // 4 - len(overlay)
    jpeg = _write_grey(grey, left)
    if len(jpeg) > left and longest > LEAST_PX:
        smaller = int(max(LEAST_PX, min(longest, max(grey.shape)) * 0.7))
        return _draw(image, [(shrink_mask(where, smaller), ink, tint) for where, ink, tint in paints], most_bytes, smaller)
    return Layers(encode(jpeg, "image/jpeg"), encode(overlay, "image/png"), width, height)


def _write_grey(grey: NDArray[np.uint8], most_bytes: int) -> bytes:
    """A JPEG of the best quality that keeps within the bytes, or else of the last one."""
    content = b""
    for quality in QUALITIES:
        stream = io.BytesIO()
        Image.fromarray(grey).save(stream, format="JPEG", quality=quality, optimize=True)
        content = stream.getvalue()
        if len(content) <= most_bytes:
            break
    return content


def _write_overlay(paints: Sequence[Paint]) -> bytes:
    """A PNG with a palette, later paints over earlier ones, transparent elsewhere."""
    indices = np.zeros(paints[0][0].shape, np.uint8)
    palette, opacities = [(0, 0, 0)], [0]
    for place, (where, colour, opacity) in enumerate(paints, start=1):
        indices[where] = place
        palette.append(colour)
        opacities.append(opacity)
    picture = Image.fromarray(indices)
    picture.putpalette([channel for colour in palette for channel in colour])  # a grey plane becomes one of palette
    stream = io.BytesIO()
    picture.save(stream, format="PNG", transparency=bytes(opacities), compress_level=6)
    return stream.getvalue()


def _fill(region: Region | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    plane = np.zeros(shape, bool)
    if region is not None:
        region.crop(plane)[:] = True
    return plane


def _frame(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rim of a rectangle, three pixels wide, also where it is that of the image."""
    padded = np.pad(plane, 1)
    return outline(padded, 3)[1:-1, 1:-1]
