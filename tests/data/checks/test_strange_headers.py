"""TIFF tags and OME-XML of any values: the image that they state, or an error of one line."""

import io
import struct
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import LiveCellError

TRIES = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
PIXELS = np.arange(6 * 7, dtype=np.uint8).reshape(6, 7) * 5
MOVIE = np.stack([PIXELS, PIXELS + 1, PIXELS + 2])

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([6, 7, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1]))
TAGS = st.fixed_dictionaries(
    {256: st.just(7) | SIZES, 257: st.just(6) | SIZES, 273: st.just(8) | SIZES, 279: st.just(42) | SIZES},
    optional={
        258: st.sampled_from([1, 8, 8, 8, 12, 16, 32, 64, 65_535]),
        259: st.sampled_from([1, 1, 1, 5, 7, 8, 32_773, 50_000, 65_535]),
        262: st.integers(0, 6),
        277: st.integers(0, 5),
        278: SIZES,
        284: st.integers(0, 3),
        317: st.integers(0, 4),
        339: st.integers(0, 7),
        322: SIZES,
        323: SIZES,
    },
)


def tiff_of(tags, is_long, order):
    """A classic TIFF of these tags and of the pixels at byte 8."""
    kind, letter = (4, "I") if is_long else (3, "H")
    entries = b"".join(
        struct.pack(f"{order}HHI{letter}", code, kind, 1, value % 2 ** (32 if is_long else 16)).ljust(12, b"\0")
        for code, value in sorted({258: 8, **tags}.items())
    )
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + PIXELS.size)
    return head + PIXELS.tobytes() + struct.pack(f"{order}H", len(entries) // 12) + entries + bytes(4)


def outcome_of(read):
    """What was read, or the message of the error."""
    try:
        return read(), None
    except LiveCellError as error:
        return None, str(error)


def read_stack(path):
    with open_stack(path) as stack:
        return stack.read()


@TRIES
@given(TAGS, st.booleans(), st.sampled_from("<>"))
def test_tags_of_any_values(tmp_path, tags, is_long, order):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_of(tags, is_long, order))
    told = [tags[code] % 2 ** (32 if is_long else 16) for code in (257, 256)]
    for read in (lambda: read_plane(path).pixels, lambda: read_stack(path)):
        pixels, message = outcome_of(read)
        if pixels is None:
            assert message.isprintable()
        else:
            assert [*pixels.shape] == told
            assert pixels.nbytes <= 8 * path.stat().st_size  # nothing that the file does not hold


def test_the_tags_of_the_pixels_give_them(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff_of({256: 7, 257: 6, 273: 8, 279: 42}, True, ">"))
    np.testing.assert_array_equal(read_plane(tmp_path / "a.tif").pixels, PIXELS)


COUNTS = st.sampled_from(["0", "1", "2", "3", "4", "-1", "6", "7", "x", "", "1e3", "65535", "99999999999999999999"])
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=12)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("SizeX", "SizeY", "SizeT", "SizeC", "SizeZ"), COUNTS),
        "DimensionOrder": st.sampled_from(["XYCZT", "XYZCT", "XYTZC", "XYX", "", "YXCZT"]),
        "Type": st.sampled_from(["uint8", "uint16", "float", "bit", "none"]),
        "PhysicalSizeX": COUNTS | WORDS,
        "PhysicalSizeXUnit": WORDS,
        "TimeIncrement": COUNTS | WORDS,
    },
)
DATA = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("IFD", "PlaneCount", "FirstT", "FirstC", "FirstZ"), COUNTS)),
    max_size=4,
)


def ome_of(attributes, data, name):
    """A movie's pages under a description of these attributes."""
    usual = {
        "SizeX": "7",
        "SizeY": "6",
        "SizeT": "3",
        "SizeC": "1",
        "SizeZ": "1",
        "DimensionOrder": "XYCZT",
        "Type": "uint8",
    }
    written = " ".join(f"{key}={quoteattr(value)}" for key, value in {"ID": "Pixels:0", **usual, **attributes}.items())
    planes = "".join(f"<TiffData {' '.join(f'{key}={quoteattr(value)}' for key, value in each.items())}/>" for each in data)
    channel = f'<Channel ID="Channel:0:0" Name={quoteattr(name)}/>'
    xml = f'<?xml version="1.0"?><OME><Image ID="Image:0"><Pixels {written}>{channel}{planes}</Pixels></Image></OME>'
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=False) as writer:
        for number, page in enumerate(MOVIE):
            notes = {"description": xml.encode()} if number == 0 else {}
            writer.write(page, photometric="minisblack", metadata=None, contiguous=False, **notes)
    return stream.getvalue(), xml


def read_pages(path):
    with open_stack(path) as stack:
        lengths = [stack.length(axis) for axis in "TCZ"]
        return lengths, [stack.read(*place) for place in np.ndindex(*lengths)]


@TRIES
@given(ATTRIBUTES, DATA, WORDS)
def test_a_description_of_any_values(tmp_path, attributes, data, name):
    path = tmp_path / "a.ome.tif"
    content, xml = ome_of(attributes, data or [{"IFD": "0", "PlaneCount": "3"}], name)
    path.write_bytes(content)
    found, message = outcome_of(lambda: read_pages(path))
    if found is None:
        assert message.isprintable()
    else:
        lengths, pages = found
        told = ElementTree.fromstring(xml).find(".//Pixels")
        assert lengths == [int(told.get(f"Size{axis}")) for axis in "TCZ"]
        assert all(any(np.array_equal(page, each) for each in MOVIE) for page in pages)  # planes of the file only


def test_the_usual_description_gives_the_movie(tmp_path):
    (tmp_path / "a.ome.tif").write_bytes(ome_of({}, [{"IFD": "0", "PlaneCount": "3"}], "GFP")[0])
    with open_stack(tmp_path / "a.ome.tif") as stack:
        assert (stack.axes, stack.shape, stack.channels) == ("TCZYX", (3, 1, 1, 6, 7), ("GFP",))
        np.testing.assert_array_equal(stack.read(2), MOVIE[2])
