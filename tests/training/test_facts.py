"""What metadata, card and run record of a training."""

import pytest

from livecell_monai.data.dataset.findings import count_cells
from livecell_monai.data.dataset.items import partition
from livecell_monai.data.readers.kinds import read_label
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.report.card import render_card
from livecell_monai.training.dataset import TrainingDataset
from livecell_monai.training.facts import TrainingResult, describe_card, describe_training, list_parameters
from livecell_monai.training.history import History

SCORES = ("iou", "accuracy", "loss")
RESUMED = {"resumed": 1, "data_changes": ["a.tif has changed"], "request_sha256": "0" * 64}
WEIGHTS = {"weights_sha256": "1" * 64}


@pytest.fixture
def data(folder):
    return TrainingDataset(str(folder), partition(folder))


def result_of(data, selection):
    """Three epochs, the second one the best."""
    history = History(None)
    history.rows = [
        {"epoch": epoch, **{f"val_{name}": value for name in SCORES}} for epoch, value in enumerate((0.1, 0.9, 0.5), 1)
    ]
    settings = {"seed": 3, "checkpoint_selection": selection}
    return TrainingResult(history, settings, data, Accelerator("cpu"), 12.34, RESUMED)


@pytest.mark.parametrize(("selection", "epoch", "score"), [("best", 2, 0.9), ("last", 3, 0.5)])
def test_scores_are_those_of_the_epoch_that_is_kept(data, selection, epoch, score):
    training = describe_training(result_of(data, selection), WEIGHTS)
    assert (training["kept_epoch"], training["epochs_run"]) == (epoch, 3)
    assert training["validation"] == dict.fromkeys(SCORES, score)
    assert (training["seconds"], training["seed"], training["resumed"]) == (12.3, 3, 1)
    assert training["files_sha256"] == data.annotated_hashes


def test_the_card_has_all_its_facts_and_each_image_whole(data):
    result = result_of(data, "best")
    facts = describe_card(result, describe_training(result, WEIGHTS))
    assert facts["is_chosen"]
    assert "1" * 64 in render_card(**facts)
    for sample, (name, digest, rows, columns, cells, foreground) in zip(data.samples, facts["images"], strict=True):
        label = read_label(sample.label)
        assert (name, rows, columns, cells) == (sample.name, *label.shape, count_cells(label))
        assert sample.region is not None  # the split has cut it
        assert foreground == pytest.approx((label > 0).mean())
        assert digest == data.annotated_hashes[f"image/{name}.tif"]


def test_parameters_are_the_settings_and_what_else_changes_the_weights(data):
    parameters = list_parameters({"lr": 0.1}, data, Accelerator("cpu"))
    assert {"lr": 0.1, "split_used": "region", "workers": 0, "unlabelled_images": 0}.items() <= parameters.items()
    assert {"threads", "bf16", "compiled", "instructions", "computed_on"} <= parameters.keys()
