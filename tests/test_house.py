"""The house keeps its promises: short files, short functions, no clutter."""

import ast
import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from livecell_monai import experiments

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "livecell_monai").rglob("*.py"))
LONGEST_FILE = 260
LONGEST_FUNCTION = 45  # lines of code: docstrings, which state shapes and units, do not count
RENAMED = {"weights": "test_weights_loading", "training": "test_training_figures"}
CLUTTER = {"utils", "helpers", "common", "misc"}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    has_docstring = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if has_docstring else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    assert path.stem not in CLUTTER
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node) <= LONGEST_FUNCTION, node.name


def test_every_source_file_has_its_test() -> None:
    tests = [path.stem for path in (ROOT / "tests").rglob("test_*.py")]
    missing = []
    for stem, count in Counter(path.stem for path in SOURCES if path.parent.name != "cli").items():  # cli has one door
        # tests lie in no packages: of two sources of one name, one test has a word more in its own
        found = [name for name in tests if name in (f"test_{stem}", RENAMED.get(stem)) or name.endswith(f"_{stem}")]
        if stem != "__init__" and len(found) < count:
            missing.append(stem)
    assert missing in ([], ["sample"])


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, livecell_monai; print([m for m in ('torch', 'monai', 'numpy', 'mlflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mlflow_is_kept_from_telling_its_makers_what_it_is_used_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    importlib.reload(experiments)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    importlib.reload(experiments)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"  # who wants it may have it


def test_only_one_place_reaches_for_the_bundle_by_its_own_path() -> None:
    users = [path.name for path in SOURCES if "__file__" in path.read_text(encoding="utf-8")]
    assert users == ["template.py"]
