"""The house keeps its promises: short files, short functions, no clutter."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from livecell_monai import experiments

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "livecell_monai").rglob("*.py"))
LONGEST_FILE = 260
MOST_PARAMETERS = 8  # self and cls not counted
LONGEST_FUNCTION = 45  # lines of code: docstrings, which state shapes and units, do not count
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: functions that still take more; to be emptied
PLAIN = ("sample.py", "outputs/base.py")  # records and protocols: nothing to test
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


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    return len([one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")])


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a command of the CLI, whose parameters are its options."""
    calls = [one.func for one in function.decorator_list if isinstance(one, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr == "command" for call in calls)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_takes_few_parameters(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, FUNCTIONS)]
    counts = {one.name: count_parameters(one) for one in functions if not is_command(one)}
    place = path.relative_to(ROOT / "livecell_monai").as_posix()
    many = {f"{place}:{name}" for name, count in counts.items() if count > MOST_PARAMETERS}
    assert not many


def test_every_source_file_has_its_test() -> None:
    modules = [path.relative_to(ROOT / "livecell_monai") for path in SOURCES if not path.name.startswith("__")]
    # the command line is tested by command
    tested = [path for path in modules if path.parts[0] != "cli" and str(path) not in PLAIN]
    expected = {path.parent / f"test_{path.name}" for path in tested}
    assert not [str(path) for path in sorted(expected) if not (ROOT / "tests" / path).is_file()]


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
