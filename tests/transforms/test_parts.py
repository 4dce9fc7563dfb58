"""A part of an image resized as if the whole were."""

import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.sample import Region
from livecell_monai.transforms import PartialResize, PartialRestore, ResizeToScaled, restore_grid
from livecell_monai.transforms.parts import Taps
from livecell_monai.transforms.scale import working_shape

GRID = (203, 151)
FACTORS = (1.0, 0.5, 0.37, 0.11, 1.6, [100, 151], [300, 60])
every_factor = pytest.mark.parametrize("factor", FACTORS, ids=str)


def tiles(shape, edges):
    for top in range(0, shape[0], edges[0]):
        for left in range(0, shape[1], edges[1]):
            yield Region(top, left, min(top + edges[0], shape[0]), min(left + edges[1], shape[1]))


@pytest.fixture(scope="module")
def image():
    return torch.rand(*GRID, generator=torch.Generator().manual_seed(0))


@every_factor
@pytest.mark.parametrize("edges", [(16, 24), (1, 151), (203, 7)], ids=str)
def test_parts_of_the_working_size_make_the_whole(image, factor, edges):
    whole = ResizeToScaled("image", factor)({"image": MetaTensor(image[None], meta={"spatial_shape": GRID})})["image"][0]
    resize = PartialResize(GRID, tuple(whole.shape))
    joined = torch.full_like(whole.as_tensor(), torch.nan)
    for target in tiles(whole.shape, edges):
        source = resize.source(target)
        part = resize(source.crop(image), target)
        joined[target.top : target.bottom, target.left : target.right] = part
    torch.testing.assert_close(
        joined, whole.as_tensor(), atol=1e-4, rtol=0
    )  # a processor without fused multiplication rounds the taps twice


def test_a_part_needs_no_more_than_its_margin(image):
    resize = PartialResize((4000, 4000), (2000, 2000))
    source = resize.source(Region(500, 600, 532, 632))
    assert source == Region(998, 1198, 1066, 1266)  # 2 pixels for the Gaussian of 0.5 on each side
    assert resize.source(Region(0, 0, 10, 2000)).left == 0


@every_factor
@pytest.mark.parametrize("edges", [(16, 24), (1, 200)], ids=str)
def test_parts_of_the_grid_make_the_whole_each_pixel_once(factor, edges):
    working = working_shape(GRID, GRID, factor)
    logits = torch.randn(2, *working, generator=torch.Generator().manual_seed(1))
    whole = restore_grid(logits, GRID)
    restore = PartialRestore(working, GRID)
    joined, times = torch.full((2, *GRID), torch.nan), torch.zeros(GRID)
    for have in tiles(working, edges):
        (top, bottom), (left, right) = (
            restore.rows.owned(have.top, have.bottom),
            restore.columns.owned(have.left, have.right),
        )
        if top == bottom or left == right:
            continue
        above, before = max(0, have.top - 1), max(0, have.left - 1)
        target = Region(top, left, bottom, right)
        part = logits[:, above : have.bottom, before : have.right].clone()
        joined[:, top:bottom, left:right] = restore(part, above, before, target)
        times[top:bottom, left:right] += 1
    assert (times == 1).all()
    torch.testing.assert_close(
        joined, whole, atol=1e-4, rtol=0
    )  # a processor without fused multiplication rounds the taps twice


@pytest.mark.parametrize(("before", "after"), [(5, 5), (5, 9), (9, 5), (1, 7), (7, 1), (40000, 14800), (14800, 40000)])
def test_taps_are_rising_and_inside(before, after):
    taps = Taps(before, after)
    assert len(taps.lower) == after
    assert (taps.lower.diff() >= 0).all()
    assert (taps.upper - taps.lower <= 1).all()
    assert int(taps.lower[0]) >= 0
    assert int(taps.upper[-1]) < before
    assert ((taps.weight >= 0) & (taps.weight <= 1)).all()
