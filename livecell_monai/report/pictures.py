"""Pictures for a page that stands alone: a grey image, and over it a layer of colours that can be hidden, as data URIs."""

import io
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.outputs.cells import outline_cells
from livecell_monai.outputs.figures import AGREED, INVENTED, MISSED, PREDICTED, RGB, UNANNOTATED
from livecell_monai.outputs.overlay import hatch, outline, stretch
from livecell_monai.report.gallery import shrink, shrink_labels, shrink_mask
from livecell_monai.sample import Pixels, Region, SplitPreview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_PX = 512  # longest side of a picture
SAMPLE_PX = 256  # of an augmented sample
LEAST_PX = 96  # side below which a picture would show nothing
QUALITIES = (82, 70, 55, 40, 25)  # of JPEG; the first that keeps within the bytes allowed
TINT, WRONG_TINT = 45, 125  # opacity inside a region, of 255: where mask and truth differ the place matters more
LINE = 255  # opacity of an outline

# Vermillion and blue of Okabe & Ito, as in the curves.
TRAINED: RGB = (213, 94, 0)
HELD: RGB = (0, 114, 178)
UNUSED: RGB = (20, 20, 20)
ANNOTATED: RGB = MISSED
SPLIT_COLOURS: tuple[tuple[str, RGB], ...] = (
    ("annotated outline", ANNOTATED),
    ("trained on", TRAINED),
    ("validated on", HELD),
    ("left unused (guard)", UNUSED),
)

Paint = tuple[NDArray[np.bool_], RGB, int]  #: where (Y, X), the colour, its opacity of 255
PaintAt = Callable[[int], Sequence[Paint]]  #: the paints of a picture whose longest side has so many px


@dataclass(frozen=True)
class Layers:
    """A picture in two layers, both of `width` x `height` px."""

    image: str  #: data URI of the grey image, JPEG
    overlay: str  #: data URI of the colours above it, PNG with transparency
    width: int
    height: int


def draw_prediction(
    image: Pixels,
    mask: Pixels,
    truth: Pixels | None,
    most_bytes: int,
    cells: Pixels | None = None,
    labelled: Pixels | None = None,
) -> Layers:
    """Image and, over it, the prediction: with a truth in the colours of `figures.COMPARED`; all as for `draw_overlay`.

    `most_bytes` limits both layers together; a picture that would take more loses detail.
    """

    def paint(longest: int) -> list[Paint]:
        found = shrink_mask(mask, longest)
        ignored = find_unlabelled(labelled, found.shape)
        regions = [(found, PREDICTED, TINT)]
        if truth is not None:
            found, real = found & ~ignored, shrink_mask(truth, longest) & ~ignored
            regions = [(found & real, AGREED, TINT)]
            regions += [(real & ~found, MISSED, WRONG_TINT), (found & ~real, INVENTED, WRONG_TINT)]
        elif cells is not None:
            return [(found, PREDICTED, TINT), (outline_cells(shrink_labels(cells, longest)), PREDICTED, LINE)]
        paints: list[Paint] = []
        for where, ink, tint in regions:
            paints += [(where, ink, tint), (outline(where, 1), ink, LINE)]
        return [*paints, hatching(ignored)]

    return draw(image, paint, most_bytes, SIDE_PX)


def draw_sides(sides: SplitPreview, most_bytes: int) -> Layers:
    """An annotated image with its outlines; the validation region is tinted and framed, unused pixels are dark."""
    shape = np.shape(sides.truth)

    def paint(longest: int) -> list[Paint]:
        trained, held = (shrink_mask(_fill(region, shape), longest) for region in (sides.training, sides.validation))
        paints: list[Paint] = [(~(trained | held), UNUSED, 150), (held, HELD, 70)]
        paints += [(_frame(trained), TRAINED, LINE), (_frame(held), HELD, LINE)]
        outlined = outline(shrink_mask(sides.truth, longest), 1)
        return [*paints, (outlined, ANNOTATED, LINE), hatching(find_unlabelled(sides.labelled, outlined.shape))]

    return draw(sides.image, paint, most_bytes, SIDE_PX)


def draw_sample(image: Pixels, label: Pixels, most_bytes: int) -> Layers:
    """An augmented patch (Y, X) as the network sees it; its label (Y, X), foreground `> 0`, is outlined.

    Where the label is below 0, it is not annotated.
    """

    def paint(longest: int) -> list[Paint]:
        return [(outline(shrink_mask(label, longest), 1), ANNOTATED, LINE), hatching(shrink_mask(label < 0, longest))]

    return draw(image, paint, most_bytes, SAMPLE_PX)


def find_unlabelled(labelled: Pixels | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a picture of a shape (Y, X) is not annotated, from the pixels (Y, X) of its image that are; None for all."""
    return np.zeros(shape, bool) if labelled is None else ~shrink_mask(labelled, max(shape))


def hatching(where: NDArray[np.bool_]) -> Paint:
    """The paint of pixels (Y, X) that are not annotated."""
    return hatch(where), UNANNOTATED, LINE


def encode(content: bytes, kind: str) -> str:
    """The data URI of a file of a media type such as `image/png`."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def embed_figure(figure: "Figure") -> str:
    """A figure as a data URI, in lines that stay sharp at any size."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return encode(stream.getvalue(), "image/svg+xml")


def draw(image: Pixels, paint: PaintAt, most_bytes: int, longest: int) -> Layers:
    """A picture of an image (Y, X) whose longest side has at most `longest` px; both layers take at most `most_bytes`.

    A picture that would take more is painted again, smaller.
    """
    overlay = _write_overlay(paint(longest))
    grey = stretch(shrink(np.asarray(image, dtype=np.float32), longest))
    height, width = grey.shape
    # base64 takes four bytes for three
    left = most_bytes * 3 // 4 - len(overlay)
    jpeg = _write_grey(grey, left)
    if len(jpeg) > left and longest > LEAST_PX:
        smaller = int(max(LEAST_PX, min(longest, max(grey.shape)) * 0.7))
        return draw(image, paint, most_bytes, smaller)
    return Layers(encode(jpeg, "image/jpeg"), encode(overlay, "image/png"), width, height)


def _write_grey(grey: NDArray[np.uint8], most_bytes: int) -> bytes:
    """A JPEG of the best quality that keeps within the bytes, or else of the worst one."""
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
    for place, (where, _, _) in enumerate(paints, start=1):
        indices[where] = place
    colours = [(0, 0, 0), *(colour for _, colour, _ in paints)]
    picture = Image.fromarray(indices)
    picture.putpalette([channel for colour in colours for channel in colour])
    stream = io.BytesIO()
    opacities = bytes([0, *(opacity for *_, opacity in paints)])
    picture.save(stream, format="PNG", transparency=opacities, compress_level=6)
    return stream.getvalue()


def _fill(region: Region | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    plane = np.zeros(shape, bool)
    if region is not None:
        region.crop(plane)[:] = True
    return plane


def _frame(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rim of a rectangle, three pixels wide, also along the rim of the image."""
    return outline(np.pad(plane, 1), 3)[1:-1, 1:-1]
