"""Every combination of the configs: complete, resolvable, without unread keys, and the same by MONAI and by livecell."""

import functools
import hashlib
import inspect
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from ignite import distributed as idist
from ignite.engine import Engine
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out
from monai.bundle.config_item import ComponentLocator
from monai.bundle.properties import InferProperties, TrainProperties
from monai.utils.module import optional_import

from livecell_monai import __version__
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.bundle.weights import load_weights
from livecell_monai.metrics import score_mask
from livecell_monai.network.heads import Head
from livecell_monai.plan import write_plan
from livecell_monai.settings import list_settings
from livecell_monai.tasks import evaluate, predict
from livecell_monai.training.setup import plan
from tests.support.small_training import CELL_MAPS, QUIET, SMALL, train_small
from tests.support.worlds import some_cells

BUNDLE = find_template()
CONFIGS = BUNDLE / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
TRAINING = ["inference", "train"]
COMBINATIONS = {
    "inference": "infer",
    "inference evaluate": "infer",
    "inference train": "train",
    "inference train multi_gpu_train": "train",
    "inference train multi_gpu_train smoke": "train",
    "inference train original": "train",
    "inference train smoke": "train",
    "inference train original smoke": "train",
}
PUBLIC = {"initialize", "run", "training", "evaluating", "inferring", "finalize"}
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
every_combination = pytest.mark.parametrize("combination", COMBINATIONS)


def load(combination):
    """The merged config of a combination such as "inference train"."""
    return ConfigParser.load_config_files([str(CONFIGS / f"{name}.yaml") for name in combination.split()])


def walk(node, path=""):
    """Every (path, value) of a config."""
    yield path, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in parts:
        yield from walk(value, f"{path}#{key}" if path else str(key))


def locate(target):
    """What MONAI would call for a `_target_`."""
    module, _, name = target.rpartition(".")
    return optional_import(module or _short_names().get_component_module_name(target), name=name)


