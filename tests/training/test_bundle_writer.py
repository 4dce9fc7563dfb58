"""A bundle is written whole, or what is missing is named."""

import errno

import pytest
import torch

from livecell_monai.bundle import export
from livecell_monai.bundle.open import find_template, open_bundle
from livecell_monai.errors import DataError, find_user_error
from livecell_monai.report import training as report
from livecell_monai.tasks import predict
from tests.support.small_training import SMALL, train_small
from tests.support.worlds import write_folder


def test_a_bundle_whose_configs_do_not_fit_its_weights_is_not_passed_off_as_complete(tmp_path):
    """As `monai.bundle run` with a config over the network itself, which is no setting and so is not carried over."""
    paths = {"dataset_dir": str(write_folder(tmp_path / "data")), "output_dir": str(tmp_path / "model")}
    workflow = open_bundle(find_template(), ["inference", "train"], SMALL, paths, run_id="training", workflow_type="train")
    workflow.workflow.parser["network_def#convolutions"] = 3
    workflow.initialize()
    with pytest.raises(RuntimeError) as failure:
        workflow.run()
    assert "the weights must fit the network of configs/settings.yaml" in str(find_user_error(failure.value))


class TestADiskThatFillsUp:
    def test_at_the_figures_leaves_the_bundle_whole(self, folder, tmp_path, monkeypatch):
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

    def test_at_the_configs_leaves_the_weights(self, folder, tmp_path, monkeypatch):
        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(export.shutil, "copyfile", fail)
        with pytest.raises(RuntimeError) as caught:
            train_small(folder, tmp_path / "model", checkpoint_selection="last")
        assert "cannot be written (No space left on device)" in str(find_user_error(caught.value))
        state = torch.load(tmp_path / "model" / "models" / "model.pt", weights_only=True)
        assert state
        assert not list((tmp_path / "model").rglob(".writing-*"))
