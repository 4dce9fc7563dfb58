"""Every reader of a format, and what images, labels and border weights must be."""

import gzip
import io
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image
from stack_files import SIZE_UM, write_czi, write_ome_tiff, write_zarr

from livecell_monai.data import formats, planes
from livecell_monai.data.formats import SUFFIXES, is_image, read_border, read_image, read_label, read_plane, stem_of
from livecell_monai.errors import DataError

RAMP = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)  # no two pixels alike, no two axes alike
GREY = RAMP.astype(np.uint8)
READERS = [read_plane, read_image, read_label, read_border]


def picture_bytes(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def nifti(pixels, zooms=(), unit=None, kind=nibabel.Nifti1Image):
    """An image of an array (X, Y, ...)."""
    image = kind(pixels, np.eye(4))
    image.header.set_zooms((*zooms, *(1.0,) * (pixels.ndim - len(zooms))))
    if unit:
        image.header.set_xyzt_units(unit)
    return image


def file_of(tmp_path, suffix, pixels=GREY):
    """A file of these pixels (Y, X), in the format of its suffix."""
    path = tmp_path / f"cell{suffix}"
    suffix = suffix.lower()
    if suffix.endswith((".tif", ".tiff")):
        tifffile.imwrite(path, pixels)
    elif suffix.startswith(".nii"):
        data = nifti(pixels.T).to_bytes()
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    else:
        Image.fromarray(pixels).save(path)
    return path


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [f"a{suffix}" for suffix in SUFFIXES]
        + ["a.OME.TIF", "b.c.Png", "A.NII.GZ", "a.ND2", "a.czi", "a.ome.zarr", "a.zarr"],
    )
    def test_images(self, name):
        assert is_image(Path("/d") / name)

    @pytest.mark.parametrize("name", ["a.csv", "a", "tif", "a.gz", "a.tif.txt", "._a.tif", ".writing-0.tif", ".tif"])
    def test_no_images(self, name):
        assert not is_image(Path("/d") / name)

    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("a.tif", "a"),
            ("a.b.png", "a.b"),
            ("a.nii.gz", "a"),
            ("a.NII.GZ", "a"),
            ("a.ome.tif", "a"),
            ("a.b.OME.TIFF", "a.b"),
            ("a.ome.png", "a.ome"),
            ("a.ome.zarr", "a"),
            ("a.zarr", "a"),
            ("a.b.nd2", "a.b"),
            ("a.csv", "a"),
            ("a", "a"),
        ],
    )
    def test_stems(self, name, stem):
        assert stem_of(Path("/d.e") / name) == stem


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
    def test_is_refused_wherever_it_is_cut_off(self, tmp_path, suffix):
        path = file_of(tmp_path, suffix)
        data = path.read_bytes()
        lengths = {*range(1, 30), *range(30, len(data), len(data) // 40), *range(len(data) - 30, len(data))}
        for length in lengths:
            path.write_bytes(data[:length])
            with pytest.raises(DataError, match=r"cannot be read as [^\n]+; check that the file is whole[^\n]*$"):
                read_plane(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("read", READERS)
    def test_is_refused_when_it_holds_something_else(self, tmp_path, suffix, read):
        path = tmp_path / f"cell{suffix}"
        path.write_bytes(b"This is a text,\nand no image at all.\n" * 40)
        with pytest.raises(DataError, match=r"cell[.a-z]+: cannot be read as [^\n]*$") as caught:
            read(path)
        assert caught.value.__cause__ is not None

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("read", READERS)
    def test_is_refused_when_empty(self, tmp_path, suffix, read):
        path = tmp_path / f"cell{suffix}"
        path.touch()
        with pytest.raises(DataError, match=r"this file is empty \(0 bytes\); copy it again"):
            read(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_is_refused_when_a_folder(self, tmp_path, suffix):
        path = tmp_path / f"cell{suffix}"
        path.mkdir()
        with pytest.raises(DataError, match="an image must be a file, this is a folder; check the path"):
            read_plane(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_is_refused_when_missing(self, tmp_path, suffix):
        with pytest.raises(DataError, match="an image must be a file, this does not exist; check the path"):
            read_plane(tmp_path / f"cell{suffix}")

    def test_is_one_of_those_known(self, tmp_path):
        path = tmp_path / "cell.lif"
        path.write_bytes(b"LMSDataContainerHeader")
        with pytest.raises(DataError, match=r"cell\.lif: an image's name must end in one of \.tif .*; save it as TIFF"):
            read_plane(path)

    def test_that_the_system_withholds_is_refused(self, tmp_path, monkeypatch):
        def deny(path):
            raise PermissionError(13, "Permission denied", str(path))

        path = file_of(tmp_path, ".png")
        monkeypatch.setattr(Path, "read_bytes", deny)
        with pytest.raises(DataError, match=r"cannot be read as PNG or JPEG .*Permission denied"):
            read_plane(path)


class TestPngAndJpeg:
    def read(self, tmp_path, data, suffix=".png"):
        path = tmp_path / f"cell{suffix}"
        path.write_bytes(data)
        return read_plane(path)

    def test_sixteen_bits_are_kept(self, tmp_path):
        pixels = self.read(tmp_path, picture_bytes(Image.fromarray(RAMP * 40), "PNG")).pixels
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, RAMP * 40)

    def test_one_bit_becomes_zero_and_one(self, tmp_path):
        pixels = self.read(tmp_path, picture_bytes(Image.fromarray(RAMP > 9), "PNG")).pixels
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, RAMP > 9)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
    def test_colour_is_refused(self, tmp_path, mode):
        data = picture_bytes(Image.fromarray(GREY).convert(mode), "PNG")
        what = "RGB" if mode.startswith("RGB") else "not grey"
        with pytest.raises(DataError, match=rf"is {what} \(mode {mode}\); convert it to one grey channel first"):
            self.read(tmp_path, data)

    def test_colour_for_print_is_refused(self, tmp_path):
        data = picture_bytes(Image.fromarray(GREY).convert("CMYK"), "JPEG")
        with pytest.raises(DataError, match=r"is not grey \(mode CMYK\)"):
            self.read(tmp_path, data, ".jpg")

    def test_a_film_is_refused(self, tmp_path):
        frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy().reshape(GREY.shape))]
        data = picture_bytes(frames[0], "PNG", save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match="got a stack with axes T 2, Y 40, X 36"):
            self.read(tmp_path, data)

    def test_a_rotation_for_display_is_ignored(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # Orientation: turn by 90 degrees
        data = picture_bytes(Image.fromarray(GREY), "JPEG", exif=exif)
        assert self.read(tmp_path, data, ".jpg").pixels.shape == GREY.shape

    def test_an_image_too_large_to_trust_is_refused(self, tmp_path, monkeypatch):
        data = picture_bytes(Image.fromarray(np.zeros((40, 360), np.uint8)), "PNG")
        self.read(tmp_path, data)
        monkeypatch.setattr(planes, "MOST_PIXELS", 1000)
        with pytest.raises(
            DataError, match=r"read whole must have at most 1000 pixels, or a byte .* got 40 x 360; save it in"
        ):
            self.read(tmp_path, data)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(DataError, match=r"decompression bomb.*save it again as TIFF"):
            self.read(tmp_path, data)

    def test_what_is_written_after_the_end_does_not_matter(self, tmp_path):
        data = picture_bytes(Image.fromarray(GREY), "PNG") + b"a camera's notes"
        np.testing.assert_array_equal(self.read(tmp_path, data).pixels, GREY)

    def test_another_format_by_that_name_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="cannot be read as PNG or JPEG"):
            self.read(tmp_path, picture_bytes(Image.fromarray(GREY), "BMP"))

    def test_they_tell_no_pixel_size(self, tmp_path):
        assert self.read(tmp_path, picture_bytes(Image.fromarray(GREY), "PNG", dpi=(300, 300))).pixel_size_um is None

    def test_values_of_older_pillows_become_sixteen_bits(self, tmp_path, monkeypatch):
        path = self.as_int32(tmp_path, monkeypatch, RAMP)
        assert read_plane(path).pixels.dtype == np.uint16

    @pytest.mark.parametrize("value", [-1, 65536])
    def test_values_beyond_sixteen_bits_are_refused(self, tmp_path, monkeypatch, value):
        path = self.as_int32(tmp_path, monkeypatch, with_value(value, np.int32))
        with pytest.raises(DataError, match="beyond 16 bits"):
            read_plane(path)

    def as_int32(self, tmp_path, monkeypatch, pixels):
        """A PNG that Pillow hands out in mode I, as it did before version 11 with 16 bits."""
        picture = Image.fromarray(pixels.astype(np.int32))
        picture.format = "PNG"
        path = file_of(tmp_path, ".png")
        monkeypatch.setattr(formats.Image, "open", lambda *_, **__: picture)
        return path


class TestNifti:
    def read(self, tmp_path, image, suffix=".nii"):
        path = tmp_path / f"cell{suffix}"
        image.to_filename(path)
        return read_plane(path)

    @pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("more", [(), (1,), (1, 1)])
    def test_an_array_of_x_and_y_is_turned(self, tmp_path, kind, suffix, more):
        pixels = self.read(tmp_path, nifti(RAMP.T.reshape(36, 40, *more), kind=kind), suffix).pixels
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, RAMP)

    def test_big_endian(self, tmp_path):
        header = nibabel.Nifti1Header(endianness=">")
        header.set_data_dtype(np.uint16)
        pixels = self.read(tmp_path, nibabel.Nifti1Image(RAMP.T, np.eye(4), header)).pixels
        assert pixels.dtype.isnative
        np.testing.assert_array_equal(pixels, RAMP)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [((36, 40, 2), "Z 2, Y 40, X 36"), ((36, 40, 1, 3), "T 3, Y 40, X 36"), ((1, 4, 5), "Z 5, Y 4")],
    )
    def test_a_stack_is_refused_with_its_axes(self, tmp_path, shape, axes):
        with pytest.raises(DataError, match=f"got a stack with axes {axes}"):
            self.read(tmp_path, nifti(np.zeros(shape, np.uint8)))

    def test_colour_is_refused(self, tmp_path):
        colours = np.zeros((36, 40, 1), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        with pytest.raises(DataError, match=r"is RGB \(data type R, G, B\); convert it to one grey channel first"):
            self.read(tmp_path, nibabel.Nifti1Image(colours, np.eye(4)))

    def test_a_scale_in_the_header_is_applied(self, tmp_path):
        image = nifti(RAMP.T)
        image.header.set_slope_inter(1, 0)
        data = bytearray(image.to_bytes())
        data[112:120] = np.array([2.0, 10.0], "<f4").tobytes()  # scl_slope, scl_inter
        path = tmp_path / "cell.nii"
        path.write_bytes(data)
        np.testing.assert_allclose(read_plane(path).pixels, RAMP * 2.0 + 10)

    @pytest.mark.parametrize(
        ("unit", "size"),
        [("mm", (250.0, 500.0)), ("micron", (0.25, 0.5)), ("meter", (0.25e6, 0.5e6)), ("unknown", None)],
    )
    def test_pixel_size(self, tmp_path, unit, size):
        got = self.read(tmp_path, nifti(RAMP.T, zooms=(0.5, 0.25), unit=unit)).pixel_size_um
        assert got == (None if size is None else pytest.approx(size))

    def test_a_header_that_claims_more_than_memory_is_refused(self, tmp_path):
        data = bytearray(nifti(GREY.T).to_bytes())
        data[42:46] = np.array([32_767, 32_767], "<i2").tobytes()  # dim[1], dim[2]
        for path, content in ((tmp_path / "a.nii", bytes(data)), (tmp_path / "a.nii.gz", gzip.compress(data))):
            path.write_bytes(content)
            with pytest.raises(
                DataError, match=r"read whole must have at most .* got 32767 x 32767; save it in smaller pieces"
            ):
                read_plane(path)

    def test_a_lost_checksum_is_a_cut(self, tmp_path):
        path = tmp_path / "cell.nii.gz"
        path.write_bytes(gzip.compress(nifti(GREY.T).to_bytes())[:-1])
        with pytest.raises(DataError, match="cannot be read as NIfTI"):
            read_plane(path)


def tiff(tmp_path, pixels):
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, pixels)
    return path


