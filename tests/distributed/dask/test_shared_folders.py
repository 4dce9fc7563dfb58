"""Workers must have the package and see the folders."""

import pytest

from livecell_monai.distributed.dask import Job
from livecell_monai.distributed.dask.shared_folders import _build_look, require_seeing
from livecell_monai.errors import SettingError
from livecell_monai.outputs.unfinished import UnfinishedRun


def test_all_is_seen(workers, trained, tmp_path):
    UnfinishedRun(tmp_path).start()
    require_seeing(workers, Job(str(trained[1]), str(tmp_path), "{}"))


def test_a_folder_that_a_worker_does_not_see(workers, trained, tmp_path):
    with pytest.raises(
        SettingError, match=r"tcp://127.*: a worker must .* see the same folders, it lacks .*record.json; install"
    ):
        require_seeing(workers, Job(str(trained[1]), str(tmp_path / "none"), "{}"))


def test_a_worker_without_the_package(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _build_look([], "/")() == "livecell-monai"
