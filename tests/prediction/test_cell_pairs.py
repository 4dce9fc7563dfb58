"""Predicted and true cells of a sample."""

import numpy as np
import pytest
import torch

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.metrics.cells import keep_labelled
from livecell_monai.network import Head
from livecell_monai.prediction.cell_pairs import list_pairs, pair_cells, take_ids
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.sample import OWN
from tests.support.cell_worlds import TOUCHING

SEGMENTER = Segmenter(None, None, None, Head(), 0.5, torch.device("cpu"), CellDecoder(cells=False))


def tensor(labels):
    return torch.as_tensor(labels, dtype=torch.float32)[None]


def predicted(labels):
    plane = tensor(labels > 0)
    return {"pred": plane, "maps": plane * 0.8}


def test_cells_are_those_of_the_segmenters_decoder():
    found = pair_cells(SEGMENTER, {"label": tensor(TOUCHING)}, predicted(TOUCHING))
    assert found["true_cells"].numpy().tolist() == [TOUCHING.tolist()]
    expected = CellDecoder()(TOUCHING > 0, {})
    assert expected.max() > 1
    np.testing.assert_array_equal(found["cells"][0], expected)


def test_a_sample_may_have_sizes_of_its_own():
    sample = {"label": tensor(TOUCHING), OWN: {"min_cell_area": torch.tensor(10_000.0)}}
    assert pair_cells(SEGMENTER, sample, predicted(TOUCHING))["cells"].max() == 0


@pytest.mark.parametrize("sample", [{}, {"label": tensor(TOUCHING > 0)}], ids=["no label", "binary"])
def test_nothing_where_cells_are_not_told_apart(sample):
    assert pair_cells(SEGMENTER, sample, predicted(TOUCHING)) == {}


def test_pairs_for_monai_keep_labelled_unlabelled_pixels_and_binary_labels():
    output = pair_cells(SEGMENTER, {"label": tensor(TOUCHING)}, predicted(TOUCHING))
    labelled = torch.ones(1, *TOUCHING.shape, dtype=torch.bool)
    labelled[..., 60:] = False
    (cells,), (truth,) = list_pairs([{**output, "labelled": labelled}, predicted(TOUCHING)])
    expected, _ = keep_labelled(TOUCHING, TOUCHING, labelled[0].numpy())
    assert 0 < len(np.unique(expected)) < len(np.unique(TOUCHING))
    np.testing.assert_array_equal(truth, np.stack([expected, expected > 0]))
    assert cells[0].max() < output["cells"].max()
    assert list_pairs([predicted(TOUCHING)]) == ([], [])


def test_true_cells_are_above_0_only():
    label = np.where(TOUCHING == 1, -1, TOUCHING)
    assert take_ids({"label": tensor(label)}).tolist() == np.maximum(label, 0).tolist()
    assert take_ids({"label": tensor(np.where(TOUCHING > 0, 1, -1))}) is None
    assert take_ids({}) is None
