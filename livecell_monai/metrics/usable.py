"""Whether a network finds the cells at all."""

#: IoU at which Dice is 0.5: below it, more than two pixels are wrong for each pixel of cells that is right
USABLE_IOU = 1 / 3


def describe_unusable(iou: float) -> str | None:
    """A sentence without its end if masks of this IoU in [0, 1] are of no use, None if they may be."""
    if iou >= USABLE_IOU:
        return None
    return f"this result is not usable: at IoU {iou:.3f}, more pixels of the cells are wrong than right"
