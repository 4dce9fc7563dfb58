"""XML that a microscope's file carries about itself."""

import re
from xml.etree import ElementTree

MOST_PLANES = 10**7  #: that OME-XML may tell of; a day at 100 frames a second
_COUNT = re.compile(r"""\b(Size[TCZ]|PlaneCount|NumPlanes|IFD|First[TCZ])\s*=\s*["']\s*[+-]?0*(\d+)""")
_SIZE = re.compile(r"""\bSize([XYTCZ])\s*=\s*["']\s*\+?0*(\d+)""")
_MODULO = re.compile(r"<(?:\w+:)?ModuloAlong\w[^>]*\b(?:Start|End|Step)\s*=[^>]*>")


def parse_notes(text: str) -> ElementTree.Element:
    """The root of an XML text that defines no words of its own.

    Raises:
        ValueError: as `check_plain`; ElementTree.ParseError where it is no XML.
    """
    check_plain(text)
    return ElementTree.fromstring(text)


def check_plain(text: str, page_pixels: int | None = None) -> None:
    """Refuse XML that stands for far more than it says, ahead of whatever parses it.

    Entities may stand for gigabytes or for other files, a number of planes for a list of as many.

    Args:
        text: the XML, or any other.
        page_pixels: of the file's first page, where there is one: tifffile lists as many pages as the sizes would fill.

    Raises:
        ValueError: where it does.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("its XML has a document type, which no microscope writes")
    for name, number in _COUNT.findall(text):
        if len(number) > len(str(MOST_PLANES)) or int(number) > MOST_PLANES:
            raise ValueError(f"its XML tells of more than {MOST_PLANES} planes ({name})")
    sizes = dict.fromkeys("XYTCZ", 1)  # the largest of each, were there several images
    for axis, number in _SIZE.findall(text):
        sizes[axis] = max(sizes[axis], int(number))
    planes = sizes["T"] * sizes["C"] * sizes["Z"]
    pages = 0 if page_pixels is None else planes * sizes["X"] * sizes["Y"] // max(page_pixels, 1)
    if max(planes, pages) > MOST_PLANES:
        raise ValueError(f"its XML tells of more than {MOST_PLANES} planes ({' x '.join(map(str, sizes.values()))})")
    if _MODULO.search(text):
        raise ValueError("its XML divides an axis by a range (ModuloAlong)")