def with_value(value, dtype=np.float32):
    pixels = RAMP.astype(dtype)
    pixels[3, 7] = value
    return pixels


class TestImage:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"])
    def test_types_that_may_be(self, tmp_path, dtype):
        assert read_image(tiff(tmp_path, RAMP.astype(dtype))).pixels.dtype == dtype

    @pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "float16", "complex64"])
    def test_types_that_may_not(self, tmp_path, dtype):
        with pytest.raises(DataError, match=f"an image must be one of uint8, .*, got {dtype}; save it as 16 bit"):
            read_image(tiff(tmp_path, RAMP.astype(dtype)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_value_that_is_none_is_counted_and_placed(self, tmp_path, value):
        pixels = with_value(value)
        pixels[5, 1] = value
        with pytest.raises(DataError, match="finite in every pixel, got 2 NaN or infinite, the first at row 3, column 7"):
            read_image(tiff(tmp_path, pixels))

    @pytest.mark.parametrize("pixels", [np.full((40, 36), 7, np.uint8), np.full((1, 1), 7, np.uint8)])
    def test_an_image_of_nothing_is_refused(self, tmp_path, pixels):
        with pytest.raises(DataError, match="must not be constant, got 7 in every pixel"):
            read_image(tiff(tmp_path, pixels))

    def test_the_pixel_size_comes_along(self, tmp_path):
        path = tmp_path / "cell.tif"
        tifffile.imwrite(path, RAMP, resolution=(20000, 40000), resolutionunit="CENTIMETER")
        assert read_image(path).pixel_size_um == pytest.approx((0.25, 0.5))


class TestLabel:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64"])
    def test_integers_are_kept(self, tmp_path, dtype):
        assert read_label(tiff(tmp_path, RAMP.astype(dtype))).dtype == dtype

    def test_one_class_alone_is_not_our_business(self, tmp_path):
        assert not read_label(tiff(tmp_path, np.zeros((40, 36), np.uint8))).any()

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
    def test_fractions_are_refused_even_when_whole(self, tmp_path, dtype):
        with pytest.raises(DataError, match=f"a label must hold integers, got {dtype}; save it as 8 or 16 bit"):
            read_label(tiff(tmp_path, RAMP.astype(dtype)))

    def test_negative_ids_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="a label must be >= 0, got 1 pixels down to -4"):
            read_label(tiff(tmp_path, with_value(-4, np.int16)))


class TestBorder:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
    def test_numbers_become_float32(self, tmp_path, dtype):
        weights = read_border(tiff(tmp_path, RAMP.astype(dtype)))
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(weights, RAMP.astype(dtype))

    def test_complex_numbers_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="a border weight must be a real number, got complex64"):
            read_border(tiff(tmp_path, RAMP.astype(np.complex64)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_what_float32_cannot_hold_is_refused(self, tmp_path, value):
        with pytest.raises(DataError, match=r"a border weight must be finite in every pixel, got 1 .* row 3, column 7"):
            read_border(tiff(tmp_path, with_value(value, np.float64)))

    def test_negative_weights_are_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"a border weight must be >= 0, got 1 pixels down to -0\.5"):
            read_border(tiff(tmp_path, with_value(-0.5)))


def test_a_path_that_the_system_refuses_to_look_at(tmp_path):
    name = "a" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1) + ".tif"
    with pytest.raises(DataError):
        read_plane(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "words"),
    [([0.0, 1e39], "values that float32 holds"), ([-3e38, 3e38], "values that float32 holds"), ([1e9, 1e9 + 1], "constant")],
)
def test_an_image_must_survive_float32(tmp_path, values, words):
    tifffile.imwrite(tmp_path / "a.tif", np.array([values, values], np.float64))
    with pytest.raises(DataError, match=words):
        read_image(tmp_path / "a.tif")


class TestStacks:
    @pytest.mark.parametrize("write", [write_zarr, write_czi], ids=["a.zarr", "a.czi"])
    @pytest.mark.parametrize("read", READERS)
    def test_of_one_plane_are_images_as_others(self, tmp_path, write, read, request):
        path = write(tmp_path / request.node.callspec.id.split("-")[1], GREY[None], "TYX")
        result = read(path)
        np.testing.assert_array_equal(getattr(result, "pixels", result), GREY)
        assert getattr(result, "pixel_size_um", SIZE_UM) == pytest.approx(SIZE_UM)

    @pytest.mark.parametrize("write", [write_zarr, write_czi], ids=["a.zarr", "a.czi"])
    def test_of_more_planes_are_refused_with_their_axes(self, tmp_path, write, request):
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
        with pytest.raises(DataError, match=r"a\.ome\.tif.*: an image must not be constant, got 0 in every pixel"):
            read_image(Path(f"{path}::t=1,c=0,z=0"))
