"""A file, or a folder of files, before and after it is broken."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seed:
    """One input.

    Attributes:
        kind: `TIFF`, `PNG`, `JPEG`, `NIfTI`, `OME-XML`, `OME-Zarr`, `CZI`, `ND2`, `YAML` or `JSON`.
        flavour: what it is, or how it was broken.
        ending: of the file's name.
        files: the bytes by path inside of the folder; a file alone has the path "".
    """

    kind: str
    flavour: str
    ending: str
    files: Mapping[str, bytes]

    @property
    def data(self) -> bytes:
        """The bytes of a file alone."""
        return self.files[""]

    def broken(self, data: bytes, how: str) -> "Seed":
        """The same file with other bytes."""
        return Seed(self.kind, f"{self.flavour}, {how}", self.ending, {"": data})

    def write(self, folder: Path, stem: str) -> Path:
        """Write it into a folder."""
        path = folder / f"{stem}{self.ending}"
        for name, data in self.files.items():
            target = path / name if name else path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return path


def read_seed(kind: str, flavour: str, ending: str, path: Path) -> Seed:
    """The bytes of a file or of all files of a folder."""
    if path.is_file():
        return Seed(kind, flavour, ending, {"": path.read_bytes()})
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    return Seed(kind, flavour, ending, {file.relative_to(path).as_posix(): file.read_bytes() for file in inside})
