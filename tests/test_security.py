"""What SECURITY.md promises: no pickle is read, known holes are left out, nothing listens but on loopback."""

import ast
import pickle
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.small_training import QUIET, train_small

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "livecell_monai").rglob("*.py"))
PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
#: lowest versions without known holes in loading weights, opening bundles and serving
LOWEST = {"monai": (1, 6, 1), "torch": (2, 10), "mlflow": (3, 15, 2)}


def names_of(call):
    """`torch.load` of a call of it, as written."""
    return ast.unparse(call.func)


def find_unpickling(text):
    """What in a source could read a pickle, by its line."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.split(".")[0] in PICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLERS:
            found += [(node.lineno, name.name) for name in node.names if name.name not in ("PickleError", "UnpicklingError")]
        elif isinstance(node, ast.Call):
            given = {named.arg: ast.unparse(named.value) for named in node.keywords}
            called = names_of(node)
            if called == "torch.load" and given.get("weights_only") != "True":
                found.append((node.lineno, called))
            if called in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False":
                found.append((node.lineno, called))
            if called.split(".")[-1] in ("read_pickle", "Unpickler", "load_module", "add_safe_globals"):
                found.append((node.lineno, called))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_reads_a_pickle(path):
    assert find_unpickling(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.externals",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
    ],
)
def test_the_search_finds_what_it_looks_for(text):
    assert len(find_unpickling(text)) == 1


def test_configs_name_nothing_that_reads_a_pickle():
    for path in (ROOT / "bundle" / "configs").glob("*.yaml"):
        assert not re.search(r"pickle|NumpyReader|torch\.load|CheckpointLoader|joblib", path.read_text(encoding="utf-8")), (
            path
        )


class HookedPickleError(AssertionError):
    """Somebody has read a pickle."""


@pytest.fixture
def hooked(monkeypatch):
    """Every door of Python's pickle, closed."""

    def refuse(*given, **named):
        raise HookedPickleError

    class Unpickler:
        def __init__(self, *given, **named):
            raise HookedPickleError

    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ("Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, Unpickler)


@pytest.mark.slow
def test_training_predicting_scoring_and_reporting_read_no_pickle(folder, tmp_path, hooked):
    from livecell_monai.report.bundle_page import write_bundle_page
    from livecell_monai.tasks import evaluate, predict

    with pytest.raises(HookedPickleError):
        pickle.loads(pickle.dumps(1))
    bundle = tmp_path / "model"
    train_small(folder, bundle, epochs=1)
    predict(bundle, [folder / "test" / "images"], tmp_path / "masks", QUIET)
    evaluate(bundle, folder, tmp_path / "scores", QUIET)
    write_bundle_page(bundle, tmp_path / "page.html", folder)


def test_lowest_versions_leave_known_holes_out():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for name, least in LOWEST.items():
        (rule,) = (each for each in asked if re.match(rf"{name}[<>=!~]", each))
        lowest = re.search(r">=([\d.]+)", rule)[1]
        assert tuple(map(int, lowest.split("."))) >= least, rule
        assert f"{name} {lowest}" in text


def test_what_is_started_listens_on_loopback():
    """Each address that the package binds is written out, and is loopback's."""
    bound = re.compile(r"TCPStore\(|LocalCluster\(|HTTPServer\(|\.bind\(|create_server\(|uvicorn|waitress|gunicorn")
    places = {}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "0.0.0.0" not in text, path
        for found in bound.finditer(text):
            places[path.name, found[0]] = text[found.start() : found.start() + 300]
    assert set(places) == {("processes.py", "TCPStore("), ("cluster.py", "LocalCluster(")}
    assert "127.0.0.1" in places["processes.py", "TCPStore("]
    assert "host=LOOPBACK" in places["cluster.py", "LocalCluster("]
    assert 'LOOPBACK = "127.0.0.1"' in (ROOT / "livecell_monai/distributed/dask/cluster.py").read_text(encoding="utf-8")
