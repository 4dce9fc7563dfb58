"""What every format reads into and writes from: the annotations of one image, and one label image.

A format is one file with a reader and, for some, a writer; `registry` lists them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.measurements import Measurements
from livecell_monai.exchange.outlines import Integers, Outlines, Polygon, trace_outlines
from livecell_monai.exchange.reasons import explain
from livecell_monai.sample import Pixels

Wanted = Collection[str]  #: stems of the images that there are; a reader may leave the annotations of others out


@dataclass(frozen=True)
class AnnotatedObject:
    """One object: polygons in pixels of the image, (0, 0) being its top left corner, or runs of pixels."""

    polygons: tuple[Polygon, ...] = ()  #: of each part; parts may overlap
    runs: Integers | None = None  #: (N, 2) instead of polygons: first pixel (row * width + column) and number of pixels
    number: int | None = None  #: its id, None if the file does not state one
    kind: str = ""  #: its class, empty without one


@dataclass(frozen=True)
class Annotation:
    """What a file says about one image or one frame of a movie."""

    source: Path  #: the file or folder
    name: str  #: stem of the image, or of the movie
    objects: tuple[AnnotatedObject, ...] = ()
    labels: Pixels | None = None  #: (Y, X) instead of objects
    size: tuple[int, int] | None = None  #: (Y, X) of the image, as the file states it
    frame: int | None = None  #: index in its movie, from 0; None for an image
    without_area: int = 0  #: number of points, lines and other objects that have no pixels
    note: str = ""  #: what the user should know of how it was read


@dataclass(frozen=True)
class LabelledPlane:
    """A label image to write: an image, or a frame of a movie."""

    name: str  #: of the image or the movie
    labels: Pixels  #: (Y, X) integers, > 0 the id of an object
    frame: int | None = None  #: index in its movie, from 0; None for an image
    frames: int = 1  #: number of frames of the movie
    pixel_size_um: tuple[float, float] | None = None  #: (Y, X); None if unknown
    interval_min: float | None = None  #: minutes between frames; None if unknown
    is_linked: bool = False  #: whether an id means the same cell in all frames
    measurements: Measurements = field(default_factory=dict)  #: of formats that hold them; of some or no cells

    @cached_property
    def outlines(self) -> Outlines:
        """The outlines of all objects, traced once for all formats."""
        return trace_outlines(self.labels)


class Writer(Protocol):
    """Writes the planes of one image or movie into one file or folder that does not exist yet.

    Frames arrive in order. An OSError is raised if it cannot be written, a DataError if the format cannot hold it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file."""

    def add(self, plane: LabelledPlane) -> None:
        """Write an image or a frame."""

    def close(self) -> None:
        """Complete the file; also called, once, after an error."""


@dataclass(frozen=True)
class Format:
    """A format by name. Reader and writer are imported when they are used, `module:name` in this package."""

    name: str  #: as in `--format`
    title: str  #: for messages
    reader: str  #: of a function of a path and the stems of the images that yields each `Annotation`
    writer: str = ""  #: of a `Writer`; empty if the format is only read
    target: str = ""  #: name of the file or folder that is written, `{name}` in place of the name of the image or movie
    shared: str = ""  #: name of one file for all images of a folder; empty if each has its own
    is_of_many: bool = False  #: whether a file lists images of which some may be missing
    measures: bool = False  #: whether the writer writes measurements

    def read(self, path: Path, wanted: Wanted) -> Iterator[Annotation]:
        """The annotations in a file or folder; a DataError if it is damaged."""
        found: Iterator[Annotation] = _load(self.reader)(path, wanted)
        return found

    def open(self, path: Path) -> Writer:
        """A writer of a new file or folder."""
        writer: Writer = _load(self.writer)(path)
        return writer


def _load(name: str) -> Any:
    module, _, member = name.partition(":")
    return getattr(import_module(f"livecell_monai.exchange.{module}"), member)


def import_exchange(module: str, what: object) -> Any:
    """A library of the extra `exchange`; a SettingError that names the extra if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise SettingError(
            f"{what}: needs the library {name}, which is not installed; pip install 'livecell-monai[exchange]'"
        ) from error


def parse_number(text: object) -> int | None:
    """The id that a name states, such as `12` or `0012`; None for any other name."""
    shown = str(text)
    return int(shown) if shown.isascii() and shown.isdigit() and 0 < int(shown) < 2**32 and len(shown) <= 10 else None


def raise_broken(path: Path, title: str, reason: object) -> None:
    """Raise the DataError of a file that is not what its name says; the reason is a text or an error, see `reasons`."""
    is_empty = Path(path).is_file() and not Path(path).stat().st_size
    shown = "the file is empty" if is_empty else explain(reason)
    raise DataError(f"{path}: cannot be read as {title} ({shown}); export it again")
