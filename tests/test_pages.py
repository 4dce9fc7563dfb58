"""The documentation: every command in a bash block is run as printed, every link leads somewhere, the README is short."""

import csv
import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.fresh import prepare_forks
from tests.support.pages import ROOT, Shell, copy_world, list_anchors, list_commands, list_pages, list_targets, read_page

README = "README.md"
PAGES = [path.relative_to(ROOT).as_posix() for path in list_pages()]
WITH_COMMANDS = [page for page in PAGES if page != README and list_commands(read_page(page))]


@pytest.fixture(scope="module")
def quiet():
    """No store of this machine is written to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def readme(quiet, tmp_path_factory):
    """The folder that the README's commands leave, and the shell that ran them."""
    prepare_forks()  # ahead of the first process that Dask forks
    shell = Shell(tmp_path_factory.mktemp("readme"), by_clock=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shell.folder)
        for words in list_commands(read_page(README)):
            shell.run(words)
    return shell


@pytest.fixture
def page_shell(page, readme, forked, tmp_path, monkeypatch):
    """A shell in a copy of that folder, where trainings draw no figures: they take longer than the trainings.

    A page that writes the sample set itself starts from an empty folder, as the README does.
    """
    if ["livecell", "sample", "cells"] not in list_commands(read_page(page)):
        copy_world(readme.folder, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_module("livecell_monai.report.page"), "write_figures", lambda *args, **facts: None)
    # int8 runs on every processor, though only those with VNNI give the right masks
    monkeypatch.setattr(
        import_module("livecell_monai.prediction.backends"), "read_capabilities", lambda: {"avx512_vnni": True}
    )
    return Shell(tmp_path)


def test_the_readme_leads_from_images_to_masks(readme):
    assert readme.count("livecell", "train") == 1
    assert readme.count("make") == 2
    for name in ("model/docs/report.html", "model/docs/README.md", "masks/field_01.tif", "masks/field_01_overlay.png"):
        assert (readme.folder / name).is_file(), name
    assert "field_01" in (readme.folder / "scores" / "scores.csv").read_text()


@pytest.mark.slow  # the README's are run above
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_of_a_page_works_as_printed(page, page_shell):
    start = page_shell.folder
    for words in list_commands(read_page(page)):
        page_shell.run(words)
    CHECKS.get(page, lambda shell, folder: None)(page_shell, start)


def check_tutorial(shell: Shell, folder: Path) -> None:
    assert shell.count("livecell", "train") == 3
    with open(folder / "runs.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {Path(row["run"]).name for row in rows} == {"plain", "bce", "small"}
    assert "plain" in (folder / "runs.html").read_text(encoding="utf-8")
    first, second = ((folder / name / "field_01.tif").read_bytes() for name in ("masks", "again"))
    assert first == second


def check_monai_bundle(shell: Shell, folder: Path) -> None:
    assert shell.count("python", "-m", "monai.bundle") >= 6
    assert (folder / "by_monai" / "predictions" / "field_01.tif").is_file()
    assert "field_01" in (folder / "by_monai" / "evaluation" / "scores.csv").read_text()


def check_microscope_files(shell: Shell, folder: Path) -> None:
    assert (folder / "large" / "field_01.ome.tif").is_file()
    assert (folder / "large_zarr" / "field_01.ome.zarr").is_dir()
    assert list((folder / "movie").glob("*_confluency.png"))


CHECKS = {
    "docs/tutorial.md": check_tutorial,
    "docs/monai-bundle.md": check_monai_bundle,
    "docs/microscope-files.md": check_microscope_files,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in list_targets(read_page(page)):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in list_anchors(path.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_index():
    index = set(list_targets(read_page("docs/README.md")))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= index
    records = {path.name for path in (ROOT / "docs" / "decisions").glob("*.md")} - {"README.md"}
    assert records == set(list_targets(read_page("docs/decisions/README.md")))


def test_the_readme_is_short():
    assert len(read_page(README).splitlines()) <= 180


def test_the_readme_shows_a_picture_that_is_there():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", read_page(README))
    assert len(pictures) == 1
    assert (ROOT / pictures[0]).stat().st_size < 1_000_000


def test_the_figures_are_filled_in():
    text = read_page(README)
    assert not re.search(r"FIGURES|TODO|TBD|XXX", text)
    assert re.search(r"\| \*\*0\.\d+\*\* \(0\.\d+ \.\. 0\.\d+\) \|", text)


@pytest.mark.parametrize("row", re.findall(r"0\.\d{3} (?:\(|\| )0\.\d{3} \.\. 0\.\d{3}", read_page(README)))
def test_a_score_of_the_readme_is_measured(row):
    score, low, high = re.findall(r"0\.\d{3}", row)
    assert re.search(rf"{score}\D+{low} \.\. {high}", read_page("docs/benchmarks.md"))


def test_the_map_names_every_package():
    packages = {path.parent.name for path in (ROOT / "livecell_monai").glob("*/__init__.py")}
    named = set(re.findall(r"`livecell_monai/(\w+)/`", read_page("docs/architecture.md")))
    assert packages == named
