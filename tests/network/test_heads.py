"""Names of maps, targets from labels of instance ids, masks from maps."""

import pytest
import torch

from livecell_monai.errors import SettingError
from livecell_monai.network import Head, SegmentationLoss, UNet, heads
from livecell_monai.network.heads import Channel

IDS = torch.tensor([[0.0, 3.0], [70_000.0, 0.0]])[None]


@pytest.fixture
def two(monkeypatch):
    """A head of two maps, the second one of a target between 0 and 1."""
    monkeypatch.setitem(heads.CHANNELS, "half", Channel(lambda label: (label > 0).float() / 2, is_binary=False))
    return Head(["foreground", "half"])


def test_the_foreground_is_where_an_instance_is():
    assert Head().derive_target(IDS).tolist() == [[[0.0, 1.0], [1.0, 0.0]]]
    assert Head().derive_target(IDS[None]).shape == (1, 1, 2, 2)


def test_every_channel_has_its_target(two):
    assert two.channels == ("foreground", "half")
    assert len(two) == 2
    target = two.derive_target(torch.stack([IDS, IDS * 0]))
    assert target.shape == (2, 2, 2, 2)
    assert target[0].tolist() == [[[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.5], [0.5, 0.0]]]


def test_only_binary_targets_are_rounded_after_a_resampling(two):
    resampled = torch.tensor([0.2, 0.5, 0.7]).expand(1, 2, 1, 3)
    assert two.round_target(resampled)[0, 0].tolist() == [[0.0, 1.0, 1.0]]
    torch.testing.assert_close(two.round_target(resampled)[0, 1], resampled[0, 1])


def test_the_mask_is_of_the_foreground_alone(two):
    maps = two.to_maps(torch.tensor([[[-1.0, 0.0, 1.0]], [[9.0, 9.0, 9.0]]]))
    assert two.to_mask(maps, 0.5).tolist() == [[[False, True, True]]]


def test_network_and_loss_take_as_many_channels(two):
    torch.manual_seed(0)
    logits = UNet([4, 8], stem_stride=2, channels=len(two))(torch.rand(3, 1, 16, 16))
    assert logits.shape == (3, 2, 16, 16)
    label = (torch.rand(3, 1, 16, 16) > 0.5).float()
    target, weight = two.derive_target(label), torch.ones(3, 1, 16, 16)
    for kind in ("bce", "dice_bce", "focal"):
        loss = SegmentationLoss(kind)
        whole = loss(logits, target)
        torch.testing.assert_close(loss(logits, torch.cat([target, weight], dim=1)), whole)
        foreground = loss(logits[:, :1], target[:, :1])
        torch.testing.assert_close(whole, foreground + SegmentationLoss("dice_bce")(logits[:, 1:], target[:, 1:]))


@pytest.mark.parametrize("channels", [[], ["cells"], ["half", "foreground"], ["foreground", "foreground"]], ids=str)
def test_other_names_are_refused(two, channels):
    with pytest.raises(
        SettingError, match=r"head: channels must be different ones of foreground, distance, half, foreground first"
    ):
        Head(channels)
