"""What is to be said of each split: on cards and pages, in the same words."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SplitDescription:
    """What is to be said of a split: what it did, what was scored, what the score cannot say."""

    split: str
    measured_on: str
    limit: str


_NEW_IMAGES = SplitDescription(
    "whole images were held out; no pixel of them was trained on",
    "whole images that were held out, on their original grid",
    "The images that were held out are few and of the same experiment as the others; those of another are likely to score "
    "lower.",
)
SPLITS = {
    "images": _NEW_IMAGES,
    "given": replace(_NEW_IMAGES, split="the validation images that the datalist names; no pixel of them was trained on"),
    "region": SplitDescription(
        "a strip along one side of each training image was held out, behind a guard band that neither side sees",
        "the strips that were held out, on the original grid of the images",
        "The strips are parts of the images that the network was trained on. They share illumination, focus and density "
        "with the rest, so a new image is likely to score lower.",
    ),
    "original": SplitDescription(
        "augmented copies of the training images themselves, as in the report",
        "augmented patches of the training images, at the working size",
        "The network has seen what it was scored on.",
    ),
    "none": SplitDescription(
        "nothing was held out; every annotated pixel was trained on",
        "the training images themselves, on their original grid",
        "The network has seen what it was scored on; a cross-validation tells what to expect of a new image.",
    ),
}
