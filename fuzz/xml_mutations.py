"""OME-XML that tells of other images than the file has, or that is none."""

import io
import re
from random import Random

import tifffile

from fuzz.ifd import read_layout
from fuzz.seed import Seed
from fuzz.seeds import picture
from fuzz.truth import read_pages

_ATTRIBUTE = re.compile(rb'([A-Za-z]+)="([^"]*)"')
_SIZES = (
    b"0",
    b"-1",
    b"1",
    b"2",
    b"3",
    b"4",
    b"40",
    b"36",
    b"65535",
    b"2147483648",
    b"99999999999999999999",
    b"1e3",
    b"nan",
    b"",
    b"x",
)
_WORDS = (
    b"uint8",
    b"uint16",
    b"float",
    b"bit",
    b"complex",
    b"XYZCT",
    b"XYCZT",
    b"XYTZC",
    b"XYX",
    b"",
    b"true",
    b"\xc2\xb5m",
    b"furlong",
)
_OTHERS = (*_WORDS, b"&#x9b;31m", b"&#x202e;", b"/etc/passwd", b"../../a.ome.tif", b"x" * 10**5, b"1e-400", b"-0.5", b"inf")
_HEAD = b'<?xml version="1.0"?>'
_LOL = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 12))
_DOCTYPES = (
    b'<!DOCTYPE a [<!ENTITY l0 "lol">' + _LOL + b"]>",
    b'<!DOCTYPE a [<!ENTITY l0 "' + b"x" * 50_000 + b'"><!ENTITY l11 "' + b"&l0;" * 2000 + b'">]>',
    b'<!DOCTYPE a [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a SYSTEM "http://localhost:9/a.dtd" [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
)


def list_ome_seeds() -> list[Seed]:
    """OME-TIFFs of one plane, of a movie, of channels and of depth."""
    seeds = []
    for axes, shape in (("YX", ()), ("TYX", (3,)), ("CYX", (2,)), ("TCYX", (2, 2)), ("ZYX", (3,))):
        pixels = picture("uint16", (*shape, 40, 36))
        notes = {
            "axes": axes,
            "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.25,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm",
        }
        notes |= {"TimeIncrement": 60.0, "TimeIncrementUnit": "s"} if "T" in axes else {}
        notes |= {"Channel": {"Name": ["DAPI", "GFP"]}} if "C" in axes else {}
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels, ome=True, photometric="minisblack", metadata=notes)
        seeds.append(Seed("OME-XML", axes, ".ome.tif", {"": stream.getvalue()}))
    return seeds


def break_ome(data: bytes, random: Random) -> tuple[bytes, str]:
    """The pages as they are, under another description."""
    layout = read_layout(data)
    tag = layout.directories[0][1].get(270) if layout is not None and layout.directories else None
    pages = [told.pixels for told in read_pages(data) if told.pixels is not None]
    if tag is None or not pages:
        return data, "as it was"  # it was broken once already
    text = data[tag.at : tag.at + tag.count].rstrip(b"\0")
    changed, how = _break_xml(text, random)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=False) as writer:
        for number, page in enumerate(pages):
            notes = {"description": changed} if number == 0 else {}
            writer.write(page, photometric="minisblack", metadata=None, contiguous=False, **notes)
    return stream.getvalue(), how


def _break_xml(text: bytes, random: Random) -> tuple[bytes, str]:
    match random.choice(("attribute",) * 8 + ("doctype", "doctype", "element", "element", "deep", "cut", "bytes", "many")):
        case "attribute":
            found = list(_ATTRIBUTE.finditer(text))
            if not found:
                return text, "no attribute"
            sizes = [match for match in found if match[1].startswith((b"Size", b"First", b"IFD", b"Plane"))]
            match = random.choice(sizes if sizes and random.random() < 0.6 else found)
            value = random.choice(_SIZES if random.random() < 0.7 else _OTHERS)
            new = b"" if random.random() < 0.1 else match[1] + b'="' + value + b'"'
            return text[: match.start()] + new + text[match.end() :], f"{match[1].decode()} becomes {value[:30].decode()!r}"
        case "doctype":
            doctype = random.choice(_DOCTYPES)
            body = text.replace(_HEAD, b"")
            at = body.rfind(b"</OME>")
            return _HEAD + doctype + body[:at] + b"<Note>&l11;</Note>" + body[at:], f"a doctype of {len(doctype)} bytes"
        case "element":
            found = list(re.finditer(rb"<[A-Z][^>]*/>|</?[A-Z][^>]*>", text))
            if not found:
                return text, "no element"
            match = random.choice(found)
            again = random.choice(
                (b"", match[0] * 2, match[0] * 500, b"<Pixels/>", b"<TiffData IFD='7'/>", b"<TiffData IFD='-3'/>")
            )
            return text[: match.start()] + again + text[match.end() :], f"{match[0][:30]!r} becomes {again[:30]!r}"
        case "deep":
            at = text.rfind(b"</OME>")
            return text[:at] + b"<a>" * 5_000 + b"</a>" * 5_000 + text[at:], "5,000 elements in each other"
        case "cut":
            at = random.randrange(max(1, len(text)))
            return text[:at], f"XML cut off at {at}"
        case "many":
            at = text.rfind(b"<TiffData")
            return text[:at] + b'<TiffData IFD="0" PlaneCount="1"/>' * 2_000 + text[at:], "2,000 TiffData"
        case _:
            at = random.randrange(max(1, len(text)))
            strange = random.choice((b"\0", b"\xff", b"<", b"&", b"]]>", b"\x1b", b"\xc2\x9b"))
            return text[:at] + strange + text[at:], f"{strange!r} at {at}"
