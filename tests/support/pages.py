"""The documentation's Markdown: its pages, their commands and links; commands run on data small enough for a test."""

import json
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from livecell_monai import cli
from tests.support.fresh import run_python

ROOT = Path(__file__).parents[2]
SMALL = {"epochs": "1", "samples_per_epoch": "4", "batch_size": "2", "patch_size": "[64,64]"}
SMALL_WINDOW = {"window": "[64,64]", "show_progress": "False"}
STUDIES = ("crossval", "learning-curve", "sweep")


def list_pages() -> list[Path]:
    """The README and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read_page(name: str) -> str:
    """The text of a page by its path below the repository's root."""
    return (ROOT / name).read_text(encoding="utf-8")


def list_commands(text: str) -> list[list[str]]:
    """The words of each command in the bash blocks of a Markdown text."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def list_targets(text: str) -> list[str]:
    """The targets of the links and pictures of a Markdown text, code left out."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def list_anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@dataclass
class Shell:
    """Runs the commands of a page as a reader would, from one folder, with settings added that make them small.

    Attributes:
        folder: where the next command runs.
        by_clock: whether `--minutes` of a training stays, as three seconds; otherwise it trains for one epoch, in less.
        ran: the commands so far.
    """

    folder: Path
    by_clock: bool = False
    ran: list[list[str]] = field(default_factory=list)

    def run(self, words: list[str]) -> None:
        """Run one command; it must succeed."""
        match words:
            case ["make", target]:
                assert target in _make_targets()
            case ["cd", name]:
                self.folder = (self.folder / name).resolve()
                (self.folder / "schema.json").write_text(json.dumps({"type": "object", "required": ["network_data_format"]}))
            case ["livecell", *_]:
                run_livecell(words, self.by_clock)
            case ["python", "-m", "monai.bundle", *_]:
                run_monai(words, self.folder)
            case ["mlflow", "ui"]:
                assert (self.folder / "mlflow.db").is_file()
            case _:
                pytest.fail(f"no test runs {words}; add it here, or mark its block `sh`")
        self.ran.append(words)

    def count(self, *start: str) -> int:
        """How many of the commands that were run begin so."""
        return sum(words[: len(start)] == list(start) for words in self.ran)


def copy_world(world: Path, folder: Path) -> None:
    """A folder as the README's first commands leave it, and the bundle's template beside."""
    shutil.copytree(world, folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "bundle", folder / "bundle", ignore=shutil.ignore_patterns("*.db"))


def run_livecell(words: list[str], by_clock: bool = False) -> None:
    """Run a `livecell` command in this process; it must succeed."""
    words = [*_shorten(words, by_clock), *_added(words)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert end.value.code == 0, words


def run_monai(words: list[str], folder: Path) -> None:
    """Run a `python -m monai.bundle` command in a process of its own; it must succeed."""
    given: list[str] = []
    if words[3] == "run":
        settings = SMALL | SMALL_WINDOW | {"filters": "[4,8]"} if words[4] == "training" else SMALL_WINDOW
        given = [option for name, value in settings.items() for option in (f"--{name}", value)]
    done = run_python(*words[1:], *given, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _added(words: list[str]) -> list[str]:
    command = words[1]
    if command == "sample":
        return ["--size", "128", "--test", "2"]
    trains = command in ("train", *STUDIES)
    small = SMALL | SMALL_WINDOW if trains else SMALL_WINDOW if command in ("predict", "evaluate") else {}
    added = [option for name, value in small.items() for option in ("--set", f"{name}={value}")]
    if trains and not any(word.startswith("filters=") for word in words):
        added += ["--set", "filters=[4,8]"]
    if command == "learning-curve":
        added += ["--draws", "1", "--by", "images"]
    return added


def _shorten(words: list[str], by_clock: bool) -> list[str]:
    """Few minutes, and no epochs but those of SMALL; studies take these in any case."""
    dropped = {"--epochs"} if by_clock and words[1] == "train" else {"--epochs", "--minutes"}
    kept: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if word not in dropped and before not in dropped:
            kept.append("0.05" if before == "--minutes" else word)
    return kept


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read_page("Makefile"), flags=re.MULTILINE))
