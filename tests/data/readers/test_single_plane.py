"""PNG, JPEG and NIfTI: pixels, pixel sizes, and rejected files."""

import gzip
import io

import imagecodecs
import nibabel
import numpy as np
import pytest
from PIL import Image

from livecell_monai.data.checks import limits as planes
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers import single_plane as one_plane
from livecell_monai.data.readers.single_plane import MAX_TRAILING_BYTES, open_maybe_gzip, read_pixel_bytes, read_single
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region
from tests.support.plane_files import GREY, RAMP, file_of, nifti, picture_bytes

SMALL = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9)
DATA = bytes(range(256)) * 40


class TestPngAndJpeg:
    def read(self, tmp_path, data, suffix=".png"):
        path = tmp_path / f"cell{suffix}"
        path.write_bytes(data)
        return read_single(path)

    def test_sixteen_bits_are_kept(self, tmp_path):
        pixels = self.read(tmp_path, picture_bytes(Image.fromarray(RAMP * 40), "PNG")).pixels
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, RAMP * 40)

    def test_one_bit_becomes_zero_and_one(self, tmp_path):
        pixels = self.read(tmp_path, picture_bytes(Image.fromarray(RAMP > 9), "PNG")).pixels
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, RAMP > 9)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
    def test_grey_saved_as_colour_is_grey(self, tmp_path, mode):
        pixels = self.read(tmp_path, picture_bytes(Image.fromarray(GREY).convert(mode), "PNG")).pixels
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, GREY)

    def test_grey_saved_as_a_colour_jpeg_is_that_of_a_grey_one(self, tmp_path):
        grey = self.read(tmp_path, picture_bytes(Image.fromarray(GREY), "JPEG"), ".jpg").pixels
        colour = self.read(tmp_path, picture_bytes(Image.fromarray(GREY).convert("RGB"), "JPEG"), ".jpeg").pixels
        np.testing.assert_allclose(colour.astype(int), grey.astype(int), atol=8)

    @pytest.mark.parametrize("samples", [2, 3, 4])
    def test_colours_of_16_bits_keep_them(self, tmp_path, samples):
        pixels = np.stack([RAMP * 40] * samples, -1)
        if samples != 3:
            pixels[..., -1] = 65535
        read = self.read(tmp_path, imagecodecs.png_encode(pixels)).pixels
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, RAMP * 40)

    def test_colour_is_rejected_with_its_first_pixel(self, tmp_path):
        pixels = np.stack([GREY] * 3, -1)
        pixels[3, 7], pixels[4, 1] = (1, 2, 3), (9, 0, 0)
        with pytest.raises(DataError, match="this is RGB with red 1, green 2, blue 3 at row 3, column 7; convert it"):
            self.read(tmp_path, picture_bytes(Image.fromarray(pixels), "PNG"))

    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_transparency_is_rejected_with_its_first_pixel(self, tmp_path, mode):
        picture = Image.fromarray(GREY).convert(mode)
        picture.putpixel((7, 3), (5,) * (len(mode) - 1) + (128,))
        with pytest.raises(DataError, match="must be opaque, got opacity 128 of 255 at row 3, column 7; save it without"):
            self.read(tmp_path, picture_bytes(picture, "PNG"))

    def test_a_coloured_palette_names_the_ids_of_a_label(self, tmp_path):
        picture = Image.fromarray(GREY).convert("P")
        picture.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
        data = picture_bytes(picture, "PNG")
        with pytest.raises(DataError, match="this is RGB with red 0, green 255, blue 7 at row 0, column 0"):
            self.read(tmp_path, data)
        np.testing.assert_array_equal(read_single(tmp_path / "cell.png", is_label=True).pixels, GREY)

    def test_a_transparent_colour_of_a_palette_is_rejected(self, tmp_path):
        data = picture_bytes(Image.fromarray(GREY).convert("P"), "PNG", transparency=3)
        with pytest.raises(DataError, match="must be opaque, got opacity 0 of 255 at row 0, column 3"):
            self.read(tmp_path, data)
        np.testing.assert_array_equal(read_single(tmp_path / "cell.png", is_label=True).pixels, GREY)

    @pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG"])
    @pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
    def test_a_wrong_ending_does_not_matter(self, tmp_path, kind, suffix):
        picture = Image.fromarray(GREY)
        pixels = self.read(tmp_path, picture_bytes(picture, kind), suffix).pixels
        np.testing.assert_allclose(pixels, GREY, atol=255 if kind == "JPEG" else 0)
        with open_stack(tmp_path / f"cell{suffix}") as stack:
            np.testing.assert_array_equal(stack.read(), pixels)

    def test_colour_for_print_is_rejected(self, tmp_path):
        data = picture_bytes(Image.fromarray(GREY).convert("CMYK"), "JPEG")
        with pytest.raises(DataError, match=r"is not grey \(mode CMYK\)"):
            self.read(tmp_path, data, ".jpg")

    def test_an_animation_is_rejected(self, tmp_path):
        frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy().reshape(GREY.shape))]
        data = picture_bytes(frames[0], "PNG", save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match="got a stack with axes T 2, Y 40, X 36"):
            self.read(tmp_path, data)

    def test_a_rotation_for_display_is_ignored(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # Orientation: turn by 90 degrees
        data = picture_bytes(Image.fromarray(GREY), "JPEG", exif=exif)
        assert self.read(tmp_path, data, ".jpg").pixels.shape == GREY.shape

    def test_an_image_too_large_to_trust_is_rejected(self, tmp_path, monkeypatch):
        data = picture_bytes(Image.fromarray(np.zeros((40, 360), np.uint8)), "PNG")
        self.read(tmp_path, data)
        monkeypatch.setattr(planes, "MAX_PIXELS", 1000)
        with pytest.raises(
            DataError, match=r"read whole must have at most 1000 pixels, or eight for each byte .* got 40 x 360; save it in"
        ):
            self.read(tmp_path, data)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(DataError, match=r"decompression bomb.*save it again as TIFF"):
            self.read(tmp_path, data)

    def test_what_is_written_after_the_end_does_not_matter(self, tmp_path):
        data = picture_bytes(Image.fromarray(GREY), "PNG") + b"a camera's notes"
        np.testing.assert_array_equal(self.read(tmp_path, data).pixels, GREY)

    def test_another_format_by_that_name_is_rejected(self, tmp_path):
        with pytest.raises(DataError, match=r"cannot be read as PNG or JPEG \(it is a BMP image\); save it as TIFF$"):
            self.read(tmp_path, picture_bytes(Image.fromarray(GREY), "BMP"))
        with pytest.raises(DataError, match="it is neither a PNG nor a JPEG"):
            self.read(tmp_path, b"\x01\x02 something unknown \xff\xfe\x00")

    def test_they_state_no_pixel_size(self, tmp_path):
        assert self.read(tmp_path, picture_bytes(Image.fromarray(GREY), "PNG", dpi=(300, 300))).pixel_size_um is None

    def test_values_of_older_pillows_become_sixteen_bits(self, tmp_path, monkeypatch):
        path = self.as_int32(tmp_path, monkeypatch, RAMP)
        assert read_single(path).pixels.dtype == np.uint16

    def as_int32(self, tmp_path, monkeypatch, pixels):
        """A PNG that Pillow opens in mode I, as it did with 16 bits before version 11."""
        picture = Image.fromarray(pixels.astype(np.int32))
        picture.format = "PNG"
        path = file_of(tmp_path, ".png")
        monkeypatch.setattr(one_plane.Image, "open", lambda *_, **__: picture)
        return path


class TestNifti:
    def read(self, tmp_path, image, suffix=".nii"):
        path = tmp_path / f"cell{suffix}"
        image.to_filename(path)
        return read_single(path)

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
        ("shape", "axes"), [((36, 40, 2), "Z 2, Y 40, X 36"), ((36, 40, 1, 3), "T 3, Y 40, X 36"), ((1, 4, 5), "Z 5, Y 4")]
    )
    def test_a_stack_is_rejected_with_its_axes(self, tmp_path, shape, axes):
        with pytest.raises(DataError, match=f"got a stack with axes {axes}"):
            self.read(tmp_path, nifti(np.zeros(shape, np.uint8)))

    def test_colour_is_rejected(self, tmp_path):
        colours = np.zeros((36, 40, 1), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        for name in colours.dtype.names:
            colours[name] = GREY.T[..., None]
        np.testing.assert_array_equal(self.read(tmp_path, nibabel.Nifti1Image(colours, np.eye(4))).pixels, GREY)
        colours["R"][7, 3] = 200
        with pytest.raises(DataError, match=r"is RGB with red 200, green \d+, blue \d+ at row 3, column 7; convert it"):
            self.read(tmp_path, nibabel.Nifti1Image(colours, np.eye(4)))

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_compression_is_found_by_the_first_bytes(self, tmp_path, suffix):
        path, data = tmp_path / f"cell{suffix}", nifti(GREY.T).to_bytes()
        path.write_bytes(gzip.compress(data) if suffix == ".nii" else data)
        np.testing.assert_array_equal(read_single(path).pixels, GREY)

    def test_a_scale_in_the_header_is_applied(self, tmp_path):
        image = nifti(RAMP.T)
        image.header.set_slope_inter(1, 0)
        data = bytearray(image.to_bytes())
        data[112:120] = np.array([2.0, 10.0], "<f4").tobytes()  # scl_slope, scl_inter
        path = tmp_path / "cell.nii"
        path.write_bytes(data)
        np.testing.assert_allclose(read_single(path).pixels, RAMP * 2.0 + 10)

    @pytest.mark.parametrize(
        ("unit", "size"), [("mm", (250.0, 500.0)), ("micron", (0.25, 0.5)), ("meter", None), ("unknown", None)]
    )
    def test_pixel_size(self, tmp_path, unit, size):
        got = self.read(tmp_path, nifti(RAMP.T, zooms=(0.5, 0.25), unit=unit)).pixel_size_um
        assert got == (None if size is None else pytest.approx(size))

    def test_a_header_that_claims_more_than_memory_is_rejected(self, tmp_path):
        data = bytearray(nifti(GREY.T).to_bytes())
        data[42:46] = np.array([32_767, 32_767], "<i2").tobytes()  # dim[1], dim[2]
        for path, content in ((tmp_path / "a.nii", bytes(data)), (tmp_path / "a.nii.gz", gzip.compress(data))):
            path.write_bytes(content)
            with pytest.raises(
                DataError, match=r"read whole must have at most .* got 32767 x 32767; save it in smaller pieces"
            ):
                read_single(path)

    def test_a_lost_checksum_is_a_cut(self, tmp_path):
        path = tmp_path / "cell.nii.gz"
        path.write_bytes(gzip.compress(nifti(GREY.T).to_bytes())[:-1])
        with pytest.raises(DataError, match="cannot be read as NIfTI"):
            read_single(path)


def test_formats_of_one_plane_are_stacks_of_it(tmp_path):
    Image.fromarray(SMALL).save(tmp_path / "a.png")
    image = nibabel.Nifti1Image(SMALL.T, np.diag([0.5, 0.25, 1, 1]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii.gz")
    for name, size in (("a.png", None), ("a.nii.gz", (0.25, 0.5))):
        with open_stack(tmp_path / name, "yx") as stack:
            assert (stack.axes, stack.shape, stack.dtype, stack.pixel_size_um) == ("YX", (6, 9), np.uint8, size)
            np.testing.assert_array_equal(stack.read(), SMALL)
            np.testing.assert_array_equal(stack.read(region=Region(1, 2, 3, 9)), SMALL[1:3, 2:9])
            with pytest.raises(DataError, match="frame 0 to 0, got frame 1"):
                stack.read(time=1)
            stack.read()[:] = 0  # a copy
            assert stack.read().any()


def test_what_is_no_image_is_rejected(tmp_path):
    (tmp_path / "a.lif").write_bytes(b"x")
    with pytest.raises(DataError, match=r"name must end in one of \.tif .* \.nd2 \.czi \.zarr"):
        open_stack(tmp_path / "a.lif")
    Image.fromarray(SMALL).save(tmp_path / "a.png")
    with pytest.raises(SettingError, match="--axes must name the file's axes, Y 6, X 9, got 'TYX'"):
        open_stack(tmp_path / "a.png", "TYX")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize(("head", "offset"), [(0, 0), (100, 100), (100, 30), (100, 352)])
def test_bytes_from_an_offset(tmp_path, name, head, offset):
    path = tmp_path / name
    path.write_bytes(gzip.compress(DATA) if name.lower().endswith(".gz") else DATA)
    with open_maybe_gzip(path) as stream:
        assert read_pixel_bytes(stream, stream.read(head), offset, 5000) == DATA[offset : offset + 5000]


def test_what_is_cut_off_is_rejected():
    with pytest.raises(ValueError, match=r"the file is cut off: it needs 20000 bytes of pixels and has 10240"):
        read_pixel_bytes(io.BytesIO(DATA), b"", 0, 20_000)


def test_a_bomb_behind_the_pixels_is_not_unpacked(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(DATA) + gzip.compress(bytes(2**24)) * 4096)  # 64 GB
    with (
        open_maybe_gzip(path) as stream,
        pytest.raises(ValueError, match=f"more than {MAX_TRAILING_BYTES} bytes follow its 100 bytes"),
    ):
        read_pixel_bytes(stream, b"", 0, 100)


def test_the_checksum_at_the_end_is_looked_at(tmp_path):
    path = tmp_path / "a.gz"
    packed = bytearray(gzip.compress(DATA))
    packed[-8] ^= 1
    path.write_bytes(packed)
    with open_maybe_gzip(path) as stream, pytest.raises(OSError, match="CRC"):
        read_pixel_bytes(stream, b"", 0, 100)
