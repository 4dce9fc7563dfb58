"""Weights that are missing, torn, of another network or of an attacker are refused in one line."""

import json
import os
import pickle
import zipfile
from contextlib import suppress

import pytest
import torch

from livecell_monai.bundle.weights import HASHES, load_weights, read_state, read_weights, save_weights, write_plain_weights
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError
from livecell_monai.network import UNet


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
    assert str(path.with_suffix("")) in str(refusal.value)
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
    refuse(
        UNet([4, 8]), path, "the weights must be readable, got: (a call of posix.mkdir|no archive as torch.save writes it)"
    )
    assert not canary.exists()
    with suppress(RuntimeError):  # a careless reader runs it, and then finds that there are no weights
        torch.load(path, weights_only=False)
    assert canary.exists()


class TestOfABundle:
    """Weights beside metadata, which say what their hashes must be."""

    @pytest.fixture
    def bundle(self, tmp_path):
        torch.manual_seed(1)
        root = tmp_path / "bundle"
        for part in ("models", "configs"):
            (root / part).mkdir(parents=True)
        save_weights(UNet([4, 8]).state_dict(), root / "models" / "model.pt")
        self.note(root, write_plain_weights(root / "models"))
        return root

    def note(self, bundle, hashes):
        (bundle / "configs" / "metadata.json").write_text(json.dumps({"training": hashes}))

    def test_both_files_hold_the_same_bits(self, bundle):
        plain, ours = (read_state(bundle / "models" / name) for name in ("model.safetensors", "model.pt"))
        assert plain.keys() == ours.keys()
        assert all(torch.equal(value, ours[name]) and value.dtype == ours[name].dtype for name, value in plain.items())

    def test_no_pickle_is_read_where_there_are_plain_weights(self, bundle, monkeypatch):
        path, calls = bundle / "models" / "model.pt", []
        read = torch.load
        monkeypatch.setattr(torch, "load", lambda *given, **named: calls.append(given) or read(*given, **named))
        load_weights(UNet([4, 8]), path)
        assert calls == []
        (bundle / "models" / "model.safetensors").unlink()
        load_weights(UNet([4, 8]), path)
        assert len(calls) == 1

    @pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
    def test_another_file_in_its_place(self, bundle, name):
        other = bundle.parent / "other"
        other.mkdir()
        torch.manual_seed(2)
        save_weights(UNet([4, 8]).state_dict(), other / "model.pt")
        write_plain_weights(other)
        before = hash_file(bundle / "models" / name)
        (other / name).replace(bundle / "models" / name)
        assert hash_file(bundle / "models" / name) != before
        refuse(
            UNet([4, 8]), bundle / "models" / "model.pt", rf"{name}: the weights must have the SHA-256 .* \({before[:12]}"
        )

    @pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
    def test_a_hash_that_nobody_noted(self, bundle, name):
        hashes = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]
        del hashes[HASHES[name]]
        self.note(bundle, hashes)
        refuse(UNet([4, 8]), bundle / "models" / "model.pt", rf"{name}: the weights must have .* notes \(nothing\)")

    @pytest.mark.parametrize("text", ["{", "[]", '{"training": 3}'])
    def test_metadata_that_are_none(self, bundle, text):
        (bundle / "configs" / "metadata.json").write_text(text)
        with pytest.raises(BundleError, match="metadata"):
            load_weights(UNet([4, 8]), bundle / "models" / "model.pt")

    def test_weights_of_a_version_that_wrote_one_file(self, bundle):
        (bundle / "models" / "model.safetensors").unlink()
        self.note(bundle, {"weights_sha256": hash_file(bundle / "models" / "model.pt")})
        assert read_weights(bundle / "models" / "model.pt").keys() == UNet([4, 8]).state_dict().keys()

    def test_a_file_many_times_as_large_as_the_network(self, bundle):
        with open(bundle / "models" / "model.pt", "ab") as stream:
            stream.write(bytes(2**21))
        refuse(UNet([4, 8]), bundle / "models" / "model.pt", r"they have [\d,]+ bytes, it takes at most [\d,]+; restore")

    @pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 100, (5).to_bytes(8, "little") + b"[1,2]" + b"x" * 50])
    def test_plain_weights_that_are_none(self, bundle, content):
        path = bundle / "models" / "model.safetensors"
        path.write_bytes(content)
        self.note(bundle, {HASHES[name]: hash_file(bundle / "models" / name) for name in HASHES})
        refuse(
            UNet([4, 8]), bundle / "models" / "model.pt", r"model.safetensors: the weights must be readable, got: .+; copy"
        )

    def test_a_link(self, bundle):
        path = bundle / "models" / "model.safetensors"
        path.rename(bundle / "away")
        path.symlink_to(bundle / "away")
        refuse(UNet([4, 8]), bundle / "models" / "model.pt", "this is a symbolic link")
