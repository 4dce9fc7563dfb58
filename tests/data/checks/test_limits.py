"""The checks that all formats share: one plane, its size, errors of one line, XML that would expand."""

import base64
import io
import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.data.checks import limits as planes
from livecell_monai.data.checks.limits import (
    check_decoded_size,
    check_expansion,
    check_single_plane,
    check_xml,
    measure_bytes,
    parse_xml,
    raise_colour_error,
    reading_errors,
)
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.data.readers.served_images import write_served_image
from livecell_monai.errors import DataError

FILE = Path("/d/a.tif")


@pytest.mark.parametrize("axes", ["YX", "TYX", "YXS", "TZCYXS"])
def test_axes_of_length_one_are_dropped(axes):
    shape = [{"Y": 5, "X": 1}.get(axis, 1) for axis in axes]
    assert check_single_plane(FILE, axes, shape) == (5, 1)


def test_a_stack_is_rejected_with_its_axes():
    with pytest.raises(DataError) as caught:
        check_single_plane(FILE, "TZYX", (3, 1, 64, 32))
    assert str(caught.value) == (
        "/d/a.tif: an image must be one grey plane, got a stack with axes T 3, Y 64, X 32;"
        " save the plane to use as its own file"
    )


@pytest.mark.parametrize(("axes", "shape"), [("XY", (4, 5)), ("X", (5,)), ("YX", (0, 5))])
def test_what_is_no_plane_is_rejected(axes, shape):
    with pytest.raises(DataError, match=r"got axes [XY] "):
        check_single_plane(FILE, axes, shape)


def test_colour_is_rejected_with_what_to_do():
    with pytest.raises(DataError, match=r"this is RGB \(mode RGB\); convert it to one grey channel first"):
        raise_colour_error(FILE, "RGB (mode RGB)")


def test_a_librarys_failure_becomes_one_line():
    with (
        pytest.raises(DataError, match=r"^/d/a.tif: cannot be read as TIFF \(bad thing\); [^\n]*$") as caught,
        reading_errors(FILE, "TIFF"),
    ):
        raise RuntimeError("bad\n  thing")
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize("shown", ["<tifffile.TiffFile 'a.tif'> ", "<_io.BytesIO object at 0x7f00>: "])
def test_objects_of_a_library_are_not_shown(shown):
    with pytest.raises(DataError, match=r"cannot be read as TIFF \(invalid metadata\)"), reading_errors(FILE, "TIFF"):
        raise ValueError(f"{shown}invalid metadata")


def test_a_failure_without_words_is_named():
    with pytest.raises(DataError, match=r"\(LookupError\)"), reading_errors(FILE, "TIFF"):
        raise LookupError


def test_errors_that_a_library_only_logs_count_and_are_not_printed(caplog):
    with pytest.raises(DataError, match="tag is broken"), reading_errors(FILE, "TIFF"):
        logging.getLogger("tifffile").error("tag is broken")
    assert not caplog.records


def test_logging_is_normal_afterwards(caplog):
    with reading_errors(FILE, "TIFF"):
        logging.getLogger("tifffile").warning("odd, but harmless")
    logging.getLogger("tifffile").error("heard")
    assert [record.getMessage() for record in caplog.records] == ["heard"]


class TestBounds:
    def test_pixels_are_as_many_as_memory_or_the_file_holds(self, tmp_path, monkeypatch):
        monkeypatch.setattr(planes, "MAX_PIXELS", 1000)
        path = tmp_path / "a.tif"
        path.write_bytes(bytes(130))
        check_decoded_size(path, "a tile", (10, 100))
        check_decoded_size(path, "a tile", (10, 104))  # eight to each byte
        with pytest.raises(DataError, match=r"a\.tif: a tile must have at most 1000 pixels, .* got 10 x 105; save it in"):
            check_decoded_size(path, "a tile", (10, 105))

    def test_a_large_plane_is_held_by_its_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(planes, "MAX_PIXELS", 1000)
        path = tmp_path / "a.tif"
        path.write_bytes(bytes(10))
        check_expansion(path, 1000 + 10 * 1024)
        with pytest.raises(DataError, match=r"must hold the pixels of its image, got 12264 in 10 bytes"):
            check_expansion(path, 1000 + 11 * 1024)

    def test_of_a_folder_no_more_is_counted_than_is_enough(self, tmp_path):
        for number in range(5):
            (tmp_path / str(number)).mkdir()
            (tmp_path / str(number) / "0").write_bytes(bytes(100))
        assert measure_bytes(tmp_path, 10**6) == 500
        assert measure_bytes(tmp_path, 150) == 200


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]><OME>&l9;</OME>"
)
EXPANDING = {
    "laughs": (LAUGHS, "has a document type"),
    "other file": ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><OME>&b;</OME>', "has a document type"),
    "planes": ('<OME><TiffData PlaneCount = "2147483648"/></OME>', "more than 10000000 planes .PlaneCount"),
    "digits": (f"<OME><Pixels SizeT='{'9' * 5000}'/></OME>", "more than 10000000 planes .SizeT"),
    "planes of planes": ('<OME><Pixels SizeT="65535" SizeZ="65535"/></OME>', "planes .1 x 1 x 65535 x 1 x 65535"),
    "range": ('<OME><ModuloAlongT Start="0" End="1e12"/></OME>', "by a range"),
}


def write_base64(path):
    return write_served_image(base64.b64encode(path.read_bytes()).decode(), path.parent, "message")


@pytest.mark.parametrize(("text", "words"), EXPANDING.values(), ids=EXPANDING)
def test_xml_that_would_expand_is_rejected(text, words):
    with pytest.raises(ValueError, match=words):
        parse_xml(text)


def test_what_microscopes_write_is_not():
    check_xml('<?xml version="1.0"?><!-- a comment --><OME><Pixels SizeT="0100" SizeX="99999999"/><TiffData IFD="0"/></OME>')
    assert parse_xml("<a>b</a>").text == "b"


LARGE = '<OME><Pixels SizeX="65535" SizeY="65535" SizeT="3"/></OME>'  # three large planes, or 4e9 pages of 3 pixels


def test_sizes_are_counted_in_pages():
    check_xml(LARGE, 65535**2)
    with pytest.raises(ValueError, match=r"more than 10000000 planes \(65535 x 65535 x 3 x 1 x 1\)"):
        check_xml(LARGE, 3)


@pytest.mark.parametrize("read", [open_stack, read_plane, write_base64], ids=["stack", "plane", "message"])
@pytest.mark.parametrize(("text", "words"), [*EXPANDING.values(), (LARGE, "more than")], ids=[*EXPANDING, "pages"])
def test_is_rejected_before_tifffile(tmp_path, text, words, read, monkeypatch):
    monkeypatch.setattr(tifffile.TiffFile, "series", property(lambda self: pytest.fail("it was parsed")))
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=False) as writer:
        writer.write(np.arange(72, dtype=np.uint8).reshape(8, 9), description=text, metadata=None)
    path = tmp_path / "a.ome.tif"
    path.write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=words):
        read(path)
