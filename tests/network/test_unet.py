"""Sizes, skips and dropout of every U-Net that the settings allow, ensembles, and fused batch norms."""

import copy
import re
from itertools import product

import pytest
import torch
from monai.networks.layers import SkipConnection
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.network import Ensemble, UNet, build_network, fuse_batch_norms, join_weights

WORLDS = [
    {"filters": filters, "down": down, "residual": residual, "stem_stride": stem_stride, "convolutions": convolutions}
    for filters, down, residual, stem_stride, convolutions in product(
        ([4, 8], [4, 6, 8], [2, 4, 6, 8]), ("max", "strided"), (False, True), (1, 2, 4), (1, 2, 3)
    )
]
WORLDS += [{**WORLDS[index], "norm": "instance"} for index in (0, 7, 26, -1)]
# every fifth has each value of each setting
every_network = pytest.mark.parametrize(
    "world",
    [pytest.param(world, marks=[pytest.mark.slow] if index % 5 else []) for index, world in enumerate(WORLDS)],
    ids=lambda world: "-".join(map(str, world.values())),
)


def blocks(network):
    """(encoders, decoders) of every level, found by the skip connection between them."""
    encoders, decoders = [], []
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], SkipConnection):
            encoders.append(module[0])
            decoders.append(module[2])
    return encoders, decoders


def dropouts(module):
    return [part for part in module.modules() if isinstance(part, nn.modules.dropout._DropoutNd)]


@every_network
def test_logits_have_the_size_of_the_image(world):
    network = UNet(**world).eval()
    halved = world["stem_stride"] * 2 ** (len(world["filters"]) - 1)
    assert network.multiple == (2 * halved if "norm" in world else halved)  # a norm of one pixel would have no statistics
    for rows, columns in ((1, 1), (2, 3), (5, 2)):
        image = torch.rand(2, 1, rows * network.multiple, columns * network.multiple)
        with torch.no_grad():
            assert network(image).shape == image.shape


@every_network
def test_every_parameter_learns(world):
    network = UNet(**world)
    network(torch.rand(2, 1, 4 * network.multiple, 3 * network.multiple)).square().mean().backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert without == []


def test_multiple_is_the_least_that_works():
    network = UNet([4, 8, 8], stem_stride=2).eval()
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        network(torch.rand(1, 1, network.multiple // 2 * 3, network.multiple))


@every_network
def test_dropout_is_in_every_decoder_and_nowhere_else(world):
    network = UNet(**world, dropout=0.25)
    _, decoders = blocks(network)
    assert len(decoders) == len(world["filters"]) - 1
    inside = [part for decoder in decoders for part in dropouts(decoder)]
    assert len(inside) == world["convolutions"] * len(decoders)
    assert {part.p for part in inside} == {0.25}
    assert set(map(id, dropouts(network))) == set(map(id, inside))
    assert dropouts(UNet(**world, dropout=0.0)) == []


def test_dropout_changes_what_the_decoder_gives_but_not_the_encoder():
    torch.manual_seed(0)
    network = UNet([16, 8], dropout=0.5)
    encoders, decoders = blocks(network)
    seen = {"encoder": [], "decoder": []}
    for name, module in (("encoder", encoders[0]), ("decoder", decoders[0])):
        module.register_forward_hook(lambda _, __, output, name=name: seen[name].append(output.detach()))
    image = torch.rand(1, 1, 16, 24)
    for _ in range(2):
        network(image)
    assert torch.equal(*seen["encoder"])
    assert not torch.equal(*seen["decoder"])


@pytest.mark.parametrize("stem_stride", [1, 2, 4])
def test_fine_detail_goes_by_the_skips(stem_stride):
    """With everything below the finest skip cut off, single pixels still reach the output."""
    torch.manual_seed(0)
    network = UNet([4, 8, 8], stem_stride=stem_stride).eval()
    finest = next(module for module in network.modules() if isinstance(module, SkipConnection))
    image = torch.rand(1, 1, 64, 96)
    speck = image.clone()
    speck[0, 0, 9, 21] += 1

    with torch.no_grad():
        whole = network(image)
        finest.submodule.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
        by_skip, with_speck = network(image), network(speck)
    assert not torch.equal(whole, by_skip)  # the coarse path had a say
    changed = (with_speck - by_skip).abs()[0, 0] > 1e-7
    assert changed[9, 21]
    assert changed.sum() < 100 * stem_stride**2  # and what is left sees the neighbourhood only


@pytest.mark.parametrize(("norm", "is_alone"), [("batch", False), ("instance", True)])
def test_what_an_image_gives_hangs_on_the_others_of_its_batch_only_with_batch_norm(norm, is_alone):
    torch.manual_seed(0)
    network, images = UNet([4, 8], norm=norm, dropout=0.0), torch.rand(3, 1, 16, 24)
    both, one = network(images)[:1], network(images[:1])
    assert torch.allclose(both, one, atol=1e-5) is is_alone


@torch.no_grad()
def test_instance_norm_takes_its_window_as_it_is():
    """With more contrast the logits stay, and a part of an image gives others by itself than within the whole."""
    torch.manual_seed(0)
    image = torch.rand(1, 1, 32, 48)
    instance, batch = (UNet([4, 8], norm=norm).eval() for norm in ("instance", "batch"))
    torch.testing.assert_close(instance(3 * image), instance(image), atol=1e-3, rtol=1e-3)
    assert (batch(3 * image) - batch(image)).abs().max() > 5e-3
    assert (instance(image)[..., :16] - instance(image[..., :32])[..., :16]).abs().max() > 1e-3
    torch.testing.assert_close(batch(image)[..., :8], batch(image[..., :32])[..., :8])


def test_coarse_path_sees_far():
    network = UNet([4, 8, 8, 8]).eval()
    image = torch.rand(1, 1, 32, 48, requires_grad=True)
    network(image)[0, 0, 16, 24].backward()
    rows, columns = torch.nonzero(image.grad[0, 0], as_tuple=True)
    assert rows.max() - rows.min() > 20
    assert columns.max() - columns.min() > 20


def test_network_of_the_report():
    # Ronneberger's own has 31.03 million parameters; bias-free convolutions with batch norm give as many
    with torch.device("meta"):
        network = UNet([64, 128, 256, 512, 1024], residual=False, dropout=0.3)
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(31.04e6, rel=1e-3)
    assert network.multiple == 16


@pytest.mark.parametrize("world", [WORLDS[0], WORLDS[-1]], ids=["plain", "residual"])
def test_scripts_to_the_same_function(world):
    network = UNet(**world).eval()
    image = torch.rand(1, 1, 2 * network.multiple, 3 * network.multiple)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("filters", [4], "2 to 12 whole numbers from 1 to 8,192"),
        ("filters", [], "2 to 12 whole numbers from 1 to 8,192"),
        ("filters", [4, 0], "2 to 12 whole numbers from 1 to 8,192"),
        ("convolutions", 0, "a whole number of at least 1 and at most 16"),
        ("down", "avg", "max or strided"),
        ("dropout", 1.0, "a number of at least 0 and below 1"),
        ("dropout", -0.1, "a number of at least 0 and below 1"),
        ("stem_stride", 3, "1, 2 or 4"),
        ("norm", "layer", "batch or instance"),
    ],
)
def test_refuses_what_makes_no_network(setting, value, rule):
    with pytest.raises(SettingError, match=f"setting {setting} must be {rule}, got ") as refusal:
        UNet(**{setting: value})
    assert repr(value) in str(refusal.value)


