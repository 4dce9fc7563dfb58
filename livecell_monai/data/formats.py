"""The formats that hold more than one plane: names, file endings, readers.

Other packages add one by an entry point of the group `livecell_monai.readers` that names a `Format`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from livecell_monai.plugins import load_plugins

_READERS = "livecell_monai.data.readers"


@dataclass(frozen=True)
class Format:
    """A file format that is read lazily, as a `livecell_monai.data.readers.base.Stack`.

    `open` is called with (path, axes), axes being the user's letters of `TCZYX` or None; it reads only the header. A text
    `module:Class` is imported when the first file is opened.
    """

    name: str  #: as messages show it
    endings: tuple[str, ...]  #: of its files, in lower case, each with its dot
    open: Callable[[Path, str | None], Any] | str


TIFF = Format("TIFF", (".tif", ".tiff"), f"{_READERS}.tiff:TiffStack")
ND2 = Format("ND2", (".nd2",), f"{_READERS}.nd2:Nd2Stack")
CZI = Format("CZI", (".czi",), f"{_READERS}.czi:CziStack")
OME_ZARR = Format("OME-Zarr", (".zarr",), f"{_READERS}.zarr:ZarrStack")  # a folder


@cache
def list_formats() -> tuple[Format, ...]:
    """Every format: the built-in ones, then those of other packages."""
    return (TIFF, ND2, CZI, OME_ZARR, *load_plugins("readers").values())
