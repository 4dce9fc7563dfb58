"""Files that may be compressed: as many bytes as the header says, checked to the end, and no more."""

import gzip
import io

import pytest

from livecell_monai.data.checks.gzip_stream import MAX_TRAILING_BYTES, open_maybe_gzip, read_pixel_bytes

DATA = bytes(range(256)) * 40


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize(("head", "offset"), [(0, 0), (100, 100), (100, 30), (100, 352)])
def test_bytes_from_an_offset(tmp_path, name, head, offset):
    path = tmp_path / name
    path.write_bytes(gzip.compress(DATA) if name.lower().endswith(".gz") else DATA)
    with open_maybe_gzip(path) as stream:
        assert read_pixel_bytes(stream, stream.read(head), offset, 5000) == DATA[offset : offset + 5000]


def test_what_is_cut_off_is_refused():
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