def as_trained(network):
    """The network in evaluation mode, its batch norms as a training leaves them, far from doing nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in batch_norms(network):
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.uniform_(-0.5, 0.5, generator=generator)
            norm.running_mean.uniform_(-0.5, 0.5, generator=generator)
            norm.running_var.uniform_(0.2, 1.5, generator=generator)
    return network.eval()


def batch_norms(network):
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.fixture
def small():
    torch.manual_seed(0)
    return as_trained(UNet([4, 8]))


@every_network
@torch.no_grad()
def test_gives_the_same_logits_without_a_batch_norm(world):
    torch.manual_seed(0)
    network = UNet(**world)
    image = torch.randn(2, 1, 2 * network.multiple, 3 * network.multiple)
    fresh = network.eval()(image)
    before = as_trained(network)(image)
    if "norm" in world:  # instance norms are left alone
        assert torch.equal(before, fresh)
    else:
        assert (before - fresh).abs().max() > 1e-2  # the batch norms have a say
        assert len(batch_norms(network)) >= len(world["filters"])
    folded = fuse_batch_norms(network)
    assert batch_norms(folded) == []
    torch.testing.assert_close(folded(image), before, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_folding_that_forgets_the_statistics_would_be_noticed(small):
    image = torch.randn(1, 1, 16, 24)
    before = small(image)
    for part in small.modules():
        if hasattr(part, "N"):
            part.N = nn.Identity()
    assert (small(image) - before).abs().max() > 1e-2


def test_changes_the_network_in_place(small):
    assert fuse_batch_norms(small) is small


@torch.no_grad()
def test_folding_again_changes_nothing(small):
    image = torch.randn(1, 1, 16, 24)
    once = fuse_batch_norms(small)(image)
    assert torch.equal(fuse_batch_norms(small)(image), once)


@torch.no_grad()
def test_keeps_channels_last(small):
    image = torch.randn(1, 1, 16, 24)
    before = small(image)
    folded = fuse_batch_norms(small.to(memory_format=torch.channels_last))
    torch.testing.assert_close(folded(image.contiguous(memory_format=torch.channels_last)), before, atol=1e-4, rtol=1e-4)
    wide = [part for part in folded.modules() if isinstance(part, nn.Conv2d) and part.weight.shape[1] > 1]
    assert all(part.weight.is_contiguous(memory_format=torch.channels_last) for part in wide)


def test_a_network_in_training_mode_is_refused_and_left(small):
    before = copy.deepcopy(small.train().state_dict())
    with pytest.raises(ValueError, match=r"must be in evaluation mode .* got one in training mode"):
        fuse_batch_norms(small)
    assert len(batch_norms(small)) > 0
    assert all(torch.equal(before[name], value) for name, value in small.state_dict().items())


def test_the_state_no_longer_fits(small):
    state = copy.deepcopy(small.state_dict())
    small.load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        fuse_batch_norms(small).load_state_dict(state)


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
