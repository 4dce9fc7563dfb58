import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from livecell_monai.outputs.figures import AGREED, INVENTED, MISSED, PREDICTED, UNANNOTATED
from livecell_monai.report.pictures import (
    ANNOTATED,
    HELD,
    TRAINED,
    UNUSED,
    draw_prediction,
    draw_sample,
    draw_sides,
    encode,
)
from livecell_monai.sample import Region, SplitPreview
from tests.support.worlds import one_cell, picture_of

PLENTY = 200_000


def opened(uri, kind):
    head, _, content = uri.partition(",")
    assert head == f"data:{kind};base64"
    return Image.open(io.BytesIO(b64decode(content)))


def read(layers):
    """The grey image (Y, X) and the layer above it (Y, X, 4)."""
    return (
        np.asarray(opened(layers.image, "image/jpeg")),
        np.asarray(opened(layers.overlay, "image/png").convert("RGBA")),
    )


@pytest.fixture
def world():
    """Image, mask and truth: the mask has lost the left half of the cell and has a square of its own."""
    truth = one_cell() > 0
    mask = truth.copy()
    mask[:, : truth.shape[1] // 2] = False
    mask[4:16, 4:16] = True
    return picture_of(truth.astype(np.uint16)), mask, truth


class TestDrawPrediction:
    def test_each_pixel_has_the_colour_of_its_kind(self, world):
        image, mask, truth = world
        grey, overlay = read(draw_prediction(image, mask, truth, PLENTY))
        assert grey.shape == overlay.shape[:2] == image.shape
        for where, colour in ((mask & truth, AGREED), (truth & ~mask, MISSED), (mask & ~truth, INVENTED)):
            assert (overlay[where][:, :3] == colour).all()
            assert (overlay[where][:, 3] > 0).all()
        assert (overlay[~(mask | truth)][:, 3] == 0).all()

    def test_regions_are_transparent_and_outlines_opaque(self, world):
        image, mask, truth = world
        _, overlay = read(draw_prediction(image, mask, truth, PLENTY))
        assert set(np.unique(overlay[4:16, 4:16, 3])) == {125, 255}

    def test_one_colour_without_truth(self, world):
        image, mask, _ = world
        _, overlay = read(draw_prediction(image, mask, None, PLENTY))
        assert (overlay[mask][:, :3] == PREDICTED).all()
        assert (overlay[~mask][:, 3] == 0).all()

    def test_cells_without_truth_are_outlined_each(self, world):
        image, mask, _ = world
        halves = np.where(mask, 1 + (np.indices(mask.shape)[1] >= 10), 0)
        rows = mask[:, 9] & mask[:, 10]
        _, plain = read(draw_prediction(image, mask, None, PLENTY))
        _, overlay = read(draw_prediction(image, mask, None, PLENTY, halves))
        assert (overlay[rows, 9, 3] == 255).all()
        assert not (plain[rows, 9, 3] == 255).all()

    def test_empty_mask_has_no_colour(self, world):
        image, mask, truth = world
        _, overlay = read(draw_prediction(image, mask & False, truth & False, PLENTY))
        assert not overlay[..., 3].any()

    def test_a_large_image_is_shrunk_and_a_small_one_is_not(self):
        truth = one_cell((700, 1000)) > 0
        layers = draw_prediction(truth.astype(float), truth, truth, PLENTY)
        assert (layers.height, layers.width) == (358, 512)
        assert read(layers)[1].shape == (358, 512, 4)

    @pytest.mark.parametrize("most", [60_000, 30_000, 8_000])
    def test_noise_keeps_within_the_bytes(self, most):
        noise = np.random.default_rng(0).uniform(size=(1024, 1024))
        mask = np.kron(np.random.default_rng(1).uniform(size=(64, 64)) > 0.9, np.ones((16, 16), bool))
        layers = draw_prediction(noise, mask, np.roll(mask, 4, 0), most)
        assert len(layers.image) + len(layers.overlay) <= most + 100
        whole = draw_prediction(noise, mask, np.roll(mask, 4, 0), PLENTY)
        assert len(whole.image) + len(whole.overlay) > most  # and would not have done so by itself


class TestDrawSides:
    def test_shows_both_regions_and_the_guard(self):
        truth = np.zeros((96, 112), bool)
        truth[30:40, 50:70] = True
        image = picture_of(truth.astype(np.uint16))
        _, overlay = read(draw_sides(SplitPreview("a", image, truth, Region(0, 0, 60, 112), Region(76, 0, 96, 112)), PLENTY))
        assert tuple(overlay[86, 50, :3]) == HELD
        assert 0 < overlay[86, 50, 3] < 255
        assert tuple(overlay[68, 50, :3]) == UNUSED
        assert overlay[10, 50, 3] == 0
        assert tuple(overlay[30, 60]) == (*ANNOTATED, 255)
        assert tuple(overlay[0, 50]) == (*TRAINED, 255)
        assert tuple(overlay[95, 50]) == (*HELD, 255)

    def test_a_whole_image_is_on_one_side(self):
        truth = np.zeros((40, 50), bool)
        _, overlay = read(draw_sides(SplitPreview("a", truth.astype(float), truth, None, Region(0, 0, 40, 50)), PLENTY))
        assert (overlay[..., :3] == HELD).all()


def test_sample_has_only_the_outline_of_its_label():
    label = np.zeros((64, 64))
    label[20:40, 20:40] = 1
    _, overlay = read(draw_sample(np.random.default_rng(0).normal(size=(64, 64)), label, PLENTY))
    assert (overlay[..., 3] > 0).sum() == 4 * 19
    assert tuple(overlay[20, 30]) == (*ANNOTATED, 255)


def test_encode():
    assert encode(b"abc", "text/plain") == "data:text/plain;base64,YWJj"


class TestNotAnnotated:
    LABELLED = np.arange(112) < 50 * np.ones((96, 1), int)

    def check(self, layers):
        _, overlay = read(layers)
        right = overlay[:, 51:]
        colours = {tuple(pixel) for pixel in right.reshape(-1, 4).tolist() if pixel[3]}
        assert colours == {(*UNANNOTATED, 255)}
        assert 0.2 < (right[..., 3] > 0).mean() < 0.3
        assert not (overlay[:, :50, :3] == UNANNOTATED).all(axis=2).any()

    def test_of_a_prediction_is_hatched(self):
        truth = one_cell() > 0
        self.check(draw_prediction(picture_of(truth), truth, np.roll(truth, 5, 1), PLENTY, labelled=self.LABELLED))

    def test_of_a_sample_is_hatched(self):
        label = np.where(self.LABELLED, one_cell(), -1).astype(np.int8)
        self.check(draw_sample(picture_of(one_cell()), label, PLENTY))

    def test_of_the_split_is_hatched(self):
        truth = (one_cell() > 0) & self.LABELLED
        sides = SplitPreview("a", picture_of(one_cell()), truth, Region(0, 0, 96, 112), None, self.LABELLED)
        _, overlay = read(draw_sides(sides, PLENTY))
        assert 0.15 < (overlay[5:-5, 55:-5, :3] == UNANNOTATED).all(axis=2).mean() < 0.35
        assert not (overlay[:, :50, :3] == UNANNOTATED).all(axis=2).any()
