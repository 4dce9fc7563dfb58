"""`livecell report`: a page of a folder or of a run, or an error in one line."""

import shutil
import sys

import pytest

from livecell_monai import cli
from tests.support.small_training import train_small


@pytest.fixture
def livecell(monkeypatch, capsys):
    """One call of the command line: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["livecell", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """An empty working folder without a store of runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def refused(outcome, *words):
    code, out, err = outcome
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words), line


def test_of_a_folder(livecell, trained, inside):
    code, out, err = livecell("report", trained[1])
    assert (code, err) == (0, "")
    assert out == "report.html: 0.1 MB, opens in any browser without a network\n"
    assert [path.name for path in inside.iterdir()] == ["report.html"]


def test_with_data(livecell, trained, inside):
    code, _, err = livecell("report", trained[1], "--data", trained[0], "-o", "page.html")
    assert (code, err) == (0, "")
    page = (inside / "page.html").read_text(encoding="utf-8")
    assert "test_01" in page
    assert 'id="split"' in page


@pytest.mark.slow
def test_of_the_start_with_the_size_of_the_cells(livecell, trained, inside):
    code, _, err = livecell("report", "start", "--data", trained[0], "--diameter", 30)
    assert (code, "estimated" in err) == (0, False)
    assert "Their cells were taken as 30 px across." in (inside / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_of_a_run(livecell, folder, inside):
    train_small(folder, inside / "model", track=True, run_name="mine", epochs=1)
    page = (inside / "model" / "docs" / "report.html").read_text(encoding="utf-8")
    assert "test_00" in page  # the training's own has the test images that it may look at
    shutil.rmtree(inside / "model")
    code, out, err = livecell("report", "mine", "--data", folder)
    assert (code, "error" in err) == (0, False)
    assert out.startswith("report.html: ")
    assert 'id="validation"' in (inside / "report.html").read_text(encoding="utf-8")


class TestRefusals:
    def test_a_page_is_not_overwritten(self, livecell, trained, inside):
        (inside / "report.html").write_text("earlier")
        refused(livecell("report", trained[1]), "report.html: already exists", "--overwrite")
        assert (inside / "report.html").read_text() == "earlier"
        assert livecell("report", trained[1], "--overwrite")[0] == 0

    def test_a_folder_that_is_no_bundle(self, livecell, folder, inside):
        refused(livecell("report", folder), "a bundle must have a folder configs/")
        assert not (inside / "report.html").exists()

    def test_a_run_that_is_not_there(self, livecell, inside):
        refused(livecell("report", "nobody"), "mlflow.db")
        assert not (inside / "report.html").exists()

    def test_data_that_are_not_there(self, livecell, trained, inside):
        refused(livecell("report", trained[1], "--data", "nowhere"), "nowhere: the data folder does not exist")
        assert not (inside / "report.html").exists()

    def test_of_the_start_on_data_that_are_not_there(self, livecell, inside):
        refused(livecell("report", "start", "--data", "nowhere"), "nowhere: the data folder does not exist")
        assert not (inside / "report.html").exists()

    def test_an_output_that_is_no_page(self, livecell, trained, inside):
        refused(livecell("report", trained[1], "-o", "report.pdf"), "ending in .html")

    def test_a_diameter_for_a_trained_bundle(self, livecell, trained, inside):
        refused(livecell("report", trained[1], "--data", trained[0], "--diameter", 30), "--diameter must be left out")
        assert not (inside / "report.html").exists()

    def test_a_diameter_without_images(self, livecell, inside):
        refused(livecell("report", "start", "--diameter", 30), "--diameter needs images", "--data")
