"""Crops, and images at the working size and back on their own grid."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from livecell_monai.errors import SettingError
from livecell_monai.sample import OWN, Region
from livecell_monai.transforms import CropRegiond, ResizeToScaled, restore_grid
from livecell_monai.transforms.scale import working_shape
from tests.support.worlds import one_cell, picture_of

CROPPED = ["image", "label"]


def smooth(shape=(60, 84)):
    """(1, Y, X) float32 in [-1, 1], two waves that many pixels describe."""
    rows, columns = torch.meshgrid(*(torch.linspace(0, 1, edge) for edge in shape), indexing="ij")
    wave = torch.sin(5 * rows + 1) * torch.cos(4 * columns)
    return MetaTensor(wave[None], meta={"spatial_shape": list(shape)})


class TestWorkingShape:
    @pytest.mark.parametrize(
        ("shape", "whole", "size", "expected"),
        [
            ((100, 60), (100, 60), 1.0, (100, 60)),
            ((100, 60), (100, 60), 0.5, (50, 30)),
            ((100, 60), (100, 60), 1.5, (150, 90)),
            ((100, 60), (100, 60), [256, 200], (256, 200)),
            ((1024, 1024), (1024, 1024), (256, 256), (256, 256)),
            # a part of an image is scaled as the whole would be
            ((50, 60), (100, 60), [256, 200], (128, 200)),
            ((50, 30), (100, 60), 0.5, (25, 15)),
            ((1, 1), (100, 60), 0.01, (1, 1)),  # never to nothing
        ],
    )
    def test_shapes(self, shape, whole, size, expected):
        assert working_shape(shape, whole, size) == expected

    @pytest.mark.parametrize(
        "size", [[64], 0, -1, float("nan"), [0, 5], [1, 2, 3], [], "256", None, ["a", "b"], [256, -256]]
    )
    def test_refused_before_any_image_is_read(self, size):
        with pytest.raises(SettingError, match=r"setting scale must be a number above 0 .*; correct it"):
            ResizeToScaled("image", size)


class TestResize:
    @pytest.mark.parametrize(
        ("size", "expected"), [(0.5, (30, 42)), ([20, 42], (20, 42)), (1.0, (60, 84)), (2.0, (120, 168))]
    )
    def test_image(self, size, expected):
        resized = ResizeToScaled("image", size)({"image": smooth()})
        assert resized["image"].shape == (1, *expected)
        assert resized["grid"].tolist() == [60, 84]

    def test_an_image_has_settings_of_its_own_by_its_path(self):
        own = {"scale": 0.5, "cell_diameter": 80.0}
        resize = ResizeToScaled("image", 2.0, own_settings={"/a/b.tif": own, "/a/c.tif": {"cell_diameter": 20.0}})
        found = {}
        for path in ("/a/b.tif", "/a/c.tif", "/a/d.tif"):
            image = smooth()
            image.meta["filename_or_obj"] = path
            found[path] = resize({"image": image})
        assert [tuple(each["image"].shape[1:]) for each in found.values()] == [(30, 42), (120, 168), (120, 168)]
        assert [each.get(OWN) for each in found.values()] == [own, {"cell_diameter": 20.0}, None]

    @pytest.mark.parametrize("path", ["b.tif", "./b.tif", "other/../b.tif", "b.tif::t=0,c=1,z=0"])
    def test_it_does_not_matter_how_the_path_is_written(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        image = smooth()
        image.meta["filename_or_obj"] = str(tmp_path / path.replace("other/../", ""))
        assert ResizeToScaled("image", own_settings={path: {"scale": 0.5}})({"image": image})["image"].shape == (1, 30, 42)

    @pytest.mark.parametrize("own", [{"scale": 0}, {"threshold": 0.5}, {"scale": "2"}, 2.0])
    def test_wrong_settings_of_an_image_are_refused(self, own):
        with pytest.raises(SettingError, match=r"^setting own_settings must be \{PATH: \{scale: NUMBER, "):
            ResizeToScaled("image", own_settings={"/a/b.tif": own})

    def test_own_size_changes_nothing(self):
        image = smooth()
        assert ResizeToScaled("image", 1.0)({"image": image})["image"] is image

    def test_a_region_is_scaled_as_its_image(self):
        sample = {"image": smooth(), "region": [0, 0, 60, 42]}
        resized = ResizeToScaled("image", [30, 60])(CropRegiond("image")(sample))
        assert resized["image"].shape == (1, 30, 30)
        assert resized["grid"].tolist() == [60, 42]
        whole = ResizeToScaled("image", [30, 60])({"image": smooth()})["image"]
        # apart from the rim that the crop has made the pixels are those of the whole image
        np.testing.assert_allclose(resized["image"][..., :28].numpy(), whole[..., :28].numpy(), atol=1e-5)

    def test_a_label_stays_a_label(self):
        label = MetaTensor(torch.from_numpy(one_cell((60, 84)).astype(np.float32))[None], meta={"spatial_shape": [60, 84]})
        sample = {"image": smooth(), "label": label, "weight": 1 + label}
        resize = ResizeToScaled(["image", "label", "weight"], 0.6, ["bilinear", "nearest", "bilinear"])
        resized = resize(sample)
        assert {resized[key].shape for key in ("image", "label", "weight")} == {(1, 36, 50)}
        assert set(resized["label"].unique().tolist()) == {0.0, 1.0}
        assert len(resized["weight"].unique()) > 2
        assert resized["label"].mean() == pytest.approx(float(label.mean()), rel=0.1)
        agree = (resized["weight"] > 1.5) == (resized["label"] > 0)
        assert agree.float().mean() > 0.97

    def test_shrinking_takes_the_mean_of_noise(self):
        noise = MetaTensor(torch.rand(1, 96, 96, generator=torch.manual_seed(0)), meta={"spatial_shape": [96, 96]})
        # a quarter of the size: the spread of a mean of about 4 x 4 pixels, where plain sampling would keep 0.2 or more
        assert float(noise.std()) == pytest.approx(12**-0.5, abs=0.01)
        assert float(ResizeToScaled("image", 0.25)({"image": noise})["image"].std()) < 0.09

    @pytest.mark.parametrize("size", [0.8, 0.6, 1.4, [60, 80], [134, 90]])
    def test_image_and_label_keep_one_centre(self, size):
        """Not at 1 / 2 or 1 / 4: there two pixels are equally near, and half a pixel of the original grid is lost."""
        label = MetaTensor(torch.from_numpy(one_cell().astype(np.float32))[None], meta={"spatial_shape": [96, 112]})
        resize = ResizeToScaled(["image", "label"], size, ["bilinear", "nearest"])
        resized = resize({"image": label.clone(), "label": label})
        plain = torch.nn.functional.interpolate(label[None], resized["label"].shape[-2:], mode="nearest")[0]
        image, exact, first = (
            np.array(ndimage.center_of_mass(np.asarray(plane[0]))) for plane in (resized["image"], resized["label"], plain)
        )
        assert np.abs(exact - image).max() < 0.1
        assert np.abs(first - image).max() > 0.15  # torch's plain "nearest" moves cells down and to the right

    @pytest.mark.parametrize("size", [0.25, 0.5, [13, 70], [200, 20], 1.7])
    def test_even_to_the_rim(self, size):
        """MONAI's own anti-aliasing darkens the rim: it takes zeros for what lies beyond."""
        flat = MetaTensor(torch.full((1, 60, 84), 0.8), meta={"spatial_shape": [60, 84]})
        resized = ResizeToScaled("image", size)({"image": flat})["image"]
        np.testing.assert_allclose(resized.numpy(), 0.8, atol=1e-5)
        assert isinstance(resized, MetaTensor)
        assert list(resized.meta["spatial_shape"]) == [60, 84]

    def test_missing_keys(self):
        keys = ["image", "weight"]
        assert "weight" not in ResizeToScaled(keys, 0.5, allow_missing_keys=True)({"image": smooth()})
        with pytest.raises(KeyError, match="weight"):
            ResizeToScaled(keys, 0.5)({"image": smooth()})


