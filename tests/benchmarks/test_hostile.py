"""Hostile bundles: what they carry runs by MONAI's own command, and by no door of livecell."""

import json
import random
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from soak.hostile import World, call, doors, find_harm, mutate, open_by_monai, plant
from soak.hostile_bundles import ATTACKS, MODEL

from tests.support.page_facts import NASTY

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MOST_LINE = 600  # characters: a path stands in it
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(trained, empty_store, tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    shutil.copyfile(empty_store, root / "mlflow.db")
    shutil.copytree(trained[1], root / "model", ignore=shutil.ignore_patterns("report.html", "*.png", "last.pt"))
    return World(root, trained[0], root / "model")


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def predict(world, bundle, out, *words):
    return call("predict", bundle, world.data / "test" / "images", "-o", out / "x", "--set", "show_progress=false", *words)


def fire(world, name, bundle, out):
    """Be careless with an attack."""
    if ATTACKS[name].fires == "monai":
        open_by_monai(world, bundle, out)
    else:
        with suppress(Exception):
            torch.load(bundle / MODEL, weights_only=False)


def test_the_bundle_that_they_are_made_of_is_good(world, out):
    for name in ("predict", "evaluate", "serve"):
        assert doors(world, world.good, out)[name]().code == 0, name


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_run_and_what_is_read_is_refused_in_one_line(world, out, name):
    bundle, canary = plant(world, name)
    outcome = doors(world, bundle, out)["predict"]()
    assert find_harm(outcome, canary, out, ATTACKS[name].is_ignored) is None
    if ATTACKS[name].is_ignored:
        assert outcome.code == 0
    else:
        assert str(bundle) in outcome.err or "setting " in outcome.err
        assert len(outcome.err) < MOST_LINE
    if ATTACKS[name].fires:  # it is no dud
        fire(world, name, bundle, out)
        assert canary.exists()


@pytest.mark.parametrize("name", ["expression", "pickle", "metadata"])
@pytest.mark.parametrize("door", ["evaluate", "report", "register", "serve"])
def test_by_every_other_door(world, out, name, door):
    bundle, canary = plant(world, name)
    assert find_harm(doors(world, bundle, out)[door](), canary, out, ATTACKS[name].is_ignored) is None


def test_payloads_and_bytes_in_random_places(world, out):
    generator = random.Random(0)
    for number in range(10):
        name, harmless = mutate(world, generator)
        outcome = predict(world, world.root / "hostile", out)
        harm = find_harm(outcome, world.root / "canary", out, harmless)
        assert harm is None, (number, name, harm)
        shutil.rmtree(out / "x", ignore_errors=True)


def test_python_files_beside_the_configs_cannot_be_imported(world, out, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert predict(world, world.good, out).code == 0
    assert str(world.good) not in sys.path
    open_by_monai(world, world.good, out)
    assert str(world.good) in sys.path  # a module there would be found ahead of Python's own


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..", ".", "a/b", "a\0b", "a\nb"])
def test_names_of_a_datalist_lead_nowhere(world, out, name):
    entry = {"image": str(world.data / "test/images/test_00.tif"), "label": str(world.data / "test/labels/test_00.tif")}
    path = out.parent / "list.json"
    path.write_text(json.dumps({"test": [{**entry, "name": name}]}))
    outcome = call("evaluate", world.good, path, "-o", out / "scores", "--set", "show_progress=false")
    assert find_harm(outcome, out.parent / "canary", out) is None
    assert "a name must be a valid file name" in outcome.err


def test_markup_in_what_a_bundle_tells_is_text_on_its_page(world, out):
    bundle = world.root / "hostile"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(world.good, bundle)
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    plain = {"data": NASTY, "computed_on": NASTY, "validated_on": NASTY, "files_sha256": {NASTY: NASTY}}
    metadata["training"] |= plain
    metadata["required_packages_version"] = {NASTY: NASTY}
    path.write_text(json.dumps(metadata))
    (bundle / "configs" / "plan.yaml").write_text(f"# {NASTY}\n")
    assert call("report", bundle, "-o", out / "page.html").code == 0
    page = (out / "page.html").read_text()
    assert "onerror=alert(1)" in page
    assert "<img src=x" not in page


def test_the_page_lists_every_attack():
    rows = [line.split(" | ") for line in PAGE.read_text().partition("## Hostile bundles")[2].splitlines()]
    told = {row[0].removeprefix("| "): row[1].strip() for row in rows if len(row) == 3}
    assert {attack.what: "yes" if attack.fires else "" for attack in ATTACKS.values()}.items() <= told.items()
