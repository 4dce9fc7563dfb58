"""Rejects missing, damaged, foreign and malicious weights in one line."""

import json
import os
import pickle
from contextlib import suppress

import pytest
import torch
from safetensors.torch import save

from livecell_monai.bundle.weights import HASH, load_weights, read_weights, write_weights
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError
from livecell_monai.network import UNet


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    write_weights(UNet([4, 8]).state_dict(), tmp_path)
    return tmp_path / "model.safetensors"


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def refuse(network, path, reason):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(BundleError, match=reason) as refusal:
        load_weights(network, path)
    assert "\n" not in str(refusal.value)
    assert str(path.with_suffix("")) in str(refusal.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_loads_in_place(path):
    network = UNet([4, 8])
    expected = torch.load(path.with_suffix(".pt"), weights_only=True)
    assert not all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert load_weights(network, path) is network
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_missing(tmp_path):
    refuse(UNet([4, 8]), tmp_path / "model.safetensors", r"must have weights, found none; train first")


def test_another_format(path):
    refuse(UNet([4, 8]), path.with_suffix(".pt"), r"the weights must be a .safetensors file, .* does not unpickle weights")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse(UNet([4, 8]), path, "the weights must be readable, got: .+; copy them again")


@pytest.mark.parametrize(
    "content", [b"not weights at all", b"PK\x03\x04", b"\x00" * 5000], ids=["text", "zip head", "zeros"]
)
def test_rejects_files_without_weights(path, content):
    path.write_bytes(content)
    refuse(UNet([4, 8]), path, "the weights must be readable")


@pytest.mark.parametrize(
    "network",
    [UNet([4, 8, 16]), UNet([4, 16]), UNet([4, 8], residual=True), UNet([4, 8], stem_stride=2)],
    ids=["levels", "filters", "residual", "stem"],
)
def test_rejects_weights_of_another_network(path, network):
    with pytest.raises(BundleError, match=r"must fit the network of configs/settings.yaml") as refusal:
        load_weights(network, path)
    assert "\n" not in str(refusal.value)


def test_rejects_other_tensors(path):
    path.write_bytes(save({"a": torch.zeros(3)}))
    refuse(UNet([4, 8]), path, "must fit the network")


@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, protocol=2))])
def test_code_in_the_file_is_not_run(tmp_path, path, write):
    canary = tmp_path / "canary"
    write({"output.weight": Canary(canary)}, path)
    refuse(UNet([4, 8]), path, "the weights must be readable, got: .+; copy them again")
    assert not canary.exists()
    with suppress(RuntimeError):  # a careless reader runs it, and then finds that there are no weights
        torch.load(path.rename(tmp_path / "careless.pt"), weights_only=False)
    assert canary.exists()


class TestOfABundle:
    """Weights with metadata that have their hash."""

    @pytest.fixture
    def bundle(self, tmp_path):
        torch.manual_seed(1)
        root = tmp_path / "bundle"
        (root / "configs").mkdir(parents=True)
        self.note(root, write_weights(UNet([4, 8]).state_dict(), root / "models"))
        return root

    @pytest.fixture
    def weights(self, bundle):
        return bundle / "models" / "model.safetensors"

    def note(self, bundle, hashes):
        (bundle / "configs" / "metadata.json").write_text(json.dumps({"training": hashes}))

    def test_both_files_hold_the_same_bits(self, bundle, weights):
        plain, ours = read_weights(weights), torch.load(bundle / "models" / "model.pt", weights_only=True)
        assert plain.keys() == ours.keys()
        assert all(torch.equal(value, ours[name]) and value.dtype == ours[name].dtype for name, value in plain.items())

    def test_no_pickle_is_read(self, weights, monkeypatch):
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read a pickle"))
        load_weights(UNet([4, 8]), weights)

    def test_rejects_an_exchanged_file(self, bundle, weights):
        before = hash_file(weights)
        torch.manual_seed(2)
        write_weights(UNet([4, 8]).state_dict(), bundle / "models")
        assert hash_file(weights) != before
        refuse(UNet([4, 8]), weights, rf"the weights must have the SHA-256 .* \({before[:12]}")

    def test_rejects_weights_without_a_hash_in_the_metadata(self, bundle, weights):
        self.note(bundle, {})
        refuse(UNet([4, 8]), weights, r"the weights must have .* \(none\)")

    @pytest.mark.parametrize("text", ["{", "[]", '{"training": 3}'])
    def test_rejects_invalid_metadata(self, bundle, weights, text):
        (bundle / "configs" / "metadata.json").write_text(text)
        with pytest.raises(BundleError, match="metadata"):
            load_weights(UNet([4, 8]), weights)

    def test_a_file_many_times_as_large_as_the_network(self, weights):
        with open(weights, "ab") as stream:
            stream.write(bytes(2**21))
        refuse(UNet([4, 8]), weights, r"they have [\d,]+ bytes, it takes at most [\d,]+; restore")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"abc",
            b"\xff" * 100,
            (5).to_bytes(8, "little") + b"[1,2]" + b"x" * 50,
            (2**60).to_bytes(8, "little") + b"{}",
        ],
    )
    def test_rejects_invalid_safetensors(self, bundle, weights, content):
        weights.write_bytes(content)
        self.note(bundle, {HASH: hash_file(weights)})
        refuse(UNet([4, 8]), weights, "the weights must be readable, got: .+; copy")

    def test_rejects_a_symbolic_link(self, bundle, weights):
        weights.rename(bundle / "away")
        weights.symlink_to(bundle / "away")
        refuse(UNet([4, 8]), weights, "this is a symbolic link")
