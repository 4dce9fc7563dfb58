"""A model in the place of a network: windows of any size, axes in any order, units that are settled once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from livecell_monai.bundle.foreign.description import Description
from livecell_monai.bundle.foreign.network import ForeignNetwork, run_model, settle_units
from livecell_monai.bundle.foreign.roles import Role, guess_roles
from livecell_monai.bundle.foreign.tensors import Sides, Tensor
from livecell_monai.errors import BundleError
from livecell_monai.network.onnx_model import OnnxModel
from livecell_monai.transforms.described import Step
from tests.support.foreign_models import make_model

PLANE = np.random.default_rng(0).uniform(size=(1, 20, 24)).astype(np.float32)
ANY = Sides((16, 16), (16, 16))


def describe(channels=("foreground",), axes="bcyx", sides=ANY, steps=(), is_unit=False):
    tensors = Tensor("raw", axes, ("grey",)), Tensor("maps", axes, channels, steps=steps, is_unit=is_unit)
    return Description("tiny", tensors[0], (tensors[1],), sides)


def load(*channels, **options):
    return OnnxModel(make_model(channels or [(1.0, 0.0)], **options), "a.onnx")


class TestRunModel:
    @pytest.mark.parametrize("sides", [ANY, Sides((64, 48), (0, 0)), Sides((1, 1), (1, 1))], ids=["steps", "fixed", "any"])
    def test_a_window_is_padded_to_what_the_model_takes(self, sides):
        shape = (1, 1, 64, 48) if sides.step == (0, 0) else (1, 1, "y", "x")
        found = run_model(load((2.0, 1.0), input_shape=shape), describe(sides=sides), PLANE)
        np.testing.assert_allclose(found, PLANE * 2 + 1, rtol=1e-6)

    def test_border_pixels_continue_beyond_the_window(self):
        found = run_model(load((np.full((3, 3), 1 / 9), 0.0)), describe(), np.ones((1, 17, 17), np.float32))
        assert found[0, 16, 16] == pytest.approx(1)  # zeros beyond would give less

    def test_axes_in_another_order(self):
        model = load((2.0, 0.0), (3.0, 1.0), input_shape=(1, "y", "x", 1), axes="byxc")
        found = run_model(model, describe(("", ""), axes="byxc"), PLANE)
        np.testing.assert_allclose(found, np.concatenate([PLANE * 2, PLANE * 3 + 1]), rtol=1e-6)

    def test_steps_after_the_network(self):
        steps = (Step("scale_linear", {"gain": 2.0}), Step("sigmoid"))
        found = run_model(load(), describe(steps=steps), PLANE)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-2 * PLANE)), rtol=1e-6)

    def test_outputs_that_are_not_as_described(self):
        with pytest.raises(
            BundleError, match=r"the output maps must have the shape 1 x 2 x 32 x 32 \(axes bcyx\) for a window"
        ):
            run_model(load(), describe(("", "")), PLANE)
        two = replace(describe(), outputs=describe().outputs * 2)
        with pytest.raises(BundleError, match="must have 2 outputs, the ONNX file has 1"):
            run_model(load(), two, PLANE)
        with pytest.raises(BundleError, match="the outputs must be finite numbers, some are not"):
            run_model(load(), describe(), np.full((1, 16, 16), np.nan, np.float32))


class TestSettleUnits:
    def of(self, model, description, role="foreground", unit=None):
        settled = settle_units(model, description, [Role(role, unit)], PLANE)
        return settled[0].unit

    def test_a_model_that_leaves_the_unit_range_gives_logits(self):
        assert self.of(load((8.0, -4.0)), describe()) == "logits"
        assert self.of(load(), describe()) == ""
        assert self.of(load((1.01, 0.0)), describe()) == ""  # a slight overshoot

    def test_or_a_distance_in_px(self):
        assert self.of(load((9.0, 0.0)), describe(), "distance") == "px"

    def test_what_is_stated_wins(self):
        far = load((8.0, -4.0))
        assert self.of(far, describe(), unit="") == ""
        assert guess_roles(describe(is_unit=True).outputs)[0].unit == ""
        assert self.of(load(), describe(), unit="logits") == "logits"
        cast = Step("ensure_dtype", {"dtype": "float32"})
        assert self.of(far, describe(steps=(Step("sigmoid"), cast))) == ""
        assert self.of(far, describe(steps=(cast,))) == "logits"
        assert self.of(load((8.0, -4.0), last="Sigmoid"), describe()) == ""


class TestForeignNetwork:
    def test_gives_logits_of_its_maps(self):
        network = ForeignNetwork(
            load((1.0, 0.0), (0.0, 0.25)), describe(("", "")), [Role("foreground", ""), Role("border", "")], 9
        )
        windows = torch.from_numpy(np.stack([PLANE, PLANE / 2]))
        logits = network(windows)
        expected = np.stack([np.concatenate([each, each * 0.75]) for each in (PLANE, PLANE / 2)])
        assert (logits.dtype, logits.shape) == (torch.float32, (2, 2, 20, 24))
        np.testing.assert_allclose(torch.sigmoid(logits), expected, atol=2e-6)

    def test_values_far_beyond_the_unit_range_are_an_error(self):
        network = ForeignNetwork(load((8.0, 0.0)), describe(("edge",)), [Role("foreground", "")], 9)
        with pytest.raises(
            BundleError, match=r"values of edge must be in \[0, 1\], got .* by model_outputs: foreground:logits"
        ):
            network(torch.from_numpy(PLANE[None]))
        ForeignNetwork(load((8.0, 0.0)), describe(), [Role("foreground", "logits")], 9)(torch.from_numpy(PLANE[None]))
