"""The formats that hold more than one plane: their names, the endings of their files, what opens them.

Another package adds one by an entry point of the group `livecell_monai.readers` that names a `Format`.
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
        name: what messages call it.
        endings: of its files, in lower case, each with its dot.
        open: called with (path, axes), where axes are the user's letters of `TCZYX` or None; gives a `Stack` and reads no
            more than the header. As text `module:Class` it is imported when the first file is opened.
    """

    name: str
    endings: tuple[str, ...]
    open: Callable[[Path, str | None], Any] | str

    def opener(self) -> Callable[[Path, str | None], Any]:
        """What `open` names."""
        if not isinstance(self.open, str):
            return self.open
        module, _, name = self.open.partition(":")
        opener: Callable[[Path, str | None], Any] = getattr(import_module(module), name)
        return opener


TIFF = Format("TIFF", (".tif", ".tiff"), f"{READERS}.tiff:TiffStack")
OME_ZARR = Format("OME-Zarr", (".zarr",), f"{READERS}.zarr:ZarrStack")  # a folder
BUILT_IN = (
    TIFF,
    Format("ND2", (".nd2",), f"{READERS}.nd2:Nd2Stack"),
    Format("CZI", (".czi",), f"{READERS}.czi:CziStack"),
    OME_ZARR,
)


@cache
def list_formats() -> tuple[Format, ...]:
    """Every format, those of other packages behind our own."""
    return (*BUILT_IN, *load_plugins("readers").values())


def find_format(name: str) -> Format | None:
    """The format that a file's name stands for by its ending; None for single-plane formats and other files."""
    lower = name.lower()
    return next((format_ for format_ in list_formats() if lower.endswith(format_.endings)), None)
