"""Batch norms fused into convolutions, for faster prediction."""

from monai.networks.blocks import ADN, Convolution
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Fuse every batch norm of MONAI's blocks into its convolution, in place.

    The logits are the same but for rounding. The network can no longer be trained, or load a state dictionary.

    Args:
        network: in evaluation mode, with loaded weights.

    Raises:
        ValueError: the network is in training mode.
    """
    if network.training:
        raise ValueError("a network must be in evaluation mode to fuse its batch norms, got one in training mode")
    for block in network.modules():
        if not isinstance(block, Convolution) or not hasattr(block, "adn"):
            continue
        conv, rest = block.conv, block.adn
        assert isinstance(rest, ADN)
        if isinstance(getattr(rest, "N", None), nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(conv, rest.N, transpose=isinstance(conv, nn.ConvTranspose2d))
            rest.N = nn.Identity()
    return network
