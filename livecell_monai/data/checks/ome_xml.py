"""Parses the XML metadata of image files."""

import re
from xml.etree import ElementTree

MAX_PLANES = 10**7  #: in OME-XML; a day at 100 frames a second
_COUNT = re.compile(r"""\b(Size[TCZ]|PlaneCount|NumPlanes|IFD|First[TCZ])\s*=\s*["']\s*[+-]?0*(\d+)""")
_SIZE = re.compile(r"""\bSize([XYTCZ])\s*=\s*["']\s*\+?0*(\d+)""")
_MODULO = re.compile(r"<(?:\w+:)?ModuloAlong\w[^>]*\b(?:Start|End|Step)\s*=[^>]*>")


def parse_xml(text: str) -> ElementTree.Element:
    """The root of an XML text, checked by `check_xml`."""
    check_xml(text)
    return ElementTree.fromstring(text)


def check_xml(text: str, page_pixels: int | None = None) -> None:
    """Reject, by a ValueError, XML that would expand to far more than its size: entities, huge numbers of planes.

    Args:
        text: the XML, or any other text.
        page_pixels: of the file's first page, None without one; tifffile lists as many pages as the sizes need.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("its XML has a document type, which no microscope software writes")
    for name, number in _COUNT.findall(text):
        if len(number) > len(str(MAX_PLANES)) or int(number) > MAX_PLANES:
            raise ValueError(f"its XML lists more than {MAX_PLANES} planes ({name})")
    sizes = dict.fromkeys("XYTCZ", 1)  # the largest of each, if there are several images
    for axis, number in _SIZE.findall(text):
        sizes[axis] = max(sizes[axis], int(number))
    planes = sizes["T"] * sizes["C"] * sizes["Z"]
    pages = 0 if page_pixels is None else planes * sizes["X"] * sizes["Y"] // max(page_pixels, 1)
    if max(planes, pages) > MAX_PLANES:
        raise ValueError(f"its XML lists more than {MAX_PLANES} planes ({' x '.join(map(str, sizes.values()))})")
    if _MODULO.search(text):
        raise ValueError("its XML divides an axis by a range (ModuloAlong)")