@functools.cache
def _short_names():
    return ComponentLocator()


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A copy of the bundle as the working folder, as for users of `monai.bundle`."""
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path / "bundle")
    return tmp_path / "bundle"


class TestCombinations:
    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch):
        """The environment that torchrun sets for a single process; the process group is left after the test."""
        place = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0}
        for name, value in place.items():
            monkeypatch.setenv(name, str(value))
        yield
        idist.finalize()

    @pytest.fixture
    def paths(self, folder, tmp_path):
        """Paths and settings by combination; `nothing` is initialised, because a template has no weights."""

        def of(combination):
            data = folder if combination != "inference" else folder / "test" / "images"
            # properties are made, so a network of 31 million parameters and 2,000 patches are left out
            small = {"filters": [4, 8], **({"samples_per_epoch": 8} if "train" in combination else {})}
            return {"dataset_dir": str(data), "output_dir": str(tmp_path / "out"), **small}

        return of

    @every_combination
    def test_have_all_properties(self, combination, paths):
        kind = COMBINATIONS[combination]
        workflow = open_bundle(BUNDLE, combination.split(), None, paths(combination), workflow_type=kind).workflow
        workflow.init_id = "nothing"
        workflow.initialize()
        assert workflow.check_properties() == []

    @every_combination
    @pytest.mark.filterwarnings("ignore:ConfigWorkflow will execute:UserWarning")
    def test_have_all_properties_with_monais_own_workflow(self, combination, paths, inside):
        """Relative files, from inside the bundle."""
        files = [f"configs/{name}.yaml" for name in combination.split()]
        kind = COMBINATIONS[combination]
        workflow = ConfigWorkflow(files, workflow_type=kind, logging_file=False, init_id="nothing", **paths(combination))
        workflow.initialize()
        assert workflow.check_properties() == []

    def test_a_missing_property_would_be_found(self, paths):
        workflow = open_bundle(BUNDLE, ["inference"], None, paths("inference")).workflow
        workflow.init_id = "nothing"
        del workflow.parser.config["inferer"]
        workflow.parser["evaluator#inferer"] = workflow.parser["segmenter#inferer"] = None
        workflow.initialize()
        with pytest.raises(KeyError, match="Property 'inferer' with config ID 'inferer' not in the config"):
            workflow.check_properties()

    @pytest.mark.parametrize("combination", [*COMBINATIONS, "inference foreign", "inference foreign evaluate"])
    def test_every_target_is_there_and_takes_its_arguments(self, combination):
        for path, node in walk(load(combination)):
            if isinstance(node, dict) and "_target_" in node:
                target, found = locate(node["_target_"])
                assert found, f"{path}: {node['_target_']}"
                given = {key for key in node if not key.startswith("_")}
                if node.get("_mode_") != "callable":
                    inspect.signature(target).bind_partial(**dict.fromkeys(given))

    def test_a_misspelt_argument_would_be_found(self):
        target, _ = locate("SupervisedEvaluator")
        with pytest.raises(TypeError, match="unexpected keyword argument 'val_handler'"):
            inspect.signature(target).bind_partial(val_handler=None)
        assert not locate("livecell_monai.training.Nothing")[1]

    def test_overlays_change_something(self):
        known = list_settings(TRAINING)
        for overlay in ("original", "smoke"):
            settings = ConfigParser.load_config_file(str(CONFIGS / f"{overlay}.yaml"))
            assert any(known[name] != value for name, value in settings.items())


def find_unread(config, public):
    """Entries of a config that nothing reads: not public, and not referenced by a public one.

    An entry is a key of the first level or, in a mapping that is no component (`train`, `validate`), of the second.
    """
    spaces = {key for key, value in config.items() if isinstance(value, dict) and "_target_" not in value}
    entries = {f"{space}#{key}": value for space in spaces for key, value in config[space].items()}
    entries |= {key: value for key, value in config.items() if key not in spaces}

    def named(name):
        parts = name.split("#")
        if parts[0] in spaces:
            return [e for e in entries if e.split("#")[0] == parts[0] and (len(parts) == 1 or e.split("#")[1] == parts[1])]
        return [parts[0]] if parts[0] in entries else []

    read, waiting = set(), [entry for name in public for entry in named(name)]
    while waiting:
        entry = waiting.pop()
        if entry in read:
            continue
        read.add(entry)
        for _, value in walk(entries[entry]):
            if isinstance(value, str) and value.startswith(("$", "@", "%")):
                waiting += [
                    e for name in re.findall(r"[@%]([A-Za-z_][\w#:]*)", value.replace("::", "#")) for e in named(name)
                ]
    return set(entries) - read


class TestEveryKeyIsRead:
    COMBINATION = pytest.mark.parametrize(
        ("name", "combination", "properties"),
        [
            ("inference", "inference", InferProperties),
            ("evaluate", "inference evaluate", InferProperties),
            ("foreign", "inference foreign", InferProperties),
            ("train", "inference train", TrainProperties),
            ("multi_gpu_train", "inference train multi_gpu_train", TrainProperties),
        ],
    )

    def unread(self, name, combination, properties, extra=None):
        own = {key.lstrip("+") for key in ConfigParser.load_config_file(str(CONFIGS / f"{name}.yaml"))}
        config = load(combination)
        if extra:
            config |= extra
            own |= set(extra)
        public = PUBLIC | {value["id"].replace("::", "#") for value in properties.values()}
        return {entry for entry in find_unread(config, public) if entry.split("#")[0] in own}

    @COMBINATION
    def test_in_the_file_that_has_it(self, name, combination, properties):
        assert self.unread(name, combination, properties) == set()

    @COMBINATION
    def test_an_unread_one_would_be_found(self, name, combination, properties):
        extra = {"left_over": 3, "also": "@left_over", "whole": {"_target_": "Identity", "x": "@whole"}}
        assert self.unread(name, combination, properties, extra) == {"left_over", "also", "whole"}

    def test_an_unread_one_within_a_namespace_would_be_found(self):
        config = load("inference train")
        config["train"]["left_over"] = {"_target_": "Identity"}
        assert "train#left_over" in find_unread(config, PUBLIC | {"train#dataset"})


class TestText:
    @every_file
    def test_no_absolute_path_and_no_position_in_a_list(self, path):
        for place, value in walk(ConfigParser.load_config_file(str(path))):
            if isinstance(value, str):
                assert not re.match(r"[$'\"]*(/|~|[A-Za-z]:\\)", value), place
                assert not re.search(r"@[\w#:]*[#:]\d", value), place

    @every_file
    def test_expressions_are_short(self, path):
        for place, value in walk(ConfigParser.load_config_file(str(path))):
            if isinstance(value, str) and value.startswith("$"):
                assert len(value) <= 80, place

    def test_every_metric_that_is_used_is_one_that_is_defined(self):
        config = load("inference train")["validate"]
        defined = {*config["key_metric"], *config["additional_metrics"]}
        assert list(config["key_metric"]) == ["val_iou"]  # the best checkpoint and `History.best` go by it
        assert defined == {f"val_{name}" for name in ("iou", "accuracy", "loss")}
        stopping = load("inference train")["early_stop"]["score_function"]
        assert re.search(r"stopping_fn_from_metric\('(\w+)'\)", stopping)[1] in defined

    def test_version_is_in_the_changelog_and_that_of_the_package(self):
        metadata = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
        assert metadata["version"] in metadata["changelog"]
        assert metadata["version"] == __version__


class TestKeyMetrics:
    """An empty image counts: 1 if nothing was found, else 0."""

    EMPTY = np.zeros((8, 10), bool)
    SPECK = np.eye(8, 10, dtype=bool)

    @pytest.fixture(params=["evaluate", "train", "validate"])
    def score(self, request):
        """Scores a list of (mask, truth) by the metric of the configs."""
        combination = ["inference", "evaluate"] if request.param == "evaluate" else TRAINING
        place = "key_metric" if request.param == "evaluate" else f"{request.param}#key_metric"
        parser = open_bundle(BUNDLE, combination).workflow.parser

        def run(pairs):
            def plane(mask):
                return torch.as_tensor(mask, dtype=torch.float32)[None]

            outputs = [{"pred": plane(mask), "label": plane(truth)} for mask, truth in pairs]
            if request.param == "train":  # its engine does not take batches apart
                outputs = {key: torch.stack([output[key] for output in outputs]) for key in ("pred", "label")}
            engine = Engine(lambda *_: outputs)
            ((name, metric),) = parser.get_parsed_content(place).items()
            metric.attach(engine, name)
            return float(engine.run([0]).metrics[name])

        return run

    def test_nothing_found_where_nothing_is(self, score):
        assert score([(self.EMPTY, self.EMPTY)]) == 1

    def test_something_found_where_nothing_is(self, score):
        assert score([(self.SPECK, self.EMPTY)]) == 0

    def test_the_mean_is_over_images_and_each_is_score_mask(self, score):
        pairs = [(some_cells(seed=i) > 0, some_cells(seed=i + 50) > 0) for i in range(3)]
        pairs += [(pairs[0][0] & False, pairs[0][1] & False), (pairs[0][0], pairs[0][1] & False)]
        expected = [score_mask(mask, truth).iou for mask, truth in pairs]
        assert expected[3:] == [1, 0]
        assert score(pairs) == pytest.approx(np.mean(expected), rel=1e-6)


class TestPanopticQuality:
    """The evaluator's metrics have the PQ of all cells together."""

    @pytest.fixture
    def evaluate_bundle(self, trained, tmp_path):
        """Evaluates the trained bundle on the test images of a folder; the opened bundle after it."""

        def run(data):
            paths = {"dataset_dir": str(data), "output_dir": str(tmp_path / "scores")}
            opened = open_bundle(trained[1], ["inference", "evaluate"], QUIET, paths)
            opened.initialize()
            opened.run()
            return opened

        return run

    def test_is_that_of_the_scores(self, evaluate_bundle, trained):
        opened = evaluate_bundle(trained[0])
        found, summary = opened.evaluator.state.metrics, opened.writer.summary
        assert found["test_pq"] == pytest.approx(summary["pooled_pq"], rel=1e-5)
        assert 0 < found["test_pq"] < 1
        assert found["test_iou"] == pytest.approx(summary["iou"]["mean"], rel=1e-6)

    def test_is_no_number_where_labels_are_binary(self, evaluate_bundle, trained, tmp_path):
        shutil.copytree(trained[0], tmp_path / "binary")
        for path in (tmp_path / "binary" / "test" / "labels").iterdir():
            tifffile.imwrite(path, (tifffile.imread(path) > 0).astype(np.uint8))
        opened = evaluate_bundle(tmp_path / "binary")
        assert np.isnan(opened.evaluator.state.metrics["test_pq"])
        assert "pooled_pq" not in opened.writer.summary


