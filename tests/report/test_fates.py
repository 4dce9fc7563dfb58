"""Cells in the colour of their fate."""

import numpy as np
import pytest

from livecell_monai.metrics.cells import keep_labelled, match_cells
from livecell_monai.outputs.figures import UNANNOTATED
from livecell_monai.report.fates import FATE_COLOURS, INKS, OUTLINE, RIGHT_TINT, WRONG_TINT, draw_fates
from tests.report.test_pictures import read
from tests.support.cell_worlds import boxes

TRUTH = boxes((5, 5, 15, 15), (5, 15, 15, 25), (20, 5, 30, 25), (30, 40, 35, 50), (2, 40, 8, 50))
PREDICTED = boxes((5, 5, 15, 25), (20, 5, 30, 12), (20, 13, 30, 20), (30, 40, 35, 49), (15, 50, 18, 55))
MIDDLES = {"merged": (10, 20), "split": (25, 8), "right": (32, 45), "missed": (5, 45), "invented": (16, 52)}
GREY = np.random.default_rng(0).normal(size=TRUTH.shape)


def overlay_of(tinted=None, most_bytes=100_000):
    matches = match_cells(PREDICTED, TRUTH)
    return read(draw_fates(GREY, (PREDICTED, TRUTH), matches, most_bytes, 512, tinted))[1]


@pytest.mark.parametrize("fate", MIDDLES)
def test_the_colour_is_what_became_of_a_cell(fate):
    row, column = MIDDLES[fate]
    assert tuple(overlay_of()[row, column]) == (*INKS[fate], RIGHT_TINT if fate == "right" else WRONG_TINT)


def test_true_cells_that_touch_are_outlined_each_and_predicted_ones_in_white():
    overlay = overlay_of()
    # the predicted cell has the first one of the two to a half, which makes that one right
    assert tuple(overlay[10, 14]) == (*INKS["right"], 255)
    assert tuple(overlay[10, 15]) == (*INKS["merged"], 255)
    assert tuple(overlay[25, 11]) == tuple(overlay[25, 13]) == (*OUTLINE, 255)  # both parts of the cell that was split
    assert tuple(overlay[32, 48]) == (*OUTLINE, 255)
    assert not overlay[38, 5].any()


def test_cells_outside_of_the_tinted_part_are_only_outlined():
    overlay = overlay_of(TRUTH == 3)
    assert overlay[MIDDLES["split"]][3] == WRONG_TINT
    assert overlay[MIDDLES["merged"]][3] == 0
    assert overlay[10, 15, 3] == 255


def test_a_large_image_is_painted_at_the_size_of_its_picture():
    truth, predicted = (np.kron(labels, np.ones((20, 20), int)) for labels in (TRUTH, PREDICTED))
    layers = draw_fates(truth.astype(float), (predicted, truth), match_cells(predicted, truth), 100_000, 300)
    overlay = read(layers)[1]
    assert (layers.height, layers.width) == overlay.shape[:2] == (200, 300)
    assert tuple(overlay[50, 100, :3]) == INKS["merged"]
    assert (overlay[..., 3] == 255).sum() < 2500  # outlines of one pixel: 20 times as wide, they would fill the cells


def test_image_without_cells_has_no_colour():
    nothing = TRUTH * 0
    assert not read(draw_fates(GREY, (nothing, nothing), match_cells(nothing, nothing), 100_000, 512))[1][..., 3].any()


def test_every_fate_is_in_the_legend_with_its_own_colour():
    assert {colour for _, colour in FATE_COLOURS} == {*INKS.values(), OUTLINE}
    assert len({*INKS.values(), OUTLINE}) == 6
    assert all(name.startswith(fate) for fate, (name, _) in zip(INKS, FATE_COLOURS, strict=False))


#: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def least_distance(colours, matrix):
    """The least CIELAB distance of two colours as a person with this colour vision sees them."""
    from skimage.color import rgb2lab

    given = np.array(colours) / 255
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(matrix), 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return distances[~np.eye(len(lab), dtype=bool)].min()


@pytest.mark.parametrize("kind", BLINDNESS)
def test_a_colour_blind_person_can_tell_the_fates_apart(kind):
    assert least_distance(list(INKS.values()), BLINDNESS[kind]) > 32
    if kind == "deuteranopia":  # as red and green would not
        assert least_distance([(200, 60, 60), (110, 110, 50)], BLINDNESS[kind]) < 20


def test_what_is_not_annotated_is_hatched():
    labelled = np.arange(TRUTH.shape[1]) < 30 * np.ones((len(TRUTH), 1), int)
    predicted, truth = keep_labelled(PREDICTED, TRUTH, labelled)
    matches = match_cells(predicted, truth)
    overlay = read(draw_fates(GREY, (predicted, truth), matches, 100_000, 512, labelled=labelled))[1]
    colours = {tuple(pixel) for pixel in overlay[:, 30:].reshape(-1, 4).tolist() if pixel[3]}
    assert colours == {(*UNANNOTATED, 255)}
    assert tuple(overlay[10, 20])[:3] == INKS["merged"]
