"""The formats that hold more than one plane: names, file endings, readers.

Other packages add one by an entry point of the group `livecell_monai.readers` that names a `Format`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from livecell_monai.plugins import load_plugins

READERS = "livecell_monai.data.readers"


@dataclass(frozen=True)
class Format:
    """A file format that is read lazily, as a `livecell_monai.data.readers.base.Stack`.

    Attributes:
        name: as messages show it.
        endings: of its files, in lower case, each with its dot.
        open: called with (path, axes), axes being the user's letters of `TCZYX` or None; returns a `Stack` and reads only
            the header. Text `module:Class` is imported when the first file is opened.
    """

    name: str
    endings: tuple[str, ...]
    open: Callable[[Path, str | None], Any] | str

    def opener(self) -> Callable[[Path, str | None], Any]:
        """The callable `open`, imported if needed."""
        if not isinstance(self.open, str):
            return self.open
        module, _, name = self.open.partition(":")
        opener: Callable[[Path, str | None], Any] = getattr(import_module(module), name)
        return opener


TIFF = Format("TIFF", (".tif", ".tiff"), f"{READERS}.tiff:TiffStack")
ND2 = Format("ND2", (".nd2",), f"{READERS}.nd2:Nd2Stack")
CZI = Format("CZI", (".czi",), f"{READERS}.czi:CziStack")
OME_ZARR = Format("OME-Zarr", (".zarr",), f"{READERS}.zarr:ZarrStack")  # a folder


@cache
def list_formats() -> tuple[Format, ...]:
    """Every format: the built-in ones, then those of other packages."""
    return (TIFF, ND2, CZI, OME_ZARR, *load_plugins("readers").values())


def find_format(name: str) -> Format | None:
    """The format of a file name by its ending; None for single-plane formats and other files."""
    lower = name.lower()
    return next((format_ for format_ in list_formats() if lower.endswith(format_.endings)), None)