class TestRestore:
    @pytest.mark.parametrize("size", [0.5, 0.37, 1.0, 1.7, [41, 97]])
    def test_round_trip_of_a_smooth_image(self, size):
        sample = ResizeToScaled("image", size)({"image": smooth()})
        restored = restore_grid(sample["image"], (60, 84))
        assert restored.shape == (1, 60, 84)
        error = (restored - smooth()).abs().numpy()
        assert error.mean() < 0.01
        assert error.max() < 0.1  # at the rim, where half a working pixel lies beyond the last centre

    def test_round_trip_does_not_shift(self):
        label = torch.from_numpy(one_cell((64, 96)).astype(np.float32))[None]
        image = MetaTensor(label, meta={"spatial_shape": [64, 96]})
        sample = ResizeToScaled("image", 0.5)({"image": image})
        restored = restore_grid(sample["image"], (64, 96)) > 0.5

        def agreement(mask):
            return float((mask & (label > 0)).sum() / (mask | (label > 0)).sum())

        assert agreement(restored) > 0.95
        assert all(agreement(restored.roll(step, axis)) < 0.92 for step in (-1, 1) for axis in (1, 2))

    def test_the_grid_of_a_region(self):
        sample = CropRegiond("image")({"image": smooth(), "region": [10, 5, 43, 80]})
        resized = ResizeToScaled("image", [30, 30])(sample)
        assert restore_grid(resized["image"], tuple(resized["grid"].tolist())).shape == (1, 33, 75)

    def test_many_channels_and_other_types(self):
        pred = torch.zeros(3, 5, 5, dtype=torch.bfloat16)
        restored = restore_grid(pred, (7, 9))
        assert (restored.shape, restored.dtype) == ((3, 7, 9), torch.float32)

    def test_own_size_changes_nothing(self):
        pred = torch.from_numpy(picture_of(one_cell()).astype(np.float32))[None]
        assert restore_grid(pred, (96, 112)) is pred


