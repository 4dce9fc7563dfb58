"""The network and its losses: the only room that knows the architecture.

`UNet` takes images (B, 1, Y, X) float32 and gives logits (B, 1, Y, X); Y and X must be multiples of `UNet.multiple`.
`build_network` makes one, or an `Ensemble` of several that gives the logits of their mean probability; `share_network` makes
one ready to be trained by several processes; `measure_ranges` finds what `eight_bit.build_model` rounds by.
`SegmentationLoss` takes logits (B, 1, Y, X) and targets (B, 1 or 2, Y, X): the label as 0 and 1 and, where there is a second
channel, a weight per pixel.
"""

from livecell_monai.network.ensemble import Ensemble, build_network, join_weights, name_member
from livecell_monai.network.fusing import fuse_batch_norms
from livecell_monai.network.losses import SegmentationLoss
from livecell_monai.network.map_ranges import Range, measure_ranges
from livecell_monai.network.unet import UNet

__all__ = [
    "Ensemble",
    "Range",
    "SegmentationLoss",
    "UNet",
    "build_network",
    "fuse_batch_norms",
    "join_weights",
    "measure_ranges",
    "name_member",
]
