"""The engine in integers behind the bundle's setting: the same masks by every door, and one line where it cannot run."""

import json
import shutil
import sys
import threading

import numpy as np
import pytest
import tifffile
import torch

from livecell_monai.bundle.ensemble import join_bundles
from livecell_monai.bundle.open import open_bundle
from livecell_monai.errors import SettingError
from livecell_monai.metrics import score_mask
from livecell_monai.metrics.cells import average_precision, match_cells
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator, read_capabilities
from livecell_monai.prediction import backends as engine
from livecell_monai.prediction.backends import choose_backend
from livecell_monai.prediction.segmenter import open_segmenter
from livecell_monai.tasks import evaluate, predict
from tests.support.commands import livecell, refused
from tests.support.fresh import run_python
from tests.support.small_training import CELL_MAPS, QUIET, train_small
from tests.support.worlds import write_folder

pytestmark = pytest.mark.usefixtures("without_figures")

INT8 = {**QUIET, "backend": "int8"}
CPU = Accelerator("cpu-fp32")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Whatever the processor, its products count as exact: masks may then differ by a little more."""
    monkeypatch.setattr(engine, "read_capabilities", lambda: {"avx512_vnni": True})


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A data folder and a bundle of a network some of whose convolutions are rounded."""
    root = tmp_path_factory.mktemp("wide")
    data, rate = write_folder(root / "data"), {"lr": 0.01, "lr_schedule": "step", "pos_weight": "auto"}
    kept = {"checkpoint_selection": "last", "ema": 0.0}
    train_small(data, root / "model", epochs=4, samples_per_epoch=64, maps=CELL_MAPS, filters=[20, 24], **kept, **rate)
    return data, root / "model"


def masks_of(bundle, images, output, settings, **more):
    predict(bundle, [images], output, settings, **more)
    return [tifffile.imread(path) > 0 for path in sorted([*output.glob("test_??.tif"), *output.glob("test_??.ome.tif")])]


def change_metadata(bundle, change):
    path = bundle / "configs" / "metadata.json"
    facts = json.loads(path.read_text())
    change(facts["training"])
    path.write_text(json.dumps(facts))


@pytest.fixture
def copied(wide, tmp_path):
    return shutil.copytree(wide[1], tmp_path / "model")


def test_a_training_notes_the_ranges(wide):
    ranges = json.loads((wide[1] / "configs" / "metadata.json").read_text())["training"]["map_ranges"]
    assert len(ranges) >= 3
    assert all(low <= high for low, high in ranges.values())


def test_almost_the_cells_of_torch(wide):
    for image in (wide[0] / "test" / "images").iterdir():
        plain, rounded = (open_segmenter(wide[1], {"backend": name}) for name in ("torch", "int8"))
        assert np.abs(plain.maps(image)[CELL_MAPS[1]] - rounded.maps(image)[CELL_MAPS[1]]).max() > 1e-4
        counts = match_cells(rounded(image).cells, plain(image).cells).counts
        assert counts.true_cells > 1
        assert average_precision(counts) > 0.8


def test_almost_the_masks_of_torch(wide, tmp_path):
    data, bundle = wide
    images = data / "test" / "images"
    plain, rounded = (masks_of(bundle, images, tmp_path / name, {**QUIET, "backend": name}) for name in ("torch", "int8"))
    assert len(plain) == 2
    for one, other in zip(plain, rounded, strict=True):
        assert 0 < one.mean() < 1
        assert score_mask(other, one).iou > 0.97


def test_scores_are_those_of_its_masks(wide, tmp_path):
    data, bundle = wide
    masks = masks_of(bundle, data / "test" / "images", tmp_path / "masks", INT8)
    scored = evaluate(bundle, data, tmp_path / "scores", INT8)
    truths = [tifffile.imread(path) > 0 for path in sorted((data / "test" / "labels").iterdir())]
    ious = [score_mask(mask, truth).iou for mask, truth in zip(masks, truths, strict=True)]
    assert scored["iou"]["mean"] == pytest.approx(np.mean(ious), abs=1e-6)


def test_a_mosaic_has_the_mask_of_the_image_in_memory(wide, tmp_path):
    data, bundle = wide
    images = data / "test" / "images"
    whole = masks_of(bundle, images, tmp_path / "whole", {**INT8, "window": [64, 64]})
    parts = masks_of(bundle, images, tmp_path / "parts", {**INT8, "window": [64, 64], "tiling_min_megapixels": 0.001})
    for one, other in zip(whole, parts, strict=True):
        assert (one != other).mean() < 1e-3


@pytest.mark.slow
def test_workers_find_the_same(wide, tmp_path, monkeypatch):
    data, bundle = wide
    images = data / "test" / "images"
    alone = masks_of(bundle, images, tmp_path / "alone", INT8)
    if not any(read_capabilities().get(name) for name in engine.EXACT):  # workers, processes of their own, ask it
        pytest.skip("products of 8 bits may overflow on this processor")
    shared = masks_of(bundle, images, tmp_path / "shared", INT8, workers=1)
    for one, other in zip(alone, shared, strict=True):
        assert (one != other).mean() < 1e-3


