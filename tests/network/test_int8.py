"""The network in integers: the same network where nothing is rounded, and rounded as it says where something is."""

import copy

import pytest
import torch
from torch import nn

from livecell_monai.network import Ensemble, UNet, fuse_batch_norms, measure_ranges
from livecell_monai.network.accelerator import read_capabilities
from livecell_monai.network.int8 import build_model, compile_model
from livecell_monai.network.map_ranges import is_rounded, step_of
from livecell_monai.prediction.backends import EXACT
from tests.network.test_unet import WORLDS, as_trained
from tests.support.fresh import run_python

WIDE = {"filters": [8, 24, 48], "residual": True, "stem_stride": 2}
NEEDS_EXACT = pytest.mark.skipif(
    not any(read_capabilities().get(name) for name in EXACT),
    reason="products of 8 bits may overflow on this processor",
)


def ready(seed=0, **world):
    torch.manual_seed(seed)
    return fuse_batch_norms(as_trained(UNet(**world)))


def compiled(network, ranges=None):
    request = compile_model(build_model(network, ranges or {}), threads=1)
    return lambda image: torch.from_numpy(request.infer({0: image.numpy()})[0])


def rounding(network, ranges):
    """A slow reference in torch: the same rounding, then plain arithmetic."""
    slow = copy.deepcopy(network)
    for name, module in slow.named_modules():
        if not is_rounded(module):
            continue
        steps = module.weight.abs().amax([1, 2, 3]) / 127
        zeros = torch.zeros_like(steps, dtype=torch.int32)
        module.weight.data = torch.fake_quantize_per_channel_affine(module.weight, steps, zeros, 0, -127, 127)
        low, step = step_of(ranges[name])

        def enter(module, given, low=low, step=step):
            return (torch.fake_quantize_per_tensor_affine(given[0], step, round(-low / step), 0, 255),)

        module.register_forward_pre_hook(enter)
    return slow


@pytest.mark.parametrize("world", [*WORLDS[::4], *WORLDS[-4:]], ids=lambda world: "-".join(map(str, world.values())))
@torch.no_grad()
def test_the_same_logits_where_nothing_is_rounded(world):
    network = ready(**world)
    image = torch.randn(2, 1, 2 * network.multiple, 3 * network.multiple)
    assert not any(map(is_rounded, network.modules()))
    torch.testing.assert_close(compiled(network)(image), network(image), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_one_model_takes_images_of_any_size():
    network = ready(**WORLDS[0])
    run = compiled(network)
    for rows, columns in ((1, 1), (3, 2), (2, 5)):
        image = torch.randn(1, 1, rows * network.multiple, columns * network.multiple)
        torch.testing.assert_close(run(image), network(image), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_an_ensemble_averages_probabilities():
    ensemble = Ensemble([ready(seed, filters=[4, 8]) for seed in (0, 1)]).eval()
    image = torch.randn(1, 1, 32, 48)
    found = compiled(ensemble)(image)
    torch.testing.assert_close(found, ensemble(image), atol=1e-4, rtol=1e-4)
    assert (found - ensemble.members[0](image)).abs().max() > 0.1


@NEEDS_EXACT
@pytest.mark.parametrize(
    ("more", "share"), [({}, 0.2), ({"residual": False}, 0.2), ({"down": "strided"}, 0.2), ({"norm": "instance"}, 0.75)]
)
@torch.no_grad()
def test_rounds_weights_by_channel_and_maps_by_their_ranges(more, share):
    network = ready(**{**WIDE, **more})
    image = torch.randn(2, 1, 96, 128)
    ranges = measure_ranges(network, lambda: network(image))
    assert len(ranges) >= 5
    plain, slow, found = network(image), rounding(network, ranges)(image), compiled(network, ranges)(image)
    harm = (slow - plain).square().mean().sqrt()
    assert 1e-4 * plain.std() < harm < 0.05 * plain.std()
    # a value half way between two steps may fall on either side; norms of small maps make more of that
    assert (found - slow).square().mean().sqrt() < share * harm


@NEEDS_EXACT
@torch.no_grad()
def test_integers_are_what_it_runs_in():
    network = ready(**WIDE)
    ranges = measure_ranges(network, lambda: network(torch.randn(1, 1, 96, 128)))
    model = compile_model(build_model(network, ranges), threads=1).get_compiled_model()
    told = [node.get_rt_info() for node in model.get_runtime_model().get_ops()]
    assert sum(one["runtimePrecision"].astype(str) == "u8" for one in told) == len(ranges)


def test_a_range_that_is_missing():
    network = ready(**WIDE)
    with pytest.raises(KeyError, match=r"body\.1"):
        build_model(network, {})


def test_a_part_that_has_no_node():
    network = ready(filters=[4, 8])
    network.shuffle = nn.Sigmoid()
    with pytest.raises(TypeError, match="Sigmoid must be a module that has a node"):
        build_model(network, {})


RELEASED_AND_INTERRUPTED = """
import os, signal
import torch
from livecell_monai.network import UNet, fuse_batch_norms
from livecell_monai.network.int8 import build_model, compile_model

model = build_model(fuse_batch_norms(UNet([4, 8]).eval()), {})
first, second = compile_model(model, 1), compile_model(model, 1)
del first
third = compile_model(model, 1)
del second, third
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow
def test_an_interruption_after_several_models_does_not_crash_the_process():
    """Several cores of OpenVINO free the stack that signal handlers run on."""
    done = run_python("-c", RELEASED_AND_INTERRUPTED)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done
