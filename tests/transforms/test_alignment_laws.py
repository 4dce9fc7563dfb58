"""Image, label and border show one thing in one place, whatever a chain of transforms does: laws for random values of it.

Where a pixel lies is written into it: the image is a ramp, the border five times the ramp, the label whether the ramp is
above a level. A ramp says where every pixel comes from, and interpolation keeps both relations.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from livecell_monai.bundle.template import find_template
from livecell_monai.network import Head
from livecell_monai.training.batches import PatchLoader
from livecell_monai.transforms import (
    Appearance,
    CropRegiond,
    ResizeToScaled,
    Warp,
    draw_patches,
    restore_grid,
)

KEYS = ["image", "target", "weight"]
sizes = st.tuples(st.integers(24, 60), st.integers(24, 60))
seeds = st.integers(0, 2**31)
angles = st.floats(0, 2 * np.pi)
warps = st.builds(
    Warp,
    patch_size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rotation=st.floats(0, np.pi),
    zoom=st.tuples(st.floats(0.4, 1), st.floats(1, 2.5)),
    stretch=st.floats(1, 1.6),
    shear=st.floats(0, 0.4),
    elastic=st.sampled_from([0.0, 2.0]),
    flip_probability=st.floats(0, 1),
)
appearances = st.builds(
    Appearance,
    probability=st.floats(0, 1),
    contrast=st.floats(1, 2),
    brightness=st.floats(0, 1),
    gamma=st.floats(1, 2),
    illumination=st.floats(0, 1),
    shading=st.floats(0, 0.5),
    blur=st.floats(0, 2),
    noise=st.floats(0, 0.5),
)


def ramp(size, angle):
    """(1, Y, X) float32 that rises by 1 a pixel in the direction of the angle, 0 at the centre; and its slope (Y, X)."""
    slope = np.array([np.sin(angle), np.cos(angle)])
    rows, columns = np.indices(size)
    plane = slope[0] * (rows - (size[0] - 1) / 2) + slope[1] * (columns - (size[1] - 1) / 2)
    return torch.from_numpy(plane[None].astype(np.float32)), slope


def sample_of(image, level, size):
    planes = {"image": image, "target": (image > level).float(), "weight": 1 + 5 * image}
    return {key: MetaTensor(plane.clone(), meta={"spatial_shape": list(size)}) for key, plane in planes.items()}


def plain(sample):
    return {key: torch.as_tensor(sample[key]).numpy()[0] for key in KEYS}


class TestPatches:
    @given(size=sizes, angle=angles, warp=warps, seed=seeds)
    def test_one_resampling_keeps_what_hangs_together(self, size, angle, warp, seed):
        image, _ = ramp(size, angle)
        stack = torch.cat([image, (image > 0).float(), 1 + 5 * image])
        patches = draw_patches([stack], 4, warp, torch.Generator().manual_seed(seed))
        torch.testing.assert_close(patches[:, 2], 1 + 5 * patches[:, 0], atol=2e-3, rtol=0)
        # a pixel that lies farther from the level than its neighbours do is wholly on one side of it
        far = patches[:, 0].abs() > 1.5
        torch.testing.assert_close(patches[:, 1][far], (patches[:, 0][far] > 0).float(), atol=1e-5, rtol=0)

    @given(size=sizes, angle=angles, warp=warps, appearance=appearances, seed=seeds)
    def test_looks_change_nothing_but_the_image(self, size, angle, warp, appearance, seed):
        sample = sample_of(ramp(size, angle)[0], 0, size)
        never = Appearance(probability=0, noise=0)
        first, second = (next(iter(PatchLoader([sample], warp, looks, Head(), 4, 4, seed))) for looks in (appearance, never))
        assert torch.equal(first["target"], second["target"])
        assert torch.equal(first["weight"], second["weight"])
        assert first["image"].shape == second["image"].shape

    @given(edge=st.integers(12, 28), is_row=st.booleans(), appearance=appearances, seed=seeds)
    def test_looks_leave_an_edge_where_it_is(self, edge, is_row, appearance, seed):
        images = torch.zeros(4, 1, 40, 40)
        images[..., edge:] = 3.0  # a cell, as far from the background as they all are
        images = images.mT if is_row else images
        changed = appearance(images, torch.Generator().manual_seed(seed))
        steps = (changed.mT if is_row else changed).mean(dim=2)[:, 0].diff(dim=1)
        assert set(steps.argmax(dim=1).tolist()) <= {edge - 2, edge - 1, edge}  # a bright gamma and a blur draw by a pixel

    def test_an_edge_that_moves_would_be_seen(self):
        image = torch.zeros(40)
        image[20:] = 3.0
        assert int(torch.roll(image, 2).diff()[5:35].argmax()) + 5 == 21


@pytest.fixture(scope="module")
def chains():
    """The steps of `augmentation: transforms` in train.yaml: the report's, at their widest, and for large patches."""
    read = ConfigParser.load_config_file(str(find_template() / "configs" / "train.yaml"))
    original = ConfigParser.load_config_files([str(find_template() / "configs" / "original.yaml")])
    wide = {"rotation": 3.14159, "zoom": [0.6, 1.6], "gamma": 2.0, "brightness": 0.5}
    found = {}
    for name, settings in {"report": {}, "wide": wide, "large": {"patch_size": [80, 96]}}.items():
        parser = ConfigParser({**read, **original, "patch_size": [32, 40], **settings})
        found[name] = parser.get_parsed_content("train#random")
    return found


