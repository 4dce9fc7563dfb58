"""A TIFF whose directories lead round is refused; what is broken otherwise is its reader's business."""

import struct

import numpy as np
import pytest
import tifffile

from livecell_monai.data.checks.tiff_chain import check_page_chain
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError

MAKINGS = {
    "little": {},
    "big": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "big BigTIFF": {"bigtiff": True, "byteorder": ">"},
}


def movie(path, **options):
    tifffile.imwrite(path, np.zeros((3, 8, 9), np.uint8), photometric="minisblack", metadata=None, **options)
    with tifffile.TiffFile(path) as tif:
        places = [page.offset for page in tif.pages]
        tags = len(tif.pages[2].tags)
        sizes = (tif.tiff.tagnosize, tif.tiff.tagsize, tif.tiff.offsetformat)
    return path, places, places[2] + sizes[0] + tags * sizes[1], sizes[2]


@pytest.mark.parametrize("options", MAKINGS.values(), ids=MAKINGS)
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_a_ring_is_refused(tmp_path, options, back_to):
    path, places, last, letter = movie(tmp_path / "a.tif", **options)
    check_page_chain(path)
    data = bytearray(path.read_bytes())
    struct.pack_into(letter, data, last, places[back_to])
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"form a loop: the one at byte {places[back_to]} comes twice"):
        check_page_chain(path)
    for read in (read_plane, open_stack):  # tifffile itself follows it without an end
        with pytest.raises(DataError, match=r"cannot be read as TIFF .*loop"):
            read(path)


@pytest.mark.parametrize("data", [b"", b"II*", b"II*\0\xff\xff\xff\xff" + bytes(20), b"PNG of some length indeed"])
def test_what_is_broken_otherwise_is_passed_on(tmp_path, data):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    check_page_chain(path)
