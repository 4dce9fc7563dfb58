"""A bundle is written completely, or the message names what is missing; its figures show the kept weights."""

import csv
import errno

import numpy as np
import pytest
import torch

from livecell_monai.bundle import export
from livecell_monai.bundle.open import find_template, open_bundle
from livecell_monai.errors import DataError, find_user_error
from livecell_monai.metrics import score_mask
from livecell_monai.report import page as report
from livecell_monai.tasks import predict
from livecell_monai.training.bundle_writer import BundleWriter
from tests.support.small_training import SMALL, train_small
from tests.support.worlds import write_folder


def test_configs_that_do_not_fit_the_weights_are_an_error(tmp_path):
    """As `monai.bundle run` with a config over the network itself, which is no setting and so is not carried over."""
    paths = {"dataset_dir": str(write_folder(tmp_path / "data")), "output_dir": str(tmp_path / "model")}
    workflow = open_bundle(find_template(), ["inference", "train"], SMALL, paths, run_id="training", workflow_type="train")
    workflow.workflow.parser["network_def#convolutions"] = 3
    workflow.initialize()
    with pytest.raises(RuntimeError) as failure:
        workflow.run()
    assert "the weights must fit the network of configs/settings.yaml" in str(find_user_error(failure.value))


class TestFullDisk:
    def test_at_the_figures_the_bundle_is_complete(self, folder, tmp_path, monkeypatch):
        def fail(path, facts):
            raise DataError(f"{path}: cannot be written (No space left on device); make room")

        monkeypatch.setattr(report, "write_page", fail)
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model")
        words = str(find_user_error(caught.value))
        assert "the bundle is complete except for its figures" in words
        assert f"livecell report {tmp_path / 'model'} --data DATA" in words
        found = predict(tmp_path / "model", [folder / "test" / "images"], tmp_path / "masks", {"show_progress": False})
        assert len(found.rows) == 2

    def test_at_the_configs_the_weights_are_written(self, folder, tmp_path, monkeypatch):
        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(export.shutil, "copyfile", fail)
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model", checkpoint_selection="last")
        assert "cannot be written (No space left on device)" in str(find_user_error(caught.value))
        state = torch.load(tmp_path / "model" / "models" / "model.pt", weights_only=True)
        assert state
        assert not list((tmp_path / "model").rglob(".writing-*"))


def test_figures_show_the_best_weights(folder, tmp_path, monkeypatch):
    drawn, write = [], BundleWriter._write_weights

    def forget(writer, result, parts):
        with torch.no_grad():
            writer.network.output.weight.zero_()  # as if the last epoch had lost all that the best had learned
        return write(writer, result, parts)

    monkeypatch.setattr(BundleWriter, "_write_weights", forget)
    monkeypatch.setattr(report, "write_figures", lambda _, predictions, **facts: drawn.append((list(predictions), facts)))
    result = train_small(folder, tmp_path / "model", samples_per_epoch=32, lr=0.05)
    ((predictions, facts),) = drawn
    assert facts["training"] == result
    held = [one for one in predictions if one.role == "validation"]
    assert [one.name for one in held] == ["train_00", "train_01", "train_02"]
    ious = [score_mask(one.mask, one.truth).iou for one in held]
    assert np.mean(ious) == pytest.approx(result["validation"]["iou"], rel=1e-5)
    assert np.mean(ious) > 0.05
    for one in predictions:
        assert one.image.shape == one.mask.shape == one.probability.shape
    assert [(one.name, one.truth) for one in predictions if one.role == "test"] == [("test_00", None), ("test_01", None)]


def test_the_card_has_the_scores_of_cells_that_the_table_has(folder, tmp_path):
    train_small(folder, tmp_path / "model", epochs=1)
    docs = tmp_path / "model" / "docs"
    with open(docs / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    card = (docs / "README.md").read_text(encoding="utf-8")
    true_cells, found = (sum(int(row[name]) for row in rows) for name in ("true_cells", "predicted_cells"))
    assert f"{true_cells} true and {found} predicted ones in 3 images" in card
    assert f"| AP50 | {np.mean([float(row['ap50']) for row in rows]):.3f} |" in card


def test_test_labels_are_not_read(folder, tmp_path):
    for label in (folder / "test" / "labels").iterdir():
        label.write_bytes(b"not to be read")
    train_small(folder, tmp_path / "model", epochs=1)
    assert "test_01" in (tmp_path / "model" / "docs" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("split", ["original", "none"])
def test_the_page_warns_of_a_split_that_leaks(folder, tmp_path, split):
    train_small(folder, tmp_path / "model", epochs=1, split=split)
    page = (tmp_path / "model" / "docs" / "report.html").read_text(encoding="utf-8")
    assert "The split leaks." in page
    rows = (tmp_path / "model" / "docs" / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + (1 if split == "original" else 3)  # 15 % of 8 patches


def test_short_trainings_predict_fewer_test_images(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "write_figures", lambda _, predictions, **facts: drawn.append(facts["expected"]))
    for number, minutes in enumerate((0.0, 0.03)):
        data = write_folder(tmp_path / f"data_{number}", test=7)
        train_small(data, tmp_path / f"model_{number}", epochs=1, minutes=minutes)
    assert drawn == [3 + 6, 3 + 2]
