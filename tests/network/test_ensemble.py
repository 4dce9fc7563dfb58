"""An ensemble: the mean of its members' probabilities, by weights that are joined."""

import re

import pytest
import torch

from livecell_monai.errors import SettingError
from livecell_monai.network import Ensemble, UNet, build_network, fuse_batch_norms, join_weights

SETTINGS = {"filters": [4, 8], "stem_stride": 2}
IMAGE = torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(0))


def three_members():
    members = []
    for seed in range(3):
        torch.manual_seed(seed)
        members.append(UNet(**SETTINGS).eval())
    return members


def test_logits_are_those_of_the_mean_probability():
    members = three_members()
    with torch.no_grad():
        expected = torch.stack([torch.sigmoid(member(IMAGE)) for member in members]).mean(0)
        found = torch.sigmoid(Ensemble(members)(IMAGE))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(expected, torch.sigmoid(members[0](IMAGE)), atol=1e-3)  # the members differ


def test_members_that_are_sure_stay_finite():
    members = three_members()
    for member in members:
        torch.nn.init.constant_(member.output.bias, 1e4)
    assert torch.isfinite(Ensemble(members)(IMAGE)).all()


def test_joined_weights_fit_and_are_those_of_the_members():
    members = three_members()
    joined = build_network(3, **SETTINGS)
    joined.load_state_dict(join_weights([member.state_dict() for member in members]))
    with torch.no_grad():
        torch.testing.assert_close(joined.eval()(IMAGE), Ensemble(members)(IMAGE))


def test_batch_norms_of_every_member_are_folded():
    ensemble = Ensemble(three_members()).eval()
    with torch.no_grad():
        before = ensemble(IMAGE)
        folded = fuse_batch_norms(ensemble)
        torch.testing.assert_close(folded(IMAGE), before, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())


def test_one_member_is_the_network_itself():
    assert type(build_network(**SETTINGS)) is UNet
    assert build_network(2, **SETTINGS).multiple == UNet(**SETTINGS).multiple == 4


@pytest.mark.parametrize("members", [0, -1, 1.5, True, "2", None])
def test_refused(members):
    with pytest.raises(SettingError, match="setting ensemble_size must be a whole number of at least 1 and at most 64, got"):
        build_network(members, **SETTINGS)


@pytest.mark.parametrize(("members", "filters"), [(1, [8, 9007199254740993]), (1, [16, 32, 5445, 128]), (20, [8, 1000, 8])])
def test_a_network_that_no_memory_holds_is_refused(members, filters):
    words = f"filters must give an encoder of at most 67108864 weights, got {filters}"
    with pytest.raises(SettingError, match=re.escape(words)):
        build_network(members, filters=filters)
