"""Hashes of the bytes of a data set."""

import hashlib
import shutil

import pytest

from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.data.dataset.identity import digest_of, hash_file, hash_samples
from livecell_monai.sample import Sample


@pytest.fixture
def samples(bordered):
    return list_samples(bordered, "train")


def test_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-4, example "abc"
    assert hash_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_file(str(path)) == hash_file(path)


def test_a_folder_of_chunks_is_its_names_and_bytes(tmp_path):
    folders = [tmp_path / name for name in ("a.zarr", "b.zarr", "c.zarr", "d.zarr")]
    for folder, (name, data) in zip(folders, [("0", b"x"), ("0", b"x"), ("1", b"x"), ("0", b"y")], strict=True):
        (folder / "c").mkdir(parents=True)
        (folder / "c" / name).write_bytes(data)
    first, same, renamed, changed = map(hash_file, folders)
    assert first == same
    assert len({first, renamed, changed}) == 3


def test_every_file_of_a_sample(samples):
    hashes = hash_samples(samples)
    assert list(hashes) == [f"{role}/train_0{i}.tif" for role in ("border", "image", "label") for i in range(3)]
    assert hashes["label/train_01.tif"] == hashlib.sha256(samples[1].label.read_bytes()).hexdigest()


def test_the_name_is_that_of_the_file(tmp_path):
    for name in ("a.ome.tif", "a.nii.gz"):
        (tmp_path / name).touch()
    assert list(hash_samples([Sample("a", tmp_path / "a.ome.tif", tmp_path / "a.nii.gz")])) == [
        "image/a.ome.tif",
        "label/a.nii.gz",
    ]


def test_neither_place_nor_order_matters(bordered, samples, tmp_path):
    moved = list_samples(shutil.copytree(bordered, tmp_path / "elsewhere"), "train")
    assert hash_samples(moved[::-1]) == hash_samples(samples)
    assert list(hash_samples(moved[::-1])) == list(hash_samples(samples))


def test_no_file_no_hash(samples):
    assert list(hash_samples([Sample("x", samples[0].image)])) == ["image/x.tif"]
    assert hash_samples([]) == {}


@pytest.mark.parametrize("role", ["image", "label", "border"])
def test_one_byte_changes_the_digest(samples, role):
    before = hash_samples(samples)
    path = getattr(samples[2], role)
    path.write_bytes(path.read_bytes() + b"\0")
    after = hash_samples(samples)
    assert [name for name in before if before[name] != after[name]] == [f"{role}/train_02.tif"]
    assert digest_of(before) != digest_of(after)


def test_digest():
    assert digest_of({"b": "2", "a": "1"}) == digest_of({"a": "1", "b": "2"}) == hashlib.sha256(b"a 1\nb 2\n").hexdigest()
    assert digest_of({"a": "1"}) != digest_of({"b": "1"})
    assert digest_of({"a": "2", "b": "1"}) != digest_of({"a": "1", "b": "2"})
