"""Keeping to a region: nothing outside is left, not even in memory."""

import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.sample import Region
from livecell_monai.transforms import CropRegiond

KEYS = ["image", "label"]


@pytest.fixture
def sample():
    image = MetaTensor(torch.arange(8.0 * 11).reshape(1, 8, 11), meta={"spatial_shape": [8, 11]})
    return {"image": image, "label": (image > 40).float(), "region": [1, 2, 6, 9], "name": "a"}


def test_crops_every_key_alike(sample):
    cropped = CropRegiond(KEYS)(sample)
    for key in KEYS:
        assert torch.equal(cropped[key], sample[key][:, 1:6, 2:9])
    assert cropped["name"] == "a"


def test_same_as_the_record(sample):
    region = Region(*sample["region"])
    assert torch.equal(CropRegiond(KEYS)(sample)["image"], region.crop(sample["image"]))


def test_the_rest_is_not_in_memory(sample):
    view = sample["image"][:, 1:6, 2:9]
    assert view.untyped_storage().nbytes() == sample["image"].untyped_storage().nbytes()  # what a plain crop would keep
    cropped = CropRegiond(KEYS)(sample)["image"]
    assert cropped.untyped_storage().nbytes() == 5 * 7 * 4
    cropped[:] = -1
    assert sample["image"].min() == 0


def test_meta_stay_those_of_the_whole_image(sample):
    cropped = CropRegiond(KEYS)(sample)["image"]
    assert isinstance(cropped, MetaTensor)
    assert list(cropped.meta["spatial_shape"]) == [8, 11]


@pytest.mark.parametrize("region", [None, "absent"])
def test_without_region(sample, region):
    del sample["region"]
    if region is None:
        sample["region"] = None
    assert CropRegiond(KEYS)(sample)["image"] is sample["image"]


def test_region_as_a_tensor(sample):
    sample["region"] = torch.tensor(sample["region"])
    assert CropRegiond(KEYS)(sample)["image"].shape == (1, 5, 7)


def test_the_sample_given_is_left_alone(sample):
    CropRegiond(KEYS)(sample)
    assert sample["image"].shape == (1, 8, 11)


def test_missing_key(sample):
    assert "border" not in CropRegiond([*KEYS, "border"], allow_missing_keys=True)(sample)
    with pytest.raises(KeyError, match="border"):
        CropRegiond([*KEYS, "border"])(sample)
