"""Out of memory, Ctrl-C and a removed folder are reported in one line, and leave no incomplete file."""

import os
import shutil
import signal
import time

import numpy as np
import pytest
import tifffile
import torch

from livecell_monai.data.readers import single_plane as one_plane
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.prediction.forward_pass import ForwardPass, PatchInferer
from tests.support.commands import livecell, refused, small
from tests.support.worlds import picture_of, some_cells

QUIET = ("--set", "show_progress=false", "--set", "accelerator=cpu-fp32")
WIDE = (*QUIET, "--set", "window=[256,256]")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def images(tmp_path):
    """Three images, the second of which is the largest."""
    generator = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name, size in (("a", (120, 120)), ("b", (200, 240)), ("c", (120, 100))):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", generator.integers(0, 2**16, size, np.uint16))
    return tmp_path / "in"


@pytest.fixture
def cramp(monkeypatch):
    """Limits the number of pixels that the network can process at once, and of an image."""
    look = PatchInferer.__call__

    def limit(most, of_image=10**9):
        def cramped(self, inputs, network, *args, **kwargs):
            if inputs.numel() > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return look(self, inputs, network, *args, **kwargs)

        def refuse(self, plain, *args, **kwargs):
            if plain.numel() > of_image:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes.")
            return slide(self, plain, *args, **kwargs)

        slide = ForwardPass._infer
        monkeypatch.setattr(PatchInferer, "__call__", cramped)
        monkeypatch.setattr(ForwardPass, "_infer", refuse)

    return limit