@pytest.mark.parametrize("name", ["report", "wide", "large"])
class TestTransforms:
    @given(size=sizes, angle=angles, level=st.floats(-6, 6), seed=seeds)
    def test_the_steps_of_the_reports_recipe(self, chains, name, size, angle, level, seed):
        sample = sample_of(ramp(size, angle)[0], level, size)
        chain = Compose(chains[name]).set_random_state(seed=seed)
        planes = plain(chain(sample))
        assert len({plane.shape for plane in planes.values()}) == 1
        place = (planes["weight"] - 1) / 5  # the border is interpolated as the image, and its grey values stay
        far = np.abs(place - level) > 2.5  # a label is rounded to whole pixels at each of three steps
        assert np.array_equal(planes["target"][far] > 0.5, place[far] > level)
        order = np.argsort(place, axis=None)
        steps = np.diff(planes["image"].ravel()[order])
        assert steps.min() > -1e-3 * max(1.0, np.ptp(planes["image"]))  # gamma and brightness keep what is brighter

    @given(size=sizes, angle=angles, level=st.floats(-2, 2), seed=seeds)
    def test_without_what_changes_grey_values_the_image_is_where_the_border_is(self, chains, name, size, angle, level, seed):
        sample = sample_of(ramp(size, angle)[0], level, size)
        steps = [step for step in chains[name] if len(step.keys) == 3]
        assert len(steps) == len(chains[name]) - 2
        planes = plain(Compose(steps).set_random_state(seed=seed)(sample))
        np.testing.assert_allclose(planes["weight"], 1 + 5 * planes["image"], atol=2e-3)


class TestWorkingSize:
    @given(
        size=st.tuples(st.integers(60, 90), st.integers(60, 90)),
        corner=st.tuples(st.integers(0, 20), st.integers(0, 20)),
        factor=st.floats(0.4, 2.2),
        angle=angles,
        level=st.floats(-5, 5),
    )
    def test_every_plane_is_where_the_region_says(self, size, corner, factor, angle, level):
        image, slope = ramp(size, angle)
        region = [*corner, size[0] - corner[1], size[1] - corner[0] // 2]
        sample = {**sample_of(image, level, size), "region": region}
        cropped = CropRegiond(KEYS)(sample)
        grid = cropped["image"].shape[1:]
        resized = ResizeToScaled(KEYS, factor, ["bilinear", "nearest", "bilinear"])(cropped)
        planes = plain(resized)
        scale = [old / new for old, new in zip(grid, planes["image"].shape, strict=True)]
        # the place of each working pixel's centre on the whole image's grid
        rows, columns = (
            region[axis] + (np.arange(planes["image"].shape[axis]) + 0.5) * scale[axis] - 0.5 for axis in (0, 1)
        )
        expected = slope[0] * (rows[:, None] - (size[0] - 1) / 2) + slope[1] * (columns[None] - (size[1] - 1) / 2)
        rim = [int(np.ceil(6 / edge)) + 1 for edge in scale]  # where smoothing looks beyond the rim
        inside = (slice(rim[0], -rim[0]), slice(rim[1], -rim[1]))
        np.testing.assert_allclose(planes["image"][inside], expected[inside], atol=5e-3)
        np.testing.assert_allclose(planes["weight"][inside], 1 + 5 * expected[inside], atol=2e-2)
        far = np.abs(expected - level) > 0.75  # the nearest pixel is half a one away on each axis
        assert np.array_equal(planes["target"][far] > 0.5, expected[far] > level)

        restored = restore_grid(resized["image"], tuple(grid))[0].numpy()
        back = image[0, region[0] : region[2], region[1] : region[3]].numpy()
        inner = (slice(14, -14), slice(14, -14))
        assert restored.shape == back.shape
        np.testing.assert_allclose(restored[inner], back[inner], atol=1e-2)
