"""The setting `compile`: when the training network is compiled."""

import logging
import shutil

import pytest
import torch

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training import compiling
from livecell_monai.training.compiling import compile_network
from livecell_monai.training.weights import WeightAverage

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")


@pytest.fixture
def compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def is_compiled(network):
    return network._compiled_call_impl is not None


@pytest.mark.parametrize("setting", [True, False, "auto"])
def test_the_bundle_accepts_every_value(setting):
    opened = open_bundle(find_template(), ["inference", "train"], {"compile": setting}, workflow_type="train").settings
    assert opened["compile"] == setting


@pytest.mark.parametrize("setting", ["yes", 1, 0, None, "true", 1.0], ids=repr)
def test_any_other_value_is_rejected(setting):
    with pytest.raises(SettingError, match="setting compile must be true, false or auto, got ") as refusal:
        compile_network(UNet([4, 8]), Accelerator("cpu"), setting)
    assert repr(setting) in str(refusal.value)


@pytest.mark.parametrize(("setting", "expected"), [(True, True), (False, False), ("auto", False)])
def test_only_true_compiles(setting, expected, compiler):
    network, accelerator = UNet([4, 8]), Accelerator("cpu")
    assert compile_network(network, accelerator, setting) is expected
    assert is_compiled(network) is expected
    assert accelerator.compiled is expected
    assert ("compiled" in str(accelerator)) is expected


@pytest.mark.parametrize(("kind", "missing"), [("cpu", "the C++ compiler no-such-compiler"), ("cuda", "Triton")])
def test_without_a_compiler_one_warning_and_no_compilation(kind, missing, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    network, accelerator = UNet([4, 8]), Accelerator("cpu")
    accelerator.device = torch.device(kind)
    with caplog.at_level(logging.WARNING):
        assert compile_network(network, accelerator, True) is False
    (record,) = caplog.records
    assert f"{missing} is missing: training runs without torch.compile" in record.getMessage()
    assert not is_compiled(network)
    assert not accelerator.compiled


def test_weights_keep_their_names_and_the_average_is_not_compiled(compiler):
    network = UNet([4, 8])
    names = list(network.state_dict())
    average = WeightAverage(network)
    compile_network(network, Accelerator("cpu"), True)
    assert list(network.state_dict()) == names
    assert not is_compiled(average.network)
    average.update()


@needs_compiler
@pytest.mark.slow
def test_a_compiled_network_gives_the_same_logits():
    plain, compiled = UNet([4, 8]), UNet([4, 8])
    compiled.load_state_dict(plain.state_dict())
    assert compile_network(compiled, Accelerator("cpu-fp32"), True)
    image = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(compiled.eval()(image), plain.eval()(image), atol=1e-4, rtol=1e-4)
