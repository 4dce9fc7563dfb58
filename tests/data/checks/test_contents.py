"""What files are by their first bytes."""

import pytest

from livecell_monai.data.checks.contents import describe_contents, find_kind
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_image
from livecell_monai.errors import DataError

KNOWN = {
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page", "download the file again"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "a Git LFS pointer", "run git lfs pull"),
    "zip": (b"PK\3\4" + bytes(40), "a zip archive", "unpack it"),
    "bmp": (b"BM" + bytes(60), "a BMP image", "save it as TIFF"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40), "a WebP image or AVI movie", "save it as TIFF"),
    "zeros": (bytes(100), "zeros only", "copy the file again"),
    "text": ("Größe und Ort der Zellen\n".encode() * 99, "a text", "give the image itself"),
}


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".nii", ".nii.gz"])
@pytest.mark.parametrize(("data", "what", "advice"), KNOWN.values(), ids=KNOWN)
def test_a_message_says_what_the_file_is(tmp_path, suffix, data, what, advice):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    for read in (read_image, open_stack):
        with pytest.raises(DataError, match=rf"cannot be read as [\w ]+ \(it is {what}\); {advice}") as caught:
            read(path)
        assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"I", b"short text", b"\x89\x00\xff" * 30, "Größe".encode("latin-1") * 9])
def test_what_is_unknown_is_not_guessed(tmp_path, data):
    (tmp_path / "a.tif").write_bytes(data)
    assert describe_contents(tmp_path / "a.tif", "TIFF") is None
    assert find_kind(tmp_path / "a.tif") == ""


def test_a_file_of_the_right_kind_is_not_described(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    assert describe_contents(tmp_path / "a.nii.gz", "NIfTI") is None
    assert describe_contents(tmp_path / "a.nii.gz", "TIFF") == ("a gzip archive", "unpack it")
    assert describe_contents(tmp_path, "TIFF") is None  # a folder
