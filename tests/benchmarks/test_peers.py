"""The comparison with other tools, on peers that a test writes: scripts of a few lines, run by our own interpreter."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from peers import compare, interface

from livecell_monai.data.readers.kinds import read_label
from tests.support.worlds import write_folder

SCRIPTS = {
    "bright": "from peers.interface import serve\nserve(lambda pairs, clock: lambda image: image > 40_000)\n",
    "cells": "from scipy import ndimage\nfrom peers.interface import serve\n"
    "serve(lambda pairs, clock: lambda image: ndimage.label(image > 40_000)[0], separates_cells=True)\n",
    "broken": "raise SystemExit('no | luck')\n",
    "silent": "from peers.interface import parse_arguments, write_seconds\nresults = parse_arguments().results\n"
    "results.mkdir()\nwrite_seconds(results, 1.0, 1.0)\n",
    "endless": "import time\ntime.sleep(600)\n",
}


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of peers as small as can be, which the comparison takes for its own."""
    folder = tmp_path / "own" / "peers"
    for name, script in SCRIPTS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "run.py").write_text(script)
    (folder / "__init__.py").touch()
    (folder / "interface.py").write_bytes(Path(interface.__file__).read_bytes())
    monkeypatch.setattr(compare, "HERE", folder)
    monkeypatch.setattr(compare, "PEERS", tuple(SCRIPTS))
    return folder


def run_compare(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, words)])
    compare.main()


def test_a_peer_that_fails_is_a_row_and_does_not_stop_the_others(folder, peers, tmp_path, monkeypatch, capsys):
    table = tmp_path / "table.md"
    only = ["broken", "silent", "bright", "cells"]
    run_compare(monkeypatch, folder, "--minutes", 0.5, "--only", *only, "--output", table, "--cache", tmp_path / "cache")
    lines = table.read_text().splitlines()
    assert lines == capsys.readouterr().out.splitlines()[-len(lines) :]
    rows = {line.split(" | ")[0].strip("| "): line for line in lines[2:6]}
    assert list(rows) == only
    assert r"failed: no \| luck (exit code 1)" in rows["broken"]
    assert "failed: " in rows["silent"]
    assert "test_00.tif" in rows["silent"]
    scores = r"(\| \d\.\d{3} ){5}\| 0 s \| 0\.\d\d s \|$"  # 2 images: no interval
    assert re.search(r"\| our fallback " + scores, rows["bright"])
    assert re.search(r"\| itself " + scores, rows["cells"])
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in (*rows.values(), lines[0])}) == 1
    assert lines[-1].startswith("0.5 minutes of training, ")
    assert "means over 2 test images" in lines[-1]


def test_the_masks_are_those_of_the_peer_and_all_scores_are_kept(folder, peers, tmp_path):
    truths = compare.read_truths(compare.list_samples(folder, "test"))
    compare.stage(folder, tmp_path / "staged")
    result = compare.run_peer("bright", tmp_path / "staged", truths, 0.5, tmp_path / "cache")
    results = tmp_path / "cache" / "bright" / "results"
    for name in truths:
        mask = tifffile.imread(results / f"{name}.tif")
        image = tifffile.imread(folder / "test" / "images" / f"{name}.tif")
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, np.where(image > 40_000, 255, 0))
    assert result.summary["images"] == 2
    assert 0 < result.summary["iou"]["mean"] < 1
    kept = json.loads((results.parent / "scores.json").read_text())
    assert kept["summary"]["pooled_ap50"] == result.summary["pooled_ap50"]


def test_peers_see_all_but_the_test_labels(tmp_path):
    data = write_folder(tmp_path / "data", borders=True)
    compare.stage(data, tmp_path / "staged")
    seen = {str(path.relative_to(tmp_path / "staged")) for path in (tmp_path / "staged").rglob("*.tif")}
    there = {str(path.relative_to(data)) for path in data.rglob("*.tif")}
    assert there - seen == {f"test/{kind}/test_0{index}.tif" for kind in ("labels", "borders") for index in range(2)}
    assert seen < there


def test_a_peer_that_hangs_is_ended(peers, tmp_path):
    with pytest.raises(compare.PeerError, match="not done after 0 min"):
        compare.call([sys.executable, str(peers / "endless" / "run.py")], tmp_path / "log", 0.5)


def test_an_environment_is_made_anew_only_when_the_requirements_change(peers, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(compare, "call", lambda command, log, limit_s: calls.append(command) or made.mkdir(exist_ok=True))
    cache = tmp_path / "cache"
    made = cache / "environment"
    cache.mkdir()
    assert compare.make_python("bright", cache) == Path(sys.executable)
    requirements = peers / "bright" / "requirements.txt"
    for text, expected in (("tool==1.2\n", 2), ("tool==1.2\n", 2), ("tool==1.3\n", 4)):
        requirements.write_text(text)
        assert compare.make_python("bright", cache) == made / "bin" / "python"
        assert len(calls) == expected
    assert compare.version_of("bright") == "tool 1.3"


def test_our_constraints_hold_but_for_what_a_peer_needs_in_another_version(tmp_path, monkeypatch):
    path = tmp_path / "constraints.txt"
    path.write_text("# ours\nnumpy==2.4.6\nscipy==1.17.1\ntorch==2.13.0\n")
    monkeypatch.setattr(compare, "CONSTRAINTS", path)
    assert compare.constrain("scipy==1.17.1\n") == path.read_text()
    assert compare.constrain("tool==1.2\nnumpy==2.0.2\nscipy==1.17.1\n") == "# ours\nscipy==1.17.1\ntorch==2.13.0\n"


def test_every_peer_has_its_script_and_pinned_requirements():
    folders = {path.parent.name for path in compare.HERE.glob("*/run.py")}
    assert folders == set(compare.PEERS)
    for peer in compare.PEERS:
        requirements = compare.HERE / peer / "requirements.txt"
        if requirements.is_file():
            lines = [line for line in requirements.read_text().splitlines() if not line.startswith("#")]
            assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), peer


def test_only_cellpose_needs_another_version_than_ours_and_of_numpy_only():
    ours = set(compare.CONSTRAINTS.read_text().splitlines())
    for peer in compare.PEERS:
        requirements = compare.HERE / peer / "requirements.txt"
        if requirements.is_file():
            lost = ours - set(compare.constrain(requirements.read_text()).splitlines())
            assert {line.partition("==")[0] for line in lost} == ({"numpy"} if peer == "cellpose" else set()), peer


def test_a_loop_ends_ahead_of_the_step_that_would_overrun(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(interface.time, "monotonic", lambda: now[0])
    pace = interface.Pace(interface.Clock(1.0), reserve=10.0)
    for _ in range(3):
        pace.begin_step()
        now[0] += 15.0
    with pytest.raises(interface.OutOfTime):  # a fourth would end at 60 s, within the ten that are kept
        pace.begin_step()
    assert pace.steps == 3


def test_no_step_is_no_training():
    with pytest.raises(RuntimeError, match="give more"):
        interface.require_steps(0)


def test_the_cells_of_a_binary_label_are_its_components(folder):
    label = read_label(folder / "train" / "labels" / "train_00.tif")
    assert np.array_equal(interface.number_cells(label), label)
    cells = interface.number_cells((label > 0).astype(np.uint8) * 255)
    assert len(np.unique(cells)) == len(np.unique(label))
    assert np.array_equal(cells > 0, label > 0)
