"""The files of a bioimage.io package, a zip or a folder, or of a bare ONNX model; read with limits, never unpacked."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from livecell_monai.errors import BundleError, describe_error

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")  #: names of the description, by preference
ONNX = ".onnx"
BUNDLE = "configs/metadata.json"  # of a bundle of livecell
MAX_DESCRIPTION = 2**20  # bytes
MAX_WEIGHTS = 2**31  # bytes: more does not fit into one ONNX file
MAX_MEMBERS = 10_000  # of a zip
MAX_EXPANSION = 1024  # bytes per byte in a zip; weights hardly shrink
LINK = 0o120000  # of the Unix mode of a member
_LEADS_OUT = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")


def is_foreign(path: str | Path) -> bool:
    """Whether a path is a model of another tool and not a bundle: an `.onnx` file, or a package as a zip or a folder."""
    path = Path(path)
    if path.is_dir():
        return not (path / BUNDLE).is_file() and any(map(_is_description, _list_folder(path)))
    if not path.is_file():
        return False
    if path.suffix.lower() == ONNX:
        return True
    return zipfile.is_zipfile(path) and _holds_package(path)


def _holds_package(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    is_bundle = any(name == BUNDLE or name.endswith(f"/{BUNDLE}") for name in names)
    return not is_bundle and _find_description(names) is not None


class PackageFiles:
    """The files of a package by their names in it.

    Raises a BundleError if there is no description, or the zip cannot be read, or a name or link in it leads out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            names = _list_folder(path)
        else:
            with self._opened() as file:
                members = file.infolist()
            if len(members) > MAX_MEMBERS:
                raise BundleError(f"{path}: a package must have at most {MAX_MEMBERS:,} files, got {len(members):,}")
            for member in members:
                self._check_name(member.filename)
                if (member.external_attr >> 16) & 0o170000 == LINK:
                    raise BundleError(f"{path}: a package must not contain links, got {member.filename}; make it again")
            names = [member.filename for member in members]
        found = _find_description(names)
        if found is None:
            raise BundleError(f"{path}: a package must have {DESCRIPTIONS[0]}, found none; choose a bioimage.io package")
        self.description: str = found  #: the name of the description

    def read_description(self) -> str:
        """The text of the description; a BundleError if it cannot be read or is too large."""
        try:
            return self.read(PurePosixPath(self.description).name, MAX_DESCRIPTION).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BundleError(f"{self.path}: {self.description} must be text in UTF-8, it is not; make it again") from error

    def read(self, name: str, most: int = MAX_WEIGHTS) -> bytes:
        """The content of a file of at most so many bytes, its name relative to the description; else a BundleError."""
        self._check_name(name)
        place = PurePosixPath(self.description).parent / name
        if self.path.is_dir():
            return self._read_file(place, most)
        with self._opened() as file:
            try:
                member = file.getinfo(str(place))
            except KeyError:
                raise self._missing(name) from None
            _check_size(self.path / name, member.file_size, most)
            if member.file_size > 2**20 and member.file_size > MAX_EXPANSION * member.compress_size:
                raise BundleError(f"{self.path}: {name} expands to more than {MAX_EXPANSION} times its size; make it again")
            return file.read(member)

    def find(self, name: str) -> Path:
        """The file on disk that changes when a file of the package does."""
        return self.path / name if self.path.is_dir() else self.path

    def _read_file(self, place: PurePosixPath, most: int) -> bytes:
        steps = [self.path / part for part in (place, *place.parents)]
        if any(step.is_symlink() for step in steps if step != self.path):
            raise BundleError(f"{self.path}: a package must not contain links, got {place}; replace it by a copy")
        if not (self.path / place).is_file():
            raise self._missing(str(place))
        return read_file(self.path / place, most)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        """The zip; what the library raises inside of the block becomes a BundleError."""
        try:
            with zipfile.ZipFile(self.path) as file:
                yield file
        except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise BundleError(
                f"{self.path}: the package must be a zip that can be read, got: {describe_error(error)}; copy it again"
            ) from error

    def _check_name(self, name: str) -> None:
        if "://" in name:
            raise BundleError(f"{self.path}: must contain all its files, {name} is elsewhere; download the whole package")
        if not name or _LEADS_OUT.search(name):
            raise BundleError(f"{self.path}: the names in a package must not lead out of it, got {name!r}; make it again")

    def _missing(self, name: str) -> BundleError:
        return BundleError(f"{self.path}: the description names {name}, the package has none; download the whole package")


def read_file(path: Path, most: int = MAX_WEIGHTS) -> bytes:
    """The content of a file of at most so many bytes; else a BundleError."""
    try:
        _check_size(path, path.stat().st_size, most)
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: must be readable, got: {describe_error(error)}; copy it again") from error


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise BundleError(f"{path}: must have at most {most:,} bytes, got {size:,}; choose another model")


def _list_folder(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir() if one.is_file() and not one.is_symlink())


def _is_description(name: str) -> bool:
    return any(name == known or name.endswith(f".{known}") for known in DESCRIPTIONS)


def _find_description(names: list[str]) -> str | None:
    """The description at the top, or in the only folder, of a package with files of these names."""
    tops = {PurePosixPath(name).parts[0] for name in names if PurePosixPath(name).parts} - {"__MACOSX"}
    depth = 2 if len(tops) == 1 and not any(map(_is_description, tops)) else 1
    at_top = sorted(name for name in names if len(PurePosixPath(name).parts) == depth)
    for known in DESCRIPTIONS:
        for name in at_top:
            last = PurePosixPath(name).name
            if last == known or last.endswith(f".{known}"):
                return name
    return None
