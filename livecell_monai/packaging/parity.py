"""How well an exported model agrees with its bundle, on the same image."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from livecell_monai.errors import BundleError
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import Pixels

LEAST_IOU, LEAST_IOU_INT8 = 0.999, 0.99  #: of the masks, below which a model is not written
ODD = (37, 21)  # rows and columns left out of the second image, whose size is no multiple of anything

Run = Callable[[Pixels], Pixels]  #: maps (C, Y, X) float32 of grey values (Y, X) float32


@dataclass(frozen=True)
class Parity:
    """The agreement of two models."""

    iou: float  #: of their masks, the least over the images
    largest_difference: float  #: of their maps, over all pixels and images

    def facts(self) -> dict[str, float]:
        """The numbers by name, rounded."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def measure_parity(run: Run, segmenter: Segmenter, image: Pixels) -> Parity:
    """Compare a model with the bundle's own segmenter, on an image (Y, X) and on a part of it of an odd size.

    Raises a BundleError if the mask of the image is empty or full, so that nothing can be compared.
    """
    ious, differences = [], []
    for part in (image, np.ascontiguousarray(image[: -ODD[0], : -ODD[1]])):
        expected, found = np.stack(list(segmenter.maps(part).values())), run(part)
        if expected.shape != found.shape:
            return Parity(0.0, 1.0)
        masks = expected[0] >= segmenter.threshold, found[0] >= segmenter.threshold
        if masks[0].all() or not masks[0].any():
            raise BundleError(
                "the test image: the bundle must find cells and background in it, its mask is "
                f"{'full' if masks[0].any() else 'empty'}; name an image with cells by --image FILE"
            )
        ious.append(np.count_nonzero(masks[0] & masks[1]) / np.count_nonzero(masks[0] | masks[1]))
        differences.append(float(np.abs(expected - found).max()))
    return Parity(float(min(ious)), max(differences))


def check_parity(parity: Parity, least: float, what: str) -> None:
    """Raise a BundleError if the masks of a model do not agree with those of its bundle."""
    if not parity.iou >= least:  # NaN neither
        raise BundleError(
            f"{what}: the exported model must give the masks of the bundle, at IoU {least:g} or more, got {parity.iou:.4f} "
            f"(maps differ by up to {parity.largest_difference:.2g}); nothing was written"
        )
