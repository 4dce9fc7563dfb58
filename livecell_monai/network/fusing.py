"""A trained network made faster for use: batch norms folded into the convolutions ahead of them."""

from monai.networks.blocks import ADN, Convolution
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Fold every batch norm of MONAI's blocks into its convolution, in place.

    The network gives the same logits but for rounding, with a third of its passes over memory less. It can no longer be
    trained, nor take a state dictionary.

    Args:
        network: in evaluation mode, its weights loaded.

    Raises:
        ValueError: where the network is in training mode, whose batch norms change with every batch.
    """
    if network.training:
        raise ValueError("a network must be in evaluation mode for its batch norms to be folded, got one in training mode")
    for block in network.modules():
        if not isinstance(block, Convolution) or not hasattr(block, "adn"):
            continue
        conv, rest = block.conv, block.adn
        assert isinstance(rest, ADN)
        if isinstance(getattr(rest, "N", None), nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(conv, rest.N, transpose=isinstance(conv, nn.ConvTranspose2d))
            rest.N = nn.Identity()
    return network
