"""The network and its losses: the only room that knows the architecture.

`UNet` takes images (B, 1, Y, X) float32 and gives logits (B, C, Y, X), one channel for each map of a `Head`; Y and X must be
multiples of `UNet.multiple`. `build_network` makes one, or an `Ensemble` of several that gives the logits of their mean
maps; `share_network` makes one ready to be trained by several processes; `measure_ranges` finds what `int8.build_model`
rounds by. `SegmentationLoss` takes logits (B, C, Y, X) and targets (B, C or C + 1, Y, X): those of the head and, where there
is a further channel, a weight per pixel.
"""

from livecell_monai.network.ensemble import Ensemble, build_network, join_weights, name_member
from livecell_monai.network.fusing import fuse_batch_norms
from livecell_monai.network.heads import Head
from livecell_monai.network.losses import SegmentationLoss
from livecell_monai.network.map_ranges import Range, measure_ranges
from livecell_monai.network.unet import UNet

__all__ = [
    "Ensemble",
    "Head",
    "Range",
    "SegmentationLoss",
    "UNet",
    "build_network",
    "fuse_batch_norms",
    "join_weights",
    "measure_ranges",
    "name_member",
]