def test_an_ensemble_has_the_ranges_of_its_members(wide, tmp_path):
    data, bundle = wide
    join_bundles([bundle, bundle], tmp_path / "both", {}, "")
    images = data / "test" / "images"
    one, both = (masks_of(which, images, tmp_path / name, INT8) for which, name in ((bundle, "a"), (tmp_path / "both", "b")))
    for mask, other in zip(one, both, strict=True):
        assert score_mask(mask, other).iou > 0.99


def test_an_ensemble_of_bundles_without_ranges_has_none(copied, wide, tmp_path):
    change_metadata(copied, lambda facts: facts.pop("map_ranges"))
    join_bundles([wide[1], copied], tmp_path / "both", {}, "")
    assert "map_ranges" not in json.loads((tmp_path / "both" / "configs" / "metadata.json").read_text())["training"]


def test_two_threads_at_once_find_what_one_finds(wide):
    network = open_segmenter(wide[1]).network
    choose_backend(network, "int8", CPU, wide[1] / "models" / "model.pt")
    images = [torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]
    with torch.no_grad():
        alone = [network(image) for image in images]
    found = {}

    def run(index):
        with torch.no_grad():
            found[index] = [network(images[index]) for _ in range(20)]

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, logits in found.items():
        assert all(torch.equal(one, alone[index]) for one in logits)


def test_a_run_started_with_one_backend_is_not_resumed_with_another(wide, tmp_path):
    data, bundle = wide
    paths = {"dataset_dir": str(data / "test" / "images"), "output_dir": str(tmp_path / "killed")}
    open_bundle(bundle, ["inference"], QUIET, paths).unfinished.start()
    other = open_bundle(bundle, ["inference"], {**INT8, "resume": True}, paths).unfinished
    with pytest.raises(SettingError, match='must resume with the same backend: started with "torch", now "int8"'):
        other.missing([], [])


def test_torch_leaves_the_network_alone():
    network = UNet([4, 8]).eval()
    before = network.forward
    assert choose_backend(network, "torch", CPU, "nowhere/models/model.safetensors") is network
    assert network.forward == before


@pytest.mark.parametrize("name", ["int4", "", 8, None])
def test_an_unknown_engine(name):
    with pytest.raises(SettingError, match="setting backend must be torch or int8, got"):
        choose_backend(UNet([4, 8]).eval(), name, CPU, "models/model.safetensors")


def test_a_network_that_lies_elsewhere():
    there = Accelerator("cpu")
    there.device = torch.device("meta")
    with pytest.raises(SettingError, match="backend=int8 needs a CPU, the network is on meta"):
        choose_backend(UNet([4, 8]).eval(), "int8", there, "models/model.safetensors")


@pytest.mark.parametrize("found", [{}, {"avx2": True, "avx512_vnni": False}])
def test_a_processor_whose_products_may_overflow(monkeypatch, found):
    monkeypatch.setattr(engine, "read_capabilities", lambda: found)
    monkeypatch.setattr(engine.platform, "machine", lambda: "x86_64")
    with pytest.raises(SettingError, match="needs a processor with VNNI"):
        choose_backend(UNet([4, 8]).eval(), "int8", CPU, "models/model.safetensors")


def test_openvino_is_not_there(wide, monkeypatch):
    monkeypatch.delitem(sys.modules, "livecell_monai.network.int8", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingError, match=r"needs the library openvino.*pip install 'livecell-monai\[openvino\]'"):
        choose_backend(UNet([4, 8]).eval(), "int8", CPU, wide[1] / "models" / "model.safetensors")


def predict_by_hand(bundle, data, output):
    return livecell("predict", bundle, data / "test" / "images", "--output", output, "--set", "backend=int8")


def test_a_bundle_without_ranges(copied, wide, tmp_path):
    change_metadata(copied, lambda facts: facts.pop("map_ranges"))
    outcome = predict_by_hand(copied, wide[0], tmp_path / "masks")
    refused(outcome, "metadata.json: backend=int8 needs the ranges", "map_ranges", "use backend=torch, or train again")
    assert not (tmp_path / "masks").exists()
    predict(copied, [wide[0] / "test" / "images"], tmp_path / "masks", QUIET)


def test_a_range_that_is_missing(copied, wide, tmp_path):
    change_metadata(copied, lambda facts: facts["map_ranges"].popitem())
    refused(predict_by_hand(copied, wide[0], tmp_path / "masks"), "needs the range of each map in", "has none")
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("ends", ["wide", [1], [2, 1], [0, float("inf")], [0, "1"], [0, 1e39], None])
def test_ranges_that_are_none(copied, wide, tmp_path, ends):
    change_metadata(copied, lambda facts: facts["map_ranges"].update(dict.fromkeys(facts["map_ranges"], ends)))
    refused(predict_by_hand(copied, wide[0], tmp_path), "map_ranges must be two finite numbers for each map")


@pytest.mark.slow
def test_nothing_is_told_to_the_makers():
    """OpenVINO would tell them of every import."""
    code = "import sys, livecell_monai.network.int8; assert sys.modules['openvino_telemetry'] is None"
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