SCHEMA = {
    "type": "object",
    # the keys that the MONAI Bundle specification asks for: https://docs.monai.io/en/stable/mb_specification.html
    "required": [
        *("version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
        *("task", "description", "authors", "copyright", "network_data_format", "changelog"),
    ],
    "properties": {
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "changelog": {"type": "object", "additionalProperties": {"type": "string"}},
        "required_packages_version": {"type": "object", "additionalProperties": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "additionalProperties": {"type": "object", "additionalProperties": {"$ref": "#/definitions/plane"}},
        },
    },
    "definitions": {
        "plane": {
            "type": "object",
            "required": [
                *("type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data", "channel_def"),
            ],
            "properties": {"num_channels": {"type": "integer"}, "spatial_shape": {"type": "array", "minItems": 2}},
        }
    },
}


class TestMonaisOwnChecks:
    @pytest.fixture(params=["template", "trained", "separating"])
    def bundle(self, request, tmp_path, monkeypatch):
        source = BUNDLE if request.param == "template" else request.getfixturevalue(request.param)[1]
        shutil.copytree(source, tmp_path / "bundle")
        monkeypatch.chdir(tmp_path / "bundle")
        return tmp_path / "bundle"

    @pytest.fixture
    def served(self, tmp_path):
        """A folder and the address at which this machine serves it."""
        folder = tmp_path / "served"
        folder.mkdir()

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
        server.server_close()

    @pytest.mark.parametrize("lacking", [None, "changelog", "network_data_format"])
    def test_verify_metadata(self, bundle, served, tmp_path, lacking):
        pytest.importorskip("jsonschema")
        folder, address = served
        (folder / "schema.json").write_text(json.dumps(SCHEMA))
        metadata = json.loads(Path("configs/metadata.json").read_text()) | {"schema": f"{address}/schema.json"}
        if lacking:
            del metadata[lacking]
        Path("metadata.json").write_text(json.dumps(metadata))
        digest = hashlib.sha256((folder / "schema.json").read_bytes()).hexdigest()
        given = {"filepath": str(tmp_path / "schema.json"), "hash_val": digest, "hash_type": "sha256"}
        if lacking:
            with pytest.raises(ValueError, match=f"'{lacking}' is a required property"):
                verify_metadata(meta_file="metadata.json", **given)
        else:
            verify_metadata(meta_file="metadata.json", **given)

    @pytest.mark.parametrize("n", [1, 3])
    def test_verify_net_in_out(self, bundle, n):
        verify_net_in_out("network_def", "configs/metadata.json", "configs/inference.yaml", device="cpu", n=n)

    def test_the_sizes_of_the_metadata_are_those_of_the_network(self, bundle):
        network = ConfigParser(ConfigParser.load_config_file("configs/inference.yaml")).get_parsed_content("network_def")
        shapes = json.loads(Path("configs/metadata.json").read_text())["network_data_format"]
        for plane in (shapes["inputs"]["image"], shapes["outputs"]["pred"]):
            assert plane["spatial_shape"] == [f"{network.multiple}*n"] * 2

    def test_metadata_name_the_maps_of_the_network(self, bundle):
        outputs = Head(ConfigParser.load_config_file("configs/inference.yaml")["maps"]).outputs
        pred = json.loads(Path("configs/metadata.json").read_text())["network_data_format"]["outputs"]["pred"]
        assert pred["num_channels"] == len(outputs)
        assert pred["channel_def"] == {str(channel): name for channel, name in enumerate(outputs)}

    def test_ckpt_export(self, separating, tmp_path, monkeypatch):
        shutil.copytree(separating[1], tmp_path / "bundle")
        monkeypatch.chdir(tmp_path / "bundle")
        ckpt_export(config_file="configs/inference.yaml", filepath="models/model.ts")
        network = open_bundle(".", ["inference"]).network_def
        load_weights(network, "models/model.safetensors").eval()
        image = torch.rand(1, 1, 32, 48)
        files = {"inference.json": ""}
        exported = torch.jit.load("models/model.ts", _extra_files=files).eval()
        with torch.no_grad():
            torch.testing.assert_close(exported(image), network(image))
        assert json.loads(files["inference.json"])["filters"] == SMALL["filters"]


@pytest.fixture
def monai_bundle(monkeypatch):
    """Runs `python -m monai.bundle run` in a folder."""

    def run(folder, run_id, configs, **settings):
        options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        files = str([f"configs/{name}.yaml" for name in configs])
        command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", run_id, "--config_file", files, *options]
        done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.mark.slow  # the README's own commands run training, evaluation and inference by MONAI too
def test_monais_command_does_the_same_as_ours(bordered, tmp_path, monai_bundle):
    """Train, evaluate and predict masks and cells by `python -m monai.bundle run`, to the bit."""
    settings = {**SMALL, "maps": CELL_MAPS}
    train_small(bordered, tmp_path / "ours", seed=2, **settings)
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    choices, head = plan(bordered, settings=settings)
    write_plan(tmp_path / "bundle" / "configs" / "plan.yaml", choices, head)
    planned = [*TRAINING, "plan"]
    told = monai_bundle(
        tmp_path / "bundle", "training", planned, dataset_dir=bordered, output_dir=tmp_path / "theirs", seed=2, **settings
    )
    assert "Epoch" in told  # configs/logging.conf makes training speak
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert (theirs / "docs" / "history.csv").read_bytes() == (ours / "docs" / "history.csv").read_bytes()
    first, second = (torch.load(bundle / "models" / "model.pt", weights_only=True) for bundle in (ours, theirs))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    for name in ("settings.yaml", "inference.yaml", "train.yaml", "evaluate.yaml"):
        assert (theirs / "configs" / name).read_bytes() == (ours / "configs" / name).read_bytes()

    evaluate(ours, bordered, tmp_path / "our scores", QUIET)
    monai_bundle(theirs, "evaluating", ["inference", "evaluate"], dataset_dir=bordered, output_dir=tmp_path / "their scores")
    name = "scores.json"
    assert (tmp_path / "their scores" / name).read_bytes() == (tmp_path / "our scores" / name).read_bytes()

    predict(ours, [bordered / "test" / "images"], tmp_path / "our masks", QUIET)
    monai_bundle(theirs, "inferring", ["inference"], dataset_dir=bordered / "test" / "images", output_dir="masks")
    written = sorted((tmp_path / "our masks").iterdir())
    assert {"cells.csv", "test_00.tif", "test_00_cells.tif"} <= {path.name for path in written}
    for path in written:
        if path.name != "summary.csv":  # it has the seconds of each image
            assert (theirs / "masks" / path.name).read_bytes() == path.read_bytes()
    assert logging.getLogger().level == logging.WARNING  # ours has left the caller's logging alone