class TestCropRegion:
    @pytest.fixture
    def sample(self):
        image = MetaTensor(torch.arange(8.0 * 11).reshape(1, 8, 11), meta={"spatial_shape": [8, 11]})
        return {"image": image, "label": (image > 40).float(), "region": [1, 2, 6, 9], "name": "a"}

    def test_crops_every_key_alike(self, sample):
        cropped = CropRegiond(CROPPED)(sample)
        for key in CROPPED:
            assert torch.equal(cropped[key], sample[key][:, 1:6, 2:9])
        assert cropped["name"] == "a"

    def test_same_as_the_record(self, sample):
        region = Region(*sample["region"])
        assert torch.equal(CropRegiond(CROPPED)(sample)["image"], region.crop(sample["image"]))

    def test_the_rest_is_not_in_memory(self, sample):
        view = sample["image"][:, 1:6, 2:9]
        assert view.untyped_storage().nbytes() == sample["image"].untyped_storage().nbytes()  # what a plain crop would keep
        cropped = CropRegiond(CROPPED)(sample)["image"]
        assert cropped.untyped_storage().nbytes() == 5 * 7 * 4
        cropped[:] = -1
        assert sample["image"].min() == 0

    def test_meta_stay_those_of_the_whole_image(self, sample):
        cropped = CropRegiond(CROPPED)(sample)["image"]
        assert isinstance(cropped, MetaTensor)
        assert list(cropped.meta["spatial_shape"]) == [8, 11]

    @pytest.mark.parametrize("region", [None, "absent"])
    def test_without_region(self, sample, region):
        del sample["region"]
        if region is None:
            sample["region"] = None
        assert CropRegiond(CROPPED)(sample)["image"] is sample["image"]

    def test_region_as_a_tensor(self, sample):
        sample["region"] = torch.tensor(sample["region"])
        assert CropRegiond(CROPPED)(sample)["image"].shape == (1, 5, 7)

    def test_the_sample_given_is_left_alone(self, sample):
        CropRegiond(CROPPED)(sample)
        assert sample["image"].shape == (1, 8, 11)

    def test_missing_key(self, sample):
        assert "border" not in CropRegiond([*CROPPED, "border"], allow_missing_keys=True)(sample)
        with pytest.raises(KeyError, match="border"):
            CropRegiond([*CROPPED, "border"])(sample)


class TestOutlines:
    """Of a disc of a radius of 30 px, from logits at a quarter of the size: pixels of 4 x 4 px must not be seen."""

    GRID = (96, 96)

    @pytest.fixture
    def logits(self):
        """The signed distance from the rim in pixels of the image, as a network gives it at the smaller size."""
        return 30 - self.measure_radius(24, 4)[None]

    @staticmethod
    def measure_radius(size, step=1):
        """The distance of each pixel from the middle of the image, in pixels of the image."""
        place = (torch.arange(size) + 0.5) * step - 48
        return torch.sqrt(place[:, None] ** 2 + place**2)

    def measure_error(self, mask):
        """How far a wrong pixel of a mask is from the rim at most, in pixels."""
        radius = self.measure_radius(96)
        wrong = mask != (radius < 30)
        return float((radius[wrong] - 30).abs().max()) if wrong.any() else 0.0

    def test_logits_interpolated_before_the_threshold_follow_the_rim(self, logits):
        assert self.measure_error(restore_grid(logits, self.GRID)[0] > 0) < 0.5

    def test_a_mask_enlarged_after_the_threshold_has_steps(self, logits):
        small = (logits > 0).float()
        enlarged = torch.nn.functional.interpolate(small[None], self.GRID, mode="nearest")[0, 0] > 0
        assert self.measure_error(enlarged) > 1.5
