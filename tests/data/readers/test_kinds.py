"""Rules of every format, and of images, labels and border weights."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from livecell_monai.data.paths import SUFFIXES
from livecell_monai.data.readers.kinds import read_border, read_described_label, read_image, read_label, read_plane
from livecell_monai.errors import DataError
from tests.support.plane_files import GREY, RAMP, file_of, with_value
from tests.support.stack_files import SIZE_UM, write_czi, write_ome_tiff, write_zarr

READERS = [read_plane, read_image, read_label, read_border]


class TestEveryFormat:
    @pytest.mark.parametrize("suffix", [*SUFFIXES, ".TIF", ".PNG", ".NII.GZ", ".ome.tif"])
    @pytest.mark.parametrize("read", READERS)
    def test_gives_the_plane_as_y_and_x(self, tmp_path, suffix, read):
        result = read(file_of(tmp_path, suffix))
        pixels = getattr(result, "pixels", result)
        assert pixels.shape == GREY.shape
        lossy = suffix.startswith(".jp")
        np.testing.assert_allclose(pixels, GREY, atol=255 if lossy else 0)
        assert pixels.dtype == (np.float32 if read is read_border else np.uint8)
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable
        assert pixels.dtype.isnative

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_is_rejected_wherever_it_is_cut_off(self, tmp_path, suffix):
        path = file_of(tmp_path, suffix)
        data = path.read_bytes()
        lengths = {*range(1, 30), *range(30, len(data), len(data) // 40), *range(len(data) - 30, len(data))}
        for length in lengths:
            path.write_bytes(data[:length])
            with pytest.raises(DataError, match=r"cannot be read as [^\n]+; check that the file is complete[^\n]*$"):
                read_plane(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("read", READERS)
    def test_is_rejected_when_it_holds_something_else(self, tmp_path, suffix, read):
        path = tmp_path / f"cell{suffix}"
        path.write_bytes(b"This is a text,\nand no image at all.\n" * 40)
        with pytest.raises(DataError, match=r"cell[.a-z]+: cannot be read as [^\n]*$") as caught:
            read(path)
        assert caught.value.__cause__ is not None

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("read", READERS)
    def test_is_rejected_when_empty(self, tmp_path, suffix, read):
        path = tmp_path / f"cell{suffix}"
        path.touch()
        with pytest.raises(DataError, match=r"this file is empty \(0 bytes\); copy it again"):
            read(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_is_rejected_when_a_folder(self, tmp_path, suffix):
        path = tmp_path / f"cell{suffix}"
        path.mkdir()
        with pytest.raises(DataError, match="an image must be a file, this is a folder; check the path"):
            read_plane(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_is_rejected_when_missing(self, tmp_path, suffix):
        with pytest.raises(DataError, match="an image must be a file, this does not exist; check the path"):
            read_plane(tmp_path / f"cell{suffix}")

    def test_is_one_of_those_known(self, tmp_path):
        path = tmp_path / "cell.lif"
        path.write_bytes(b"LMSDataContainerHeader")
        with pytest.raises(DataError, match=r"cell\.lif: an image's name must end in one of \.tif .*; save it as TIFF"):
            read_plane(path)

    def test_without_permission_is_rejected(self, tmp_path, monkeypatch):
        def deny(path):
            raise PermissionError(13, "Permission denied", str(path))

        path = file_of(tmp_path, ".png")
        monkeypatch.setattr(Path, "read_bytes", deny)
        with pytest.raises(DataError, match=r"cannot be read as PNG or JPEG .*Permission denied"):
            read_plane(path)


def tiff(tmp_path, pixels):
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, pixels)
    return path


class TestImage:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"])
    def test_types_that_may_be(self, tmp_path, dtype):
        assert read_image(tiff(tmp_path, RAMP.astype(dtype))).pixels.dtype == dtype

    @pytest.mark.parametrize(
        ("dtype", "factor", "held_by"),
        [
            ("int8", -1, "int16"),
            ("float16", 1, "float32"),
            ("int64", 1, "int16"),
            ("uint64", 1, "int16"),
            ("uint64", 40, "uint16"),
            ("int64", -100, "int32"),
            ("int64", 2**20, "int32"),
            ("uint64", 2**21, "uint32"),
        ],
    )
    def test_other_types_become_one_that_holds_them(self, tmp_path, dtype, factor, held_by):
        pixels = (RAMP % 100 if dtype == "int8" else RAMP).astype(dtype) * np.array(factor, dtype)
        image = read_image(tiff(tmp_path, pixels)).pixels
        assert image.dtype == held_by
        np.testing.assert_array_equal(image, pixels)

    @pytest.mark.parametrize(
        ("pixels", "got"),
        [
            (RAMP.astype(np.int64) * 2**40, str(1439 * 2**40)),
            (RAMP.astype(np.uint64) * 2**40, str(1439 * 2**40)),
            (-RAMP.astype(np.int64) * 2**40, str(-1439 * 2**40)),
        ],
    )
    def test_integers_beyond_32_bits_are_rejected_with_their_value(self, tmp_path, pixels, got):
        with pytest.raises(DataError, match=f"must have integers from -2147483648 to 4294967295, got {got}; scale it down"):
            read_image(tiff(tmp_path, pixels))

    def test_types_that_may_not(self, tmp_path):
        with pytest.raises(DataError, match=r"an image must be one of uint8, .*, got complex64; save it as 16 bit"):
            read_image(tiff(tmp_path, RAMP.astype(np.complex64)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_value_that_is_none_is_counted_and_placed(self, tmp_path, value):
        pixels = with_value(value)
        pixels[5, 1] = value
        with pytest.raises(DataError, match="finite in every pixel, got 2 NaN or infinite, the first at row 3, column 7"):
            read_image(tiff(tmp_path, pixels))

    @pytest.mark.parametrize("pixels", [np.full((40, 36), 7, np.uint8), np.full((1, 1), 7, np.uint8)])
    def test_a_constant_image_is_rejected(self, tmp_path, pixels):
        with pytest.raises(DataError, match="must not be constant, got 7 in every pixel"):
            read_image(tiff(tmp_path, pixels))

    def test_the_pixel_size_is_returned(self, tmp_path):
        path = tmp_path / "cell.tif"
        tifffile.imwrite(path, RAMP, resolution=(20000, 40000), resolutionunit="CENTIMETER")
        assert read_image(path).pixel_size_um == pytest.approx((0.25, 0.5))


class TestLabel:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64"])
    def test_integers_are_kept(self, tmp_path, dtype):
        assert read_label(tiff(tmp_path, RAMP.astype(dtype))).dtype == dtype

    def test_one_class_alone_is_allowed(self, tmp_path):
        assert not read_label(tiff(tmp_path, np.zeros((40, 36), np.uint8))).any()

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("suffix", [".tif", ".nii", ".nii.gz"])
    def test_whole_numbers_stored_as_float_are_integers(self, tmp_path, dtype, suffix):
        if dtype == "float16" and suffix != ".tif":
            pytest.skip("NIfTI has no float16")
        label = read_label(file_of(tmp_path, suffix, RAMP.astype(dtype)))
        assert label.dtype == np.int32
        np.testing.assert_array_equal(label, RAMP)

    @pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
    def test_fractions_are_rejected_with_their_place(self, tmp_path, value):
        with pytest.raises(DataError, match=rf"must hold integers, got {value} at row 3, column 7, 1 such .*8 or 16 bit"):
            read_label(tiff(tmp_path, with_value(value)))

    def test_other_types_are_rejected(self, tmp_path):
        with pytest.raises(DataError, match="a label must hold integers, got complex64; save it as 8 or 16 bit"):
            read_label(tiff(tmp_path, RAMP.astype(np.complex64)))

    @pytest.mark.parametrize("dtype", ["uint64", "int64", "uint32", "float64"])
    def test_huge_ids_are_given_new_numbers(self, tmp_path, dtype):
        ids = (RAMP % 3).astype(dtype) * np.array(2**31, dtype)
        if dtype == "uint32":
            ids = np.minimum(RAMP % 3, 1).astype(dtype) * np.uint32(2**32 - 1)
        label = read_label(tiff(tmp_path, ids))
        assert label.dtype == np.int32
        np.testing.assert_array_equal(label, np.minimum(RAMP % 3, 1) if dtype == "uint32" else RAMP % 3)

    def test_minus_one_as_uint64_is_foreground(self, tmp_path):
        stored = np.where(RAMP > 9, -1, 0).astype(np.int64).astype(np.uint64)
        np.testing.assert_array_equal(read_label(tiff(tmp_path, stored)), RAMP > 9)

    def test_what_is_not_annotated_is_minus_one(self, tmp_path):
        ids, ignored = TestFractions.IDS.astype(np.uint8), np.zeros(TestFractions.IDS.shape, np.uint8)
        ignored[5:30, 10:50] = 9
        label, ignore = tiff(tmp_path, ids), tmp_path / "ignore.tif"
        tifffile.imwrite(ignore, ignored)
        assert read_label(label).dtype == np.uint8
        marked = read_label(label, ignore)
        assert marked.dtype == np.int32
        np.testing.assert_array_equal(marked, np.where(ignored > 0, -1, ids.astype(int)))
        np.testing.assert_array_equal(read_label(label, unlabelled_value=2), np.where(ids == 2, -1, ids.astype(int)))
        signed = np.where(ignored > 0, -1, ids.astype(np.int16))
        np.testing.assert_array_equal(read_label(tiff(tmp_path, signed)), signed)

    def test_a_soft_mask_and_high_ids_may_be_annotated_in_part(self, tmp_path):
        soft = ndimage.gaussian_filter((TestFractions.IDS > 0).astype(np.float32), 0.5)
        soft[:3] = -1
        found = read_label(tiff(tmp_path, soft.astype(np.float32)))
        assert (found[:3] == -1).all()
        np.testing.assert_array_equal(found[3:], soft[3:] > 0.5)
        high = np.where(TestFractions.IDS > 0, 2**30, 0).astype(np.int32)
        high[:2], high[2:4] = -1, 2**31 - 1
        found = read_label(tiff(tmp_path, high), unlabelled_value=2**31 - 1)
        assert (found[:4] == -1).all()
        np.testing.assert_array_equal(found[4:], TestFractions.IDS[4:] > 0)

    def test_negative_ids_are_rejected(self, tmp_path):
        with pytest.raises(DataError, match="a label must be >= 0, got 1 pixels down to -4"):
            read_label(tiff(tmp_path, with_value(-4, np.int16)))


class TestFractions:
    IDS = np.kron([[0, 1, 0, 2], [0, 0, 3, 0]], np.ones((20, 15), np.uint8))

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16])
    def test_ids_with_the_rounding_errors_of_a_scale(self, tmp_path, dtype):
        image = nibabel.Nifti1Image(self.IDS.T.astype(np.float64), np.eye(4))
        image.header.set_data_dtype(dtype)  # the library chooses a scale
        nibabel.save(image, tmp_path / "a.nii.gz")
        assert (read_plane(tmp_path / "a.nii.gz").pixels != self.IDS).any()
        np.testing.assert_array_equal(read_label(tmp_path / "a.nii.gz"), self.IDS)

    def test_ids_that_would_become_equal_are_rejected(self, tmp_path):
        with pytest.raises(DataError, match=r"must hold integers, got 0\.01 at row"):
            read_label(tiff(tmp_path, self.IDS * np.float32(0.01)))

    @pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
    def test_a_soft_mask_from_0_to_1_is_cut_at_half(self, tmp_path, suffix):
        soft = ndimage.gaussian_filter((self.IDS > 0).astype(np.float32), 1)
        path = tmp_path / f"a{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(path, soft)
        else:
            nibabel.save(nibabel.Nifti1Image(soft.T, np.eye(4)), path)
        pixels, note = read_described_label(path)
        np.testing.assert_array_equal(pixels, soft > soft.max() / 2)
        assert "a soft mask with grey values up to" in note

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_soft_mask_must_be_finite(self, tmp_path, bad):
        soft = ndimage.gaussian_filter((self.IDS > 0).astype(np.float32), 1)
        soft[0, 0] = bad
        with pytest.raises(
            DataError, match=f"must hold integers, got {bad} at row 0, column 0.*; cut probabilities at a thr"
        ):
            read_label(tiff(tmp_path, soft))


class TestBorder:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
    def test_numbers_become_float32(self, tmp_path, dtype):
        weights = read_border(tiff(tmp_path, RAMP.astype(dtype)))
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(weights, RAMP.astype(dtype))

    def test_complex_numbers_are_rejected(self, tmp_path):
        with pytest.raises(DataError, match="a border weight must be a real number, got complex64"):
            read_border(tiff(tmp_path, RAMP.astype(np.complex64)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_what_float32_cannot_hold_is_rejected(self, tmp_path, value):
        with pytest.raises(DataError, match=r"a border weight must be finite in every pixel, got 1 .* row 3, column 7"):
            read_border(tiff(tmp_path, with_value(value, np.float64)))

    def test_negative_weights_are_rejected(self, tmp_path):
        with pytest.raises(DataError, match=r"a border weight must be >= 0, got 1 pixels down to -0\.5"):
            read_border(tiff(tmp_path, with_value(-0.5)))


def test_a_path_that_the_system_rejects_to_look_at(tmp_path):
    name = "a" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1) + ".tif"
    with pytest.raises(DataError):
        read_plane(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 1e39], "values that float32 holds"),
        ([-3e38, 3e38], "values that float32 holds"),
        ([1e-300, 2e-300], r"differ in 32 bit, got 0\.0 to 1e-300; subtract the minimum"),
    ],
)
def test_an_image_must_survive_float32(tmp_path, values, words):
    tifffile.imwrite(tmp_path / "a.tif", np.array([values, values], np.float64))
    with pytest.raises(DataError, match=words):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("pixels", [1e9 + RAMP / 65536, RAMP + np.uint32(2**31)], ids=["float64", "uint32"])
def test_values_that_float32_cannot_tell_apart_are_counted_from_the_minimum(tmp_path, pixels):
    pixels = pixels[:1, :30]
    assert np.ptp(pixels.astype(np.float32)) == 0 < np.ptp(pixels)
    np.testing.assert_array_equal(read_image(tiff(tmp_path, pixels)).pixels, pixels - pixels.min())


class TestStacks:
    @pytest.mark.parametrize("write", [write_zarr, write_czi], ids=["a.zarr", "a.czi"])
    @pytest.mark.parametrize("read", READERS)
    def test_of_one_plane_are_images_as_others(self, tmp_path, write, read, request):
        path = write(tmp_path / request.node.callspec.id.split("-")[1], GREY[None], "TYX")
        result = read(path)
        np.testing.assert_array_equal(getattr(result, "pixels", result), GREY)
        assert getattr(result, "pixel_size_um", SIZE_UM) == pytest.approx(SIZE_UM)

    @pytest.mark.parametrize("write", [write_zarr, write_czi], ids=["a.zarr", "a.czi"])
    def test_of_more_planes_are_rejected_with_their_axes(self, tmp_path, write, request):
        path = write(tmp_path / request.node.callspec.id, np.stack([GREY] * 3), "TYX")
        with pytest.raises(DataError, match=r"an image must be one grey plane, got a stack with axes T 3,.* Y 40, X 36"):
            read_plane(path)

    def test_an_image_may_be_one_plane_of_a_stack(self, tmp_path):
        path = write_ome_tiff(tmp_path / "a.ome.tif", np.stack([GREY, GREY + 1]), "TYX")
        plane = read_image(Path(f"{path}::t=1,c=0,z=0"))
        np.testing.assert_array_equal(plane.pixels, GREY + 1)
        assert plane.pixel_size_um == pytest.approx(SIZE_UM)

    def test_one_plane_of_a_stack_must_be_what_an_image_must_be(self, tmp_path):
        path = write_ome_tiff(tmp_path / "a.ome.tif", np.stack([GREY, GREY * 0]), "TYX")
        with pytest.raises(DataError, match=r"a\.ome\.tif \(frame 1\): an image must not be constant, got 0 in every pixel"):
            read_image(Path(f"{path}::t=1,c=0,z=0"))
