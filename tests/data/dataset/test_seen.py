"""Which parts of images a network has seen, over several trainings."""

import json

import pytest

from livecell_monai.data.dataset.identity import hash_file, hash_samples
from livecell_monai.data.dataset.seen import TRAINED_ON, find_seen, list_seen, read_seen
from livecell_monai.data.dataset.split import split_samples
from livecell_monai.errors import BundleError
from livecell_monai.sample import Region, Sample


@pytest.fixture
def samples(tmp_path):
    found = []
    for name in "abc":
        (tmp_path / f"{name}.tif").write_text(name)
        found.append(Sample(name, tmp_path / f"{name}.tif"))
    return found


def after(samples, before=None):
    """What is read from the metadata of a training."""
    listed = list_seen(samples, hash_samples(samples), before or {})
    return read_seen(json.loads(json.dumps({TRAINED_ON: listed})), "model")


def cut(sample, *edges):
    return Sample(sample.name, sample.image, region=Region(*edges))


def test_whole_images_by_their_contents(samples, tmp_path):
    seen = after(samples[:2])
    assert find_seen(samples, seen) == ["a", "b"]
    (tmp_path / "copy.tif").write_text("a")
    assert find_seen([Sample("copy", tmp_path / "copy.tif")], seen) == ["copy"]
    assert find_seen(samples, {}) == []


def test_a_held_out_strip_is_not_seen(samples):
    image = samples[0]
    seen = after([cut(image, 30, 0, 96, 112)])
    assert find_seen([cut(image, 0, 0, 14, 112)], seen) == []
    assert find_seen([cut(image, 0, 0, 30, 112)], seen) == []
    assert find_seen([cut(image, 0, 0, 31, 112)], seen) == ["a"]
    assert find_seen([image], seen) == ["a"]
    assert find_seen([cut(image, 0, 0, 14, 112)], after([image])) == ["a"]


def test_what_a_start_has_seen_is_inherited(samples):
    first = after([cut(samples[0], 0, 0, 50, 112)])
    second = after([cut(samples[0], 0, 0, 50, 112), samples[1]], first)
    third = after([cut(samples[0], 60, 0, 96, 112)], second)
    assert third == {
        hash_file(samples[0].image): [Region(0, 0, 50, 112), Region(60, 0, 96, 112)],
        hash_file(samples[1].image): [None],
    }


def test_the_strips_of_a_split_are_not_seen_by_its_training(bordered):
    from livecell_monai.data.dataset.folder import list_samples

    split = split_samples(list_samples(bordered, "train"), "region")
    seen = after(split.train)
    assert find_seen(split.validation, seen) == []
    assert len(find_seen(split.train, seen)) == 3


def test_without_a_list_all_images_of_the_bundle_count():
    files = {"image/a.tif": "1", "label/a.tif": "2", "image/b.tif": "3"}
    assert read_seen({"files_sha256": files}, "model") == {"1": [None], "3": [None]}
    assert read_seen({}, "model") == {}


@pytest.mark.parametrize("entry", [[], {"1": 2}, {"1": [[0, 1]]}, {"1": [["a", 0, 0, 0]]}])
def test_another_list_is_rejected(entry):
    with pytest.raises(BundleError, match=r"^model: metadata.json must list the images .*restore the file$"):
        read_seen({TRAINED_ON: entry}, "model")