class TestOutOfMemory:
    def test_smaller_windows_are_used_and_reported_once(self, trained, images, tmp_path, cramp, caplog):
        plain = livecell(
            "predict", trained[1], images / "b.tif", "-o", tmp_path / "plain", *QUIET, "--set", "window=[96,128]"
        )
        assert plain.code == 0
        cramp(96 * 128)
        outcome = livecell("predict", trained[1], images / "b.tif", images / "a.tif", "-o", tmp_path / "out", *WIDE)
        assert outcome.code == 0, outcome
        (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert said.startswith("out of memory with windows of 200 x 240, 1 at once: continuing with ")
        assert names(tmp_path / "out") == ["a.tif", "b.tif", "summary.csv"]
        masks = [read_plane(tmp_path / folder / "b.tif").pixels for folder in ("out", "plain")]
        assert (masks[0] != masks[1]).mean() < 0.02  # other windows: other pixels near their borders, by a hair

    def test_an_image_that_does_not_fit_does_not_stop_the_others(self, trained, images, tmp_path, cramp):
        cramp(10**6, of_image=150 * 150)
        outcome = livecell("predict", trained[1], images, "-o", tmp_path / "out", *WIDE)
        assert (outcome.code, outcome.out) == (3, f"{tmp_path / 'out'}: 2 masks and summary.csv\n")
        named, count = outcome.err.splitlines()
        assert named.startswith(f"error: {images / 'b.tif'}: 200 x 240 pixels must fit into memory with windows of 60 x 64")
        assert "tiling_min_megapixels" in named
        assert count == "1 of 3 images have no mask"
        assert names(tmp_path / "out") == ["a.tif", "c.tif", "summary.csv"]

    def test_if_no_image_fits_nothing_is_left(self, trained, images, tmp_path, cramp):
        cramp(10**6, of_image=1)
        outcome = livecell("predict", trained[1], images, "-o", tmp_path / "out", *WIDE)
        assert (outcome.code, outcome.out) == (3, "")
        assert not (tmp_path / "out").exists()

    def test_an_image_that_cannot_even_be_read(self, trained, images, tmp_path, monkeypatch):
        read = one_plane.read_tiff

        def greedy(path, is_label=False):
            if path.name == "b.tif":
                raise MemoryError("Unable to allocate 8.00 GiB for an array")
            return read(path, is_label)

        monkeypatch.setattr(one_plane, "read_tiff", greedy)
        outcome = livecell("predict", trained[1], images, "-o", tmp_path / "out", *WIDE)
        assert outcome.code == 3
        assert "b.tif: not enough memory to read it" in outcome.err
        assert names(tmp_path / "out") == ["a.tif", "c.tif", "summary.csv"]

    def test_scores_need_all_images(self, trained, tmp_path, cramp):
        cramp(10**6, of_image=1)
        refused(livecell("evaluate", trained[1], trained[0], "-o", tmp_path / "out", *WIDE), "pixels must fit into memory")
        assert not (tmp_path / "out").exists()

    def test_a_large_image_keeps_its_windows_and_splits_them(self, trained, images, tmp_path, cramp):
        large = tmp_path / "large.tif"
        picture = np.kron(picture_of(some_cells((300, 250))), np.ones((4, 4), np.uint16))
        tifffile.imwrite(large, picture, tile=(256, 256), metadata=None)
        mosaic = ("--set", "tiling_min_megapixels=1")
        assert livecell("predict", trained[1], large, "-o", tmp_path / "plain", *WIDE, *mosaic).code == 0
        cramp(128 * 128)
        assert livecell("predict", trained[1], large, "-o", tmp_path / "out", *WIDE, *mosaic).code == 0
        masks = [read_plane(tmp_path / folder / "large.ome.tif").pixels for folder in ("plain", "out")]
        assert 0.01 < (masks[0] > 0).mean() < 0.99
        assert (masks[0] != masks[1]).mean() < 0.02

    def test_a_large_image_that_does_not_fit_does_not_stop_the_others(self, trained, images, tmp_path, cramp):
        first, second = tmp_path / "first.tif", tmp_path / "second.tif"
        for path in (first, second):
            tifffile.imwrite(path, np.tile(tifffile.imread(images / "a.tif"), (10, 9)), tile=(256, 256), metadata=None)
        cramp(1)
        command = ("predict", trained[1], first, second, "-o", tmp_path / "out", *WIDE, "--set", "tiling_min_megapixels=1")
        outcome = livecell(*command)
        assert outcome.code == 3
        assert "first.tif: 1200 x 1080 pixels must fit into memory with windows of " in outcome.err
        assert "close other programs, then continue by --resume" in outcome.err
        assert outcome.err.splitlines()[-1] == "2 of 2 images have no mask"
        assert names(tmp_path / "out") == [".first.writing", ".second.writing"]


COMMANDS = {
    "predict": lambda data, bundle, out: ("predict", bundle, data / "test/images", "-o", out / "masks", *WIDE, "--overlay"),
    "evaluate": lambda data, bundle, out: ("evaluate", bundle, data, "-o", out / "scores", *WIDE),
    "report": lambda data, bundle, out: ("report", bundle, "--data", data, "-o", out / "page.html"),
    "crossval": lambda data, bundle, out: (
        "crossval",
        data,
        "-o",
        out / "folds",
        *small(epochs=1, checkpoint_selection="last"),
    ),
    "sweep": lambda data, bundle, out: (
        "sweep",
        data,
        "-o",
        out / "sweep",
        "--trials",
        2,
        *small(epochs=1, checkpoint_selection="last"),
    ),
}


class TestInterrupted:
    @pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "sweep")) for name in COMMANDS])
    def test_ends_at_once_and_leaves_nothing_half_written(self, trained, tmp_path, monkeypatch, name):
        """The key is pressed while the network looks at its second image, or batch."""
        monkeypatch.chdir(tmp_path)
        look, seen = PatchInferer.__call__, []

        def press(self, *args, **kwargs):
            seen.append(time.monotonic())
            if len(seen) == 2:
                signal.raise_signal(signal.SIGINT)
            return look(self, *args, **kwargs)

        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(PatchInferer, "__call__", press)
                outcome = livecell(*COMMANDS[name](*trained, tmp_path))
        finally:
            signal.signal(signal.SIGINT, usual)
        assert time.monotonic() - seen[1] < 5
        assert (outcome.code, outcome.err.splitlines()[-1]) == (130, "interrupted")
        left = {path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")}
        assert not {"summary.csv", "scores.csv", "scores.json", "page.html", "metadata.json"} & left
        assert not list(tmp_path.rglob(".writing-*"))
        if name == "predict":
            again = livecell(*COMMANDS[name](*trained, tmp_path), "--resume")
            assert again.code == 0
            assert names(tmp_path / "masks") == sorted(
                [*(f"test_0{index}{end}" for index in (0, 1) for end in (".tif", "_overlay.png")), "summary.csv"]
            )


class TestFolders:
    def test_a_folder_removed_during_the_run_is_reported_in_one_line(self, trained, tmp_path, monkeypatch):
        look, out = PatchInferer.__call__, tmp_path / "masks"

        def remove(self, *args, **kwargs):
            shutil.rmtree(out, ignore_errors=True)
            return look(self, *args, **kwargs)

        monkeypatch.setattr(PatchInferer, "__call__", remove)
        outcome = livecell("predict", trained[1], trained[0] / "test/images", "-o", out, *WIDE)
        refused(outcome, "cannot be written (No such file or directory)", "choose a folder that exists")

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
    def test_a_read_only_folder_is_reported_in_one_line(self, trained, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out").chmod(0o500)
        try:
            outcome = livecell("predict", trained[1], trained[0] / "test/images", "-o", tmp_path / "out" / "masks", *WIDE)
        finally:
            (tmp_path / "out").chmod(0o700)
        refused(outcome, "must lie where you may write")
