"""The network and its losses; no other package knows the architecture."""

from livecell_monai.network.heads import Head
from livecell_monai.network.losses import SegmentationLoss
from livecell_monai.network.map_ranges import Range, measure_ranges
from livecell_monai.network.unet import Ensemble, UNet, build_network, fuse_batch_norms, join_weights, name_member

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
