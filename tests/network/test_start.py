"""A start on disk, what it fits, and how it gets into a network with other maps."""

import hashlib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from livecell_monai.errors import DataError
from livecell_monai.network import Head, UNet
from livecell_monai.network import start as module
from livecell_monai.network.start import (
    SHAPE,
    Start,
    explain_mismatch,
    find_shipped_start,
    load_start,
    read_start,
    read_start_file,
    write_start,
)
from tests.support.starts import MAPS, NETWORK, make_start

SETTINGS = {**NETWORK, "maps": MAPS, "normalise": True}
FACTS = {"seen": "made-up cells", "seconds": "3"}


@pytest.fixture
def start():
    return make_start()


@pytest.fixture
def path(start, tmp_path):
    write_start(tmp_path / "start.safetensors", start, FACTS)
    return tmp_path / "start.safetensors"


class TestFile:
    def test_keeps_weights_in_half_precision_and_gives_float32(self, start, path):
        found = read_start(path)
        assert replace(found, weights={}) == replace(start, weights={})
        assert found.weights.keys() == start.weights.keys()
        for name, tensor in start.weights.items():
            assert found.weights[name].dtype == tensor.dtype
            assert torch.equal(found.weights[name], tensor.half().float() if tensor.is_floating_point() else tensor)
        size = sum(tensor.numel() for tensor in start.weights.values())
        assert path.stat().st_size < 2 * size + 20_000

    def test_has_hash_and_facts(self, path):
        found = read_start_file(path)
        assert (found.sha256, found.facts) == (hashlib.sha256(path.read_bytes()).hexdigest(), FACTS)

    def test_the_same_start_gives_the_same_bytes(self, start, path, tmp_path):
        for number in range(5):
            write_start(tmp_path / f"{number}.safetensors", start, dict(reversed(FACTS.items())))
            assert (tmp_path / f"{number}.safetensors").read_bytes() == path.read_bytes()

    def test_reading_draws_no_random_numbers(self, path):
        before = torch.get_rng_state()
        read_start(path)
        assert torch.equal(before, torch.get_rng_state())


class TestRejected:
    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda content: content[:-7], "got: "),
            (lambda content: content[:100], "got: "),
            (lambda content: b"", "got: "),
            (lambda content: content.replace(b"diameter", b"diametre"), "got: 'diameter'"),
            (lambda content: content.replace(b"convolutions", b"convulutions"), "got: .*convulutions"),
            (lambda content: content.replace(b'"diameter":"4', b'"diameter":"-'), "got: a diameter of -0"),
            (lambda content: content.replace(b"[4, 8]", b"[8, 8]"), "got: Error"),
            (lambda content: content.replace(b"foreground", b"forefround"), "got: head: channels must be"),
        ],
    )
    def test_a_spoilt_file_is_one_line(self, path, spoil, words):
        content = path.read_bytes()
        assert spoil(content) != content
        path.write_bytes(spoil(content))
        with pytest.raises(DataError, match=f"^{path}: a start must be a file .*{words}.*; copy it again$"):
            read_start(path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match=r"got: .*No such file"):
            read_start(tmp_path / "none.safetensors")

    def test_another_safetensors_file(self, start, tmp_path):
        save_file(start.weights, tmp_path / "model.safetensors")
        with pytest.raises(DataError, match="got: weights that do not say which network they are for"):
            read_start(tmp_path / "model.safetensors")

    def test_a_large_file_is_not_read(self, path, monkeypatch):
        monkeypatch.setattr(module, "MAX_BYTES", 1000)
        with pytest.raises(DataError, match="bytes, at most 1,000 are allowed"):
            read_start(path)

    def test_weights_that_half_precision_cannot_hold(self, start, tmp_path):
        start.weights["output.bias"][0] = 1e6
        with pytest.raises(ValueError, match=r"must be finite in half precision, output.bias is not"):
            write_start(tmp_path / "start.safetensors", start, {})
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", SHAPE)
    def test_a_network_that_is_not_named(self, start, tmp_path, name):
        network = {key: value for key, value in start.network.items() if key != name}
        with pytest.raises(ValueError, match=f"must name its network, {name} missing"):
            write_start(tmp_path / "start.safetensors", replace(start, network=network), {})

    def test_weights_of_another_network(self, start, tmp_path):
        with pytest.raises(ValueError, match="must be those of its network"):
            write_start(tmp_path / "start.safetensors", replace(start, head=["foreground"]), {})


class TestFit:
    def test_the_same_network(self, start):
        assert explain_mismatch(start, SETTINGS) is None

    @pytest.mark.parametrize("maps", [["foreground"], MAPS])
    def test_maps_that_the_start_has(self, start, maps):
        assert explain_mismatch(start, {**SETTINGS, "maps": maps}) is None

    def test_maps_that_it_lacks(self):
        found = explain_mismatch(make_start(["foreground"]), SETTINGS)
        assert found == "maps has distance, which the start lacks"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("filters", [4, 8, 8]),
            ("convolutions", 1),
            ("down", "strided"),
            ("residual", False),
            ("stem_stride", 4),
            ("norm", "instance"),
        ],
    )
    def test_another_network(self, start, name, value):
        found = explain_mismatch(start, {**SETTINGS, name: value})
        assert found is not None
        assert found.startswith(f"{name} is ")

    def test_dropout_has_no_weights(self, start):
        assert explain_mismatch(start, {**SETTINGS, "dropout": 0.7}) is None

    @pytest.mark.parametrize("maps", [["foreground"], MAPS])
    def test_the_network_predicts_the_maps_of_the_start(self, start, maps):
        """The last layer has the rows of the network's own outputs, of each pixel of the stem."""
        network = UNet(**NETWORK, channels=len(Head(maps).outputs)).eval()
        whole = UNet(**NETWORK, channels=len(Head(MAPS).outputs)).eval()
        whole.load_state_dict(start.weights)
        image = torch.randn(2, 1, 16, 24)
        expected = whole(image)[:, : len(Head(maps).outputs)]
        assert not torch.allclose(network(image), expected, atol=1e-2)
        assert load_start(network, maps, start) is network
        assert torch.allclose(network(image), expected, atol=1e-6)


def test_the_shipped_start_is_found_in_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    assert find_shipped_start() is None
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "start.safetensors").write_bytes(b"")
    assert find_shipped_start() == tmp_path / "weights" / "start.safetensors"


def test_the_start_of_this_checkout_is_small_and_fits_the_plan():
    """At most 5 MB, and a network for the settings that trainings have by default."""
    from livecell_monai.settings import list_settings

    path = find_shipped_start()
    if path is None:
        pytest.skip("a checkout without a start")
    assert path.stat().st_size <= 5_000_000
    start = read_start(path)
    assert isinstance(start, Start)
    assert explain_mismatch(start, {**list_settings(["inference"]), "maps": MAPS}) is None
