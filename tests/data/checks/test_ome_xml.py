"""XML that stands for far more than it says is not parsed."""

import base64
import io

import numpy as np
import pytest
import tifffile

from livecell_monai.data.checks.ome_xml import check_xml, parse_xml
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.data.readers.served_images import write_served_image
from livecell_monai.errors import DataError

LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]><OME>&l9;</OME>"
)
ARTFUL = {
    "laughs": (LAUGHS, "has a document type"),
    "other file": ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><OME>&b;</OME>', "has a document type"),
    "planes": ('<OME><TiffData PlaneCount = "2147483648"/></OME>', "more than 10000000 planes .PlaneCount"),
    "digits": (f"<OME><Pixels SizeT='{'9' * 5000}'/></OME>", "more than 10000000 planes .SizeT"),
    "planes of planes": ('<OME><Pixels SizeT="65535" SizeZ="65535"/></OME>', "planes .1 x 1 x 65535 x 1 x 65535"),
    "range": ('<OME><ModuloAlongT Start="0" End="1e12"/></OME>', "by a range"),
}


def write_base64(path):
    return write_served_image(base64.b64encode(path.read_bytes()).decode(), path.parent, "message")


@pytest.mark.parametrize(("text", "words"), ARTFUL.values(), ids=ARTFUL)
def test_is_refused(text, words):
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
@pytest.mark.parametrize(("text", "words"), [*ARTFUL.values(), (LARGE, "more than")], ids=[*ARTFUL, "pages"])
def test_is_refused_ahead_of_tifffile(tmp_path, text, words, read, monkeypatch):
    monkeypatch.setattr(tifffile.TiffFile, "series", property(lambda self: pytest.fail("it was parsed")))
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=False) as writer:
        writer.write(np.arange(72, dtype=np.uint8).reshape(8, 9), description=text, metadata=None)
    path = tmp_path / "a.ome.tif"
    path.write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=words):
        read(path)
