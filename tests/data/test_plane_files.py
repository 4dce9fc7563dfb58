"""Planes on disk read back as they were written."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data import plane_files
from livecell_monai.data.plane_files import label_type, write_mask, write_plane
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError

GENERATOR = np.random.default_rng(7)
IDS = GENERATOR.integers(0, 65536, (40, 36)).astype(np.uint16)
FRACTIONS = GENERATOR.random((40, 36), np.float32)
WRITERS = {
    "mask": (write_mask, IDS > 30000),
    "integers": (write_plane, IDS),
    "many ids": (write_plane, IDS.astype(np.uint32) * 70000),
    "floats": (write_plane, FRACTIONS * 7),
}
every_writer = pytest.mark.parametrize(("write", "pixels"), WRITERS.values(), ids=WRITERS)


def test_ids_have_16_bits_if_they_fit():
    assert [label_type(most) for most in (0, 65535, 65536)] == [np.uint16, np.uint16, np.uint32]


class TestEveryWriter:
    @every_writer
    @pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
    def test_what_was_written_is_read(self, tmp_path, write, pixels, name):
        write(tmp_path / name, pixels, (0.325, 0.65))
        plane = read_plane(tmp_path / name)
        expected = pixels * np.uint8(255) if pixels.dtype == bool else pixels
        assert plane.pixels.dtype == expected.dtype
        np.testing.assert_array_equal(plane.pixels, expected)
        assert plane.pixel_size_um == pytest.approx((0.325, 0.65), rel=1e-6)
        assert os.listdir(tmp_path) == [name]

    @every_writer
    def test_fiji_shows_micrometres(self, tmp_path, write, pixels):
        write(tmp_path / "a.tif", pixels, (0.325, 0.65))
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.imagej_metadata["unit"] == "um"
            tags = tif.pages[0].tags
            assert tags.valueof("ResolutionUnit") == tifffile.RESUNIT.NONE  # ImageJ obeys another one instead of its own
            y, x = (tags.valueof(f"{axis}Resolution") for axis in "YX")  # pixels per unit, as numerator and denominator
            assert (y[1] / y[0], x[1] / x[0]) == pytest.approx((0.325, 0.65), rel=1e-6)

    @every_writer
    def test_no_pixel_size_stays_none(self, tmp_path, write, pixels):
        write(tmp_path / "a.tif", pixels, None)
        assert read_plane(tmp_path / "a.tif").pixel_size_um is None
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.imagej_metadata is None

    @every_writer
    def test_files_are_deflated(self, tmp_path, write, pixels):
        write(tmp_path / "a.tif", pixels, None)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert tif.pages[0].predictor == tifffile.PREDICTOR.NONE  # ImageJ ignores that of floats

    @every_writer
    def test_the_same_pixels_give_the_same_bytes(self, tmp_path, write, pixels):
        for name in ("a.tif", "b.tif"):
            write(tmp_path / name, pixels, (0.5, 0.5))
        assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()

    @every_writer
    def test_a_full_disk_leaves_the_old_file(self, tmp_path, monkeypatch, write, pixels):
        def fill_the_disk(path, *_, **__):
            Path(path).write_bytes(b"half a fi")
            raise OSError(errno.ENOSPC, "No space left on device")

        (tmp_path / "a.tif").write_bytes(b"old")
        monkeypatch.setattr(plane_files.tifffile, "imwrite", fill_the_disk)
        with pytest.raises(DataError, match=r"a\.tif: cannot be written \(No space left on device\); make room"):
            write(tmp_path / "a.tif", pixels, None)
        assert (tmp_path / "a.tif").read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("um", [0.01, 0.1083, 1 / 3, 1.0, 6.45, 1234.5])
def test_pixel_sizes_come_back(tmp_path, um):
    write_mask(tmp_path / "a.tif", IDS > 9, (um, 2 * um))
    assert read_plane(tmp_path / "a.tif").pixel_size_um == pytest.approx((um, 2 * um), rel=1e-6)
