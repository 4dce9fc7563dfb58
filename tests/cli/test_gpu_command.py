"""The command line on a CUDA GPU, compared with the CPU."""

import csv

import numpy as np
import pytest
import tifffile
import torch

from livecell_monai.data.readers.kinds import read_plane
from tests.support.commands import livecell, refused, small
from tests.support.gpus import NEEDS_GPU
from tests.support.stopped_training import at_loss, foreground, list_differences, press_ctrl_c
from tests.support.worlds import picture_of, some_cells, write_folder

pytestmark = [*NEEDS_GPU, pytest.mark.usefixtures("without_figures")]
SPECS = ["cuda", "cuda-fp32"]
QUIET = ("--set", "show_progress=false")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("gpu") / "data", borders=True)


@pytest.fixture(scope="module")
def model(data, without_figures):
    """A network that has learned enough to find cells."""
    return begin(data, data.parent / "model", "cuda", samples_per_epoch=64, epochs=6, lr=0.02, filters=[8, 16, 32])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An image of 6 megapixels, of cells of many sizes."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    tiled = np.tile(picture_of(some_cells((250, 300))), (8, 10))
    tifffile.imwrite(path, tiled)
    return path


def begin(data, output, spec, *more, **settings):
    outcome = livecell("train", data, "-o", output, *small(accelerator=spec, **settings), *more)
    assert outcome.code == 0, outcome
    return output


def mask_of(model, image, output, *more):
    outcome = livecell("predict", model, image, "-o", output, *QUIET, *more)
    assert outcome.code == 0, outcome
    return read_plane(output / "large.tif").pixels > 0


def iou(one, two):
    return (one & two).sum() / (one | two).sum()


@pytest.mark.parametrize("augmentation", ["patches", "transforms"])
@pytest.mark.parametrize("spec", SPECS)
def test_the_same_seed_gives_the_same_weights(data, tmp_path, spec, augmentation):
    for name in ("one", "two"):
        begin(data, tmp_path / name, spec, samples_per_epoch=32, filters=[8, 16, 32], augmentation=augmentation)
    assert list_differences(tmp_path / "one", tmp_path / "two") == []


@pytest.mark.parametrize("at", [14, 20], ids=["in the second epoch", "in its validation"])
@pytest.mark.parametrize("unlabelled", [False, True])
@pytest.mark.parametrize("spec", SPECS)
def test_an_interrupted_training_resumes_to_the_same_weights(data, tmp_path, spec, unlabelled, at):
    more = ("--unlabelled", data / "test" / "images") if unlabelled else ()
    settings = {"samples_per_epoch": 32, "epochs": 3, "filters": [8, 16, 32]}
    begin(data, tmp_path / "whole", spec, *more, **settings)
    with foreground(), at_loss(at, press_ctrl_c):
        stopped = livecell("train", data, "-o", tmp_path / "run", *more, *small(accelerator=spec, **settings))
    assert stopped.code == 130
    assert livecell("train", "--resume", tmp_path / "run").code == 0
    assert list_differences(tmp_path / "whole", tmp_path / "run") == []


def test_masks_are_those_of_the_cpu(model, large, tmp_path):
    there, here = (
        mask_of(model, large, tmp_path / spec, "--set", f"accelerator={spec}") for spec in ("cuda-fp32", "cpu-fp32")
    )
    assert 0.02 < here.mean() < 0.98
    assert iou(there, here) > 0.999
    assert iou(mask_of(model, large, tmp_path / "bf16", "--set", "accelerator=cuda"), here) > 0.97


def test_a_full_gpu_uses_smaller_windows(model, large, tmp_path):
    whole = ("--set", "window=[2000,3000]", "--set", "overlap=64")
    expected = mask_of(model, large, tmp_path / "roomy", *whole)
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.reset_peak_memory_stats()
    try:
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 200 * 2**20) / total)
        with torch.no_grad(), pytest.raises(torch.OutOfMemoryError):
            torch.empty(2**28, device="cuda")
        cramped = mask_of(model, large, tmp_path / "cramped", *whole)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert iou(cramped, expected) > 0.98
    assert torch.cuda.max_memory_allocated() < 2**30


def test_a_large_image_has_the_mask_of_the_image_in_memory(model, large, tmp_path):
    window = ("--set", "window=[512,512]", "--set", "accelerator=cuda-fp32")
    expected = mask_of(model, large, tmp_path / "whole", *window)
    outcome = livecell(
        "predict", model, large, "-o", tmp_path / "parts", *QUIET, *window, "--set", "tiling_min_megapixels=1"
    )
    assert outcome.code == 0, outcome
    found = read_plane(tmp_path / "parts" / "large.ome.tif").pixels > 0
    assert np.count_nonzero(found != expected) <= 1e-5 * found.size
    with open(tmp_path / "parts" / "summary.csv", encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["foreground_fraction"]) == pytest.approx(expected.mean(), abs=1e-4)


def test_scores_are_those_of_the_cpu(data, model, tmp_path):
    for spec in ("cuda-fp32", "cpu-fp32"):
        given = ("--set", f"accelerator={spec}", *QUIET)
        assert livecell("evaluate", model, data, "-o", tmp_path / spec, *given).code == 0
    rows = []
    for spec in ("cuda-fp32", "cpu-fp32"):
        with open(tmp_path / spec / "scores.csv", encoding="utf-8", newline="") as stream:
            rows.append([float(row["iou"]) for row in csv.DictReader(stream)])
    assert rows[0] == pytest.approx(rows[1], abs=2e-3)


def test_a_training_is_compiled_on_request(data, tmp_path):
    output = begin(data, tmp_path / "compiled", "cuda", compile=True, filters=[8, 16])
    assert "compiled" in (output / "docs" / "README.md").read_text(encoding="utf-8")


def test_rejects_more_devices_than_gpus(data, tmp_path):
    count = torch.cuda.device_count()
    outcome = livecell("train", data, "-o", tmp_path / "new", "--devices", 4 * count, *small(accelerator="cuda"))
    refused(outcome, "--devices", f"number of GPUs, {count}")
    assert not (tmp_path / "new").exists()
