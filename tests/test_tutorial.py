"""Every command of the tutorial is run as it stands, with settings behind it that make it small."""

import csv
from pathlib import Path

from tests.support.commands import list_commands, run_livecell

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_from_images_to_a_comparison_of_three_trainings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    commands = list_commands(TUTORIAL)
    for words in commands:
        run_livecell(words, monkeypatch)
    assert [words[1] for words in commands].count("train") == 3
    with open("runs.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {Path(row["run"]).name for row in rows} == {"plain", "bce", "small"}
    assert "plain" in Path("runs.html").read_text(encoding="utf-8")
    first, second = ((tmp_path / folder / "field_01.tif").read_bytes() for folder in ("masks", "again"))
    assert first == second
