"""Every command that the README prints is run as it stands, with settings behind it that make it small."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from livecell_monai import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = {"epochs": "1", "samples_per_epoch": "4", "batch_size": "2", "patch_size": "[64,64]"}
SMALL_WINDOW = {"window": "[64,64]", "show_progress": "False"}


def readme_commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_livecell(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"train": SMALL | SMALL_WINDOW, "predict": SMALL_WINDOW, "evaluate": SMALL_WINDOW}.get(words[1], {})
    given = [option for name, value in small.items() for option in ("--set", f"{name}={value}")]
    if words[1] == "sample":
        given = ["--size", "128", "--test", "2"]
    if words[1] == "train" and not any(word.startswith("filters=") for word in words):
        given += ["--set", "filters=[4,8]"]
    minutes = {index + 1 for index, word in enumerate(words) if word == "--minutes"}
    words = ["0.05" if index in minutes else word for index, word in enumerate(words)]
    monkeypatch.setattr(sys, "argv", [*words, *given])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0, words


def run_monai(words: list[str], folder: Path) -> None:
    given: list[str] = []
    if words[3] == "run":
        settings = SMALL | SMALL_WINDOW | {"filters": "[4,8]"} if words[4] == "training" else SMALL_WINDOW
        given = [option for name, value in settings.items() for option in (f"--{name}", value)]
    done = subprocess.run([sys.executable, *words[1:], *given], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_command_of_the_readme_works_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(ROOT / "bundle", tmp_path / "bundle", ignore=shutil.ignore_patterns("trained", "*.db"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    folder = tmp_path
    ran = []
    for words in readme_commands():
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
