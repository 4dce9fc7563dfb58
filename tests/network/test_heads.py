"""Names of maps, targets from labels of instance ids, masks from maps."""

import pytest
import torch

from livecell_monai.errors import SettingError
from livecell_monai.network import Head, SegmentationLoss, UNet, heads
from livecell_monai.network.heads import UNKNOWN, Channel

IDS = torch.tensor([[0.0, 3.0], [70_000.0, 0.0]])[None]


@pytest.fixture
def two(monkeypatch):
    """A head of two maps, the second one of a target between 0 and 1."""
    monkeypatch.setitem(heads.CHANNELS, "half", Channel(lambda label: (label > 0).float() / 2, (0.2, 0.6)))
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
    assert two.round_target(resampled.clone())[0, 0].tolist() == [[0.0, 1.0, 1.0]]
    torch.testing.assert_close(two.round_target(resampled.clone())[0, 1], resampled[0, 1])


def test_the_mask_is_of_the_foreground_alone(two):
    maps = two.to_maps(torch.tensor([[[-1.0, 0.0, 1.0]], [[9.0, 9.0, 9.0]], [[9.0, 9.0, 9.0]]]))
    assert two.to_mask(maps, 0.5).tolist() == [[[False, True, True]]]


def test_a_map_of_several_levels_is_the_mean_of_their_probabilities(two):
    assert two.outputs == ["foreground", "half of at least 0.2", "half of at least 0.6"]
    logits = torch.tensor([2.0, 1.0, -1.0]).reshape(3, 1, 1)
    torch.testing.assert_close(
        two.to_maps(logits).flatten(), torch.stack([logits[0].sigmoid(), torch.tensor([[0.5]])]).flatten()
    )
    target = torch.tensor([1.0, 0.5]).reshape(2, 1, 1)
    assert two.to_levels(target).flatten().tolist() == [1, 1, 0]
    assert two.to_levels(target, first=1).flatten().tolist() == [1, 0]


def test_network_and_loss_take_as_many_channels(two):
    torch.manual_seed(0)
    logits = UNet([4, 8], stem_stride=2, channels=len(two.outputs))(torch.rand(3, 1, 16, 16))
    assert logits.shape == (3, 3, 16, 16)
    label = (torch.rand(3, 1, 16, 16) > 0.5).float()
    target, weight = two.derive_target(label), torch.ones(3, 1, 16, 16)
    for kind in ("bce", "dice_bce", "focal"):
        loss = SegmentationLoss(kind, head=two)
        whole = loss(logits, target)
        torch.testing.assert_close(loss(logits, torch.cat([target, weight], dim=1)), whole)
        foreground = SegmentationLoss(kind)(logits[:, :1], target[:, :1])
        rows = slice(None, None, SegmentationLoss.ROWS)
        levels = [(target[:, 1:, rows] >= level).float() for level in (0.2, 0.6)]
        rest = [SegmentationLoss("dice_bce")(logits[:, at : at + 1, rows], levels[at - 1]) for at in (1, 2)]
        torch.testing.assert_close(whole, foreground + 2 * sum(rest) / 2)


def test_levels_of_the_distance_are_those_of_its_target():
    head = Head(["foreground", "distance"])
    label = torch.zeros(1, 1, 20, 20)
    label[..., 3:15, 3:15] = 5
    target = head.derive_target(label)
    maps = head.to_maps((head.to_levels(target) - 0.5) * 40)
    assert len(head.outputs) == 5
    assert ((maps[:, 1] - target[:, 1]).abs() < 0.3).all()


@pytest.mark.parametrize("channels", [[], ["cells"], ["half", "foreground"], ["foreground", "foreground"]], ids=str)
def test_other_names_are_refused(two, channels):
    with pytest.raises(
        SettingError, match=r"head: channels must be different ones of foreground, distance, half, foreground first"
    ):
        Head(channels)


def test_the_foreground_alone_is_that_of_all_maps(two):
    logits = torch.linspace(-3, 3, 12).reshape(3, 2, 2)
    assert torch.equal(two.to_foreground(logits), two.take_foreground(two.to_maps(logits)))


class TestNotAnnotated:
    """A cell that is annotated in full, and one that ends in pixels that are not annotated."""

    LABEL = torch.zeros(1, 9, 20)
    LABEL[0, 2:7, 2:7], LABEL[0, 2:7, 10:15], LABEL[0, :, 15:] = 1, 2, -1

    def test_the_foreground_is_unknown_there_and_the_distance_also_in_the_cut_cell(self):
        foreground, distance = Head(["foreground", "distance"]).derive_target(self.LABEL)
        label = self.LABEL[0]
        assert torch.equal(foreground == UNKNOWN, label < 0)
        assert torch.equal(foreground[label >= 0], (label[label >= 0] > 0).float())
        assert torch.equal(distance == UNKNOWN, (label < 0) | (label == 2))
        assert distance[4, 4] == 1
        assert (distance[label == 0] == 0).all()

    def test_a_mixture_with_unknown_pixels_stays_unknown(self):
        head = Head(["foreground", "distance"])
        mixed = torch.tensor([[[0.7, 0.3, 0.999 + 0.001 * UNKNOWN]], [[0.7, 0.3, 0.5 * UNKNOWN]]])
        rounded = head.round_target(mixed.clone())
        assert rounded[0].tolist() == [[1.0, 0.0, UNKNOWN]]
        assert torch.equal(rounded[1], mixed[1])

    def test_every_output_has_its_map(self):
        head = Head(["foreground", "distance"])
        target = torch.tensor([[[3.0]], [[4.0]]])
        assert head.repeat_levels(target).flatten().tolist() == [3.0, 4.0, 4.0, 4.0, 4.0]
        assert head.repeat_levels(target, first=1).flatten().tolist() == [4.0] * 4
