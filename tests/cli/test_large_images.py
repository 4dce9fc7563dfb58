"""Large images by the command line: files, errors, and a killed and resumed run."""

import csv
import errno
import os
import signal
import sys

import numpy as np
import pytest
import tifffile
import zarr

from livecell_monai.data.readers.kinds import read_plane
from tests.support.commands import livecell, refused
from tests.support.fresh import run_python
from tests.support.worlds import picture_of, some_cells

SHAPE = (2500, 1300)  # 3 x 2 chunks of the mask
WINDOW = ("--set", "window=[512,512]", "--set", "show_progress=false")
MOSAIC = (*WINDOW, "--set", "tiling_min_megapixels=1")


@pytest.fixture(scope="module")
def picture():
    """Cells over three rows of chunks."""
    small = picture_of(some_cells((500, 325)))
    return np.kron(small, np.ones((5, 4), np.uint16))[: SHAPE[0], : SHAPE[1]]


@pytest.fixture(scope="module")
def image(picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "large.tif"
    tifffile.imwrite(path, picture, tile=(256, 256), resolution=(2e4, 4e4), resolutionunit="CENTIMETER", metadata=None)
    return path


@pytest.fixture(scope="module")
def whole(trained, image, tmp_path_factory):
    """The folder of the same image predicted in memory."""
    folder = tmp_path_factory.mktemp("whole")
    assert livecell("predict", trained[1], image, "-o", folder / "masks", *WINDOW).code == 0
    return folder / "masks"


def read_rows(folder):
    with open(folder / "summary.csv", encoding="utf-8", newline="") as stream:
        return [{name: row[name] for name in ("image", "foreground_fraction")} for row in csv.DictReader(stream)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestResult:
    def test_is_that_of_the_image_in_memory(self, trained, image, whole, tmp_path):
        outcome = livecell("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC)
        assert (outcome.code, outcome.err) == (0, "")
        assert names(tmp_path / "out") == ["large.ome.tif", "summary.csv"]
        mask = read_plane(tmp_path / "out" / "large.ome.tif")
        np.testing.assert_array_equal(mask.pixels, read_plane(whole / "large.tif").pixels)
        assert 0.01 < (mask.pixels > 0).mean() < 0.99
        assert mask.pixel_size_um == pytest.approx((0.25, 0.5))
        assert read_rows(tmp_path / "out") == read_rows(whole)

    @pytest.mark.parametrize("factor", [0.5, 0.37, 1.6])
    def test_also_at_another_scale(self, trained, image, tmp_path, factor):
        settings = ("--set", f"scale={factor}", "--set", "accelerator=cpu-fp32")
        both = []
        for name, size in (("mosaic", 1), ("memory", 100)):
            where = ("-o", tmp_path / name, *WINDOW, "--set", f"tiling_min_megapixels={size}")
            assert livecell("predict", trained[1], image, *where, *settings).code == 0
            both.append(read_plane(next((tmp_path / name).glob("*.tif"))).pixels)
        assert (both[0] != both[1]).sum() <= 5  # ties
        assert 0.01 < (both[0] > 0).mean() < 0.99

    def test_zarr_in_and_out(self, trained, picture, whole, tmp_path):
        source = tmp_path / "images" / "large.ome.zarr"
        group = zarr.open_group(source, mode="w")
        group.create_array("0", data=picture, chunks=(500, 500))
        axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
        scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.25, 0.5]}]}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [scale]}]}
        out = tmp_path / "out"
        outcome = livecell(
            "predict", trained[1], source, "-o", out, *MOSAIC, "--set", "large_image_format=zarr", "--overlay"
        )
        assert (outcome.code, outcome.err) == (0, "")
        assert names(out) == ["large.ome.zarr", "large_overlay.png", "summary.csv"]
        np.testing.assert_array_equal(read_plane(out / "large.ome.zarr").pixels, read_plane(whole / "large.tif").pixels)
        assert read_plane(out / "large.ome.zarr").pixel_size_um == pytest.approx((0.25, 0.5))
        assert sorted(zarr.open_group(out / "large.ome.zarr", mode="r").array_keys()) == ["0", "1", "2"]

    def test_other_images_are_predicted_beside_it(self, trained, image, tmp_path):
        out = tmp_path / "out"
        outcome = livecell("predict", trained[1], trained[0] / "test/images", image, "-o", out, *MOSAIC)
        assert outcome.code == 0
        assert "3 masks" in outcome.out
        assert names(out) == ["large.ome.tif", "summary.csv", "test_00.tif", "test_01.tif"]
        assert [row["image"] for row in read_rows(out)] == ["test_00", "test_01", "large"]


