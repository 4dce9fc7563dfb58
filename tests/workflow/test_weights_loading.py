"""Weights that are missing, torn, of another network or of an attacker are refused in one line."""

import os
import pickle
import zipfile
from contextlib import suppress

import pytest
import torch

from livecell_monai.errors import BundleError
from livecell_monai.network import UNet
from livecell_monai.workflow import load_weights


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    torch.save(UNet([4, 8]).state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


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
    assert str(path) in str(refusal.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_loads_in_place(path):
    network = UNet([4, 8])
    expected = torch.load(path, weights_only=True)
    assert not all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert load_weights(network, path) is network
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_missing(tmp_path):
    refuse(UNet([4, 8]), tmp_path / "model.pt", "must have weights, found none; train first")
    refuse(UNet([4, 8]), tmp_path, "must have weights, found none; train first")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse(UNet([4, 8]), path, "the weights must be readable, got: .+; copy them again")


@pytest.mark.parametrize(
    "content", [b"not weights at all", b"PK\x03\x04", b"\x00" * 5000], ids=["text", "zip head", "zeros"]
)
def test_no_weights_at_all(path, content):
    path.write_bytes(content)
    refuse(UNet([4, 8]), path, "the weights must be readable")


def test_damaged_inside(path):
    with zipfile.ZipFile(path) as archive:
        first = min(info.header_offset for info in archive.infolist() if "/data/" in info.filename)
    content = bytearray(path.read_bytes())
    content[first : first + 30] = b"\xff" * 30
    path.write_bytes(bytes(content))
    refuse(UNet([4, 8]), path, "the weights must be readable")


@pytest.mark.parametrize(
    "network",
    [UNet([4, 8, 16]), UNet([4, 16]), UNet([4, 8], residual=True), UNet([4, 8], stem_stride=2)],
    ids=["levels", "filters", "residual", "stem"],
)
def test_of_another_network(path, network):
    with pytest.raises(BundleError, match="must fit the network of configs/inference") as refusal:
        load_weights(network, path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [{"model": {}}, [1, 2], torch.zeros(3), {"a": torch.zeros(3)}, None], ids=str)
def test_of_something_else(path, content):
    torch.save(content, path)
    refuse(UNet([4, 8]), path, "must fit the network")


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, protocol=2))])
def test_code_in_the_file_is_not_run(tmp_path, path, save):
    canary = tmp_path / "canary"
    save({"output.weight": Canary(canary)}, path)
    refuse(UNet([4, 8]), path, "the weights must be readable")
    assert not canary.exists()
    with suppress(RuntimeError):  # a careless reader runs it, and then finds that there are no weights
        torch.load(path, weights_only=False)
    assert canary.exists()
