"""The text about each split on model cards and report pages."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SplitDescription:
    """Text about a split.

    Attributes:
        split: what was held out.
        measured_on: what the validation score was measured on.
        limit: what the score does not show.
    """

    split: str
    measured_on: str
    limit: str


_NEW_IMAGES = SplitDescription(
    "whole images were held out; the network was not trained on them",
    "held-out whole images, on their original grid",
    "The held-out images are few and from the same experiment as the others; images of another experiment are likely to "
    "score lower.",
)
SPLITS = {
    "images": _NEW_IMAGES,
    "given": replace(_NEW_IMAGES, split="the validation images of the datalist; the network was not trained on them"),
    "region": SplitDescription(
        "a strip along one side of each training image was held out, with an unused guard band beside it",
        "the held-out strips, on the original grid of the images",
        "The strips are parts of the training images and share their illumination, focus and density, so a new image is "
        "likely to score lower.",
    ),
    "original": SplitDescription(
        "augmented copies of the training images themselves, as in the report",
        "augmented patches of the training images, at the working scale",
        "The network was trained on the images that it was scored on.",
    ),
    "none": SplitDescription(
        "nothing was held out; the network was trained on every annotated pixel",
        "the training images themselves, on their original grid",
        "The network was trained on the images that it was scored on; a cross-validation estimates the score of new images.",
    ),
}