class TestRefusals:
    def test_a_corrupt_tile_in_the_middle(self, trained, image, tmp_path):
        torn = tmp_path / "torn.tif"
        tifffile.imwrite(torn, tifffile.imread(image), tile=(256, 256), compression="zlib")
        with tifffile.TiffFile(torn) as tif:
            offset = tif.pages[0].dataoffsets[30]
        with open(torn, "r+b") as stream:
            stream.seek(offset)
            stream.write(b"\xff" * 64)
        outcome = livecell("predict", trained[1], torn, trained[0] / "test/images", "-o", tmp_path / "out", *MOSAIC)
        assert outcome.code == 3
        assert "error: " in outcome.err
        assert "torn.tif: cannot be read as TIFF" in outcome.err
        assert len(outcome.err.splitlines()) == 2
        assert names(tmp_path / "out") == ["summary.csv", "test_00.tif", "test_01.tif"]

    @pytest.mark.parametrize("form", ["tiff", "zarr"])
    def test_rejects_an_existing_output_without_overwrite(self, trained, image, tmp_path, form):
        given = ("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC, "--set", f"large_image_format={form}")
        ending = {"tiff": "tif", "zarr": "zarr"}[form]
        assert livecell(*given).code == 0
        first = (tmp_path / "out" / f"large.ome.{ending}").stat().st_ino
        refused(livecell(*given), f"large.ome.{ending}: already exists", "--overwrite")
        assert (tmp_path / "out" / f"large.ome.{ending}").stat().st_ino == first
        assert livecell(*given, "--overwrite").code == 0
        assert (tmp_path / "out" / f"large.ome.{ending}").stat().st_ino != first
        assert names(tmp_path / "out") == [f"large.ome.{ending}", "summary.csv"]

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (("--set", "large_image_format=png"), ["large_image_format must be tiff or zarr", "'png'"]),
            (("--set", "tiling_min_megapixels=0"), ["tiling_min_megapixels must be a number above 0"]),
            (
                ("--probability",),
                ["large.tif: the output probability does not support large images"],
            ),
        ],
        ids=["form", "size", "probability"],
    )
    def test_a_setting_that_cannot_be(self, trained, image, tmp_path, given, words):
        refused(livecell("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC, *given), *words)
        assert not (tmp_path / "out").exists()

    def test_the_library_that_is_not_installed(self, trained, image, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "ome_zarr", None)
        outcome = livecell("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC)
        refused(
            outcome, "large.tif: a large image needs the libraries zarr and ome-zarr", "pip install 'livecell-monai[zarr]'"
        )


@pytest.fixture
def killed(trained, image, tmp_path):
    """The output folder of a run that was killed when two rows of chunks were written, and the command."""
    code = "import os, signal, sys\nfrom livecell_monai import cli\nfrom livecell_monai.outputs.large import chunks\n"
    code += "write = chunks.ChunkWriter._write\n"
    code += "def dying(self, row, column, chunk):\n"
    code += "    write(self, row, column, chunk)\n    if (row, column) == (1, 0): os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "chunks.ChunkWriter._write = dying\ncli.main()\n"
    given = ["predict", str(trained[1]), str(image), "-o", str(tmp_path / "out"), *MOSAIC]
    done = run_python("-c", code, *given)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return tmp_path / "out", given


@pytest.mark.slow
class TestResume:
    def chunks(self, out):
        """Time of change of each chunk on disk."""
        root = out / ".large.writing" / "mask.ome.zarr" / "0" / "c"
        return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

    def test_a_killed_run_resumes_with_the_written_parts(self, killed, whole, monkeypatch):
        out, given = killed
        assert names(out) == [".large.writing"]
        before = self.chunks(out)
        assert set(before) >= {"0/0", "0/1", "1/0"}
        assert "2/1" not in before
        kept = {}
        monkeypatch.setattr(
            "livecell_monai.outputs.large.folder.LargeImageFolder.remove", lambda self: kept.update(self_chunks())
        )

        def self_chunks():
            return self.chunks(out) if (out / ".large.writing" / "mask.ome.zarr").exists() else {}

        looked = []
        monkeypatch.setattr(
            "livecell_monai.prediction.large.predictor.survey_large_image",
            lambda *_: looked.append("survey of what is measured"),
        )
        assert livecell(*given, "--resume").code == 0
        assert not looked
        assert before.items() <= kept.items()
        np.testing.assert_array_equal(read_plane(out / "large.ome.tif").pixels, read_plane(whole / "large.tif").pixels)
        assert read_rows(out) == read_rows(whole)

    def test_nothing_is_lost_silently(self, killed):
        out, given = killed
        before = self.chunks(out)
        refused(livecell(*given), "large.ome.tif: an unfinished large image exists", "--resume", "--overwrite")
        assert self.chunks(out) == before
        assert livecell(*given, "--overwrite").code == 0
        assert names(out) == ["large.ome.tif", "summary.csv"]

    def test_rejects_a_resume_with_other_settings(self, killed, image):
        out, given = killed
        before = self.chunks(out)
        refused(livecell(*given, "--resume", "--set", "threshold=0.4"), "must resume with the same threshold", "0.4")
        state = image.stat()
        os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
        try:
            refused(livecell(*given, "--resume"), "must resume with the same image")
        finally:
            os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert self.chunks(out) == before

    def test_finished_images_are_not_predicted_again(self, trained, image, tmp_path, whole):
        given = ("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC)
        assert livecell(*given).code == 0
        first = (tmp_path / "out" / "large.ome.tif").stat()
        assert livecell(*given, "--resume").code == 0
        again = (tmp_path / "out" / "large.ome.tif").stat()
        assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
        assert read_rows(tmp_path / "out") == read_rows(whole)

    def test_a_full_disk_is_one_line_and_the_run_resumes(self, trained, image, tmp_path, whole, monkeypatch):
        from zarr.storage import _local

        put, given = _local._put, ("predict", trained[1], image, "-o", tmp_path / "out", *MOSAIC)

        def full(path, value, exclusive=False):
            if path.match("0/c/1/*"):
                raise OSError(errno.ENOSPC, "No space left on device")
            return put(path, value, exclusive)

        monkeypatch.setattr(_local, "_put", full)
        refused(livecell(*given), "the large image cannot be written (No space left on device)", "--resume")
        assert names(tmp_path / "out") == [".large.writing"]
        monkeypatch.setattr(_local, "_put", put)
        assert livecell(*given, "--resume").code == 0
        mask = read_plane(tmp_path / "out" / "large.ome.tif").pixels
        np.testing.assert_array_equal(mask, read_plane(whole / "large.tif").pixels)
        assert names(tmp_path / "out") == ["large.ome.tif", "summary.csv"]
