"""Every command that the README prints is run as it stands, with settings behind it that make it small."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.commands import list_commands, run_livecell, run_monai

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_of_the_readme_works_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(ROOT / "bundle", tmp_path / "bundle", ignore=shutil.ignore_patterns("trained", "*.db"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    folder = tmp_path
    ran = []
    for words in list_commands(README):
        match words:
            case ["make", target]:
                assert target in targets
            case ["cd", name]:
                folder = (folder / name).resolve()
                (folder / "schema.json").write_text(json.dumps({"type": "object", "required": ["network_data_format"]}))
            case ["livecell", *_]:
                run_livecell(words, monkeypatch)
            case ["python", "-m", "monai.bundle", *_]:
                run_monai(words, folder)
            case ["mlflow", "ui"]:
                assert (tmp_path / "mlflow.db").is_file()
            case _:
                pytest.fail(f"no one tries {words}")
        ran.append(words[0])
    assert ran.count("livecell") >= 7
    assert ran.count("python") >= 6
    assert (tmp_path / "masks" / "field_01.tif").is_file()
    assert (tmp_path / "trained" / "predictions" / "field_01.tif").is_file()
    assert "field_01" in (tmp_path / "trained" / "evaluation" / "scores.csv").read_text()


def test_the_map_of_the_readme_names_every_room():
    rooms = {path.parent.name for path in (ROOT / "livecell_monai").glob("*/__init__.py")}
    assert rooms <= set(re.findall(r"`livecell_monai/(\w+)/`", README))


def test_the_readme_shows_a_picture_that_is_there():
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / name).stat().st_size < 1_000_000


def test_the_figures_are_filled_in():
    assert not re.search(r"FIGURES|TODO|TBD|XXX", README)
    assert re.search(r"\| \*\*0\.\d+\*\* \(0\.\d+ \.\. 0\.\d+\) \|", README)
