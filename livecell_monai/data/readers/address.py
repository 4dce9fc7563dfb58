"""The address of one plane of a stack: a path and indices as one string, valid wherever the path of an image is."""

import re
from dataclasses import dataclass
from pathlib import Path

_PATTERN = re.compile(r"(?s)(?P<path>.+)::t=(?P<time>\d+),c=(?P<channel>\d+),z=(?P<z>\d+)(,axes=(?P<axes>[A-Z]+))?")


@dataclass(frozen=True)
class PlaneAddress:
    """One plane of a stack by its indices from 0; as a string `movie.tif::t=3,c=0,z=0`.

    `axes` are the user's names of the file's axes, in their order; None for the file's own.
    """

    path: Path
    time: int = 0
    channel: int = 0
    z: int = 0
    axes: str | None = None

    def __str__(self) -> str:
        axes = "" if self.axes is None else f",axes={self.axes}"
        return f"{self.path}::t={self.time},c={self.channel},z={self.z}{axes}"


def parse_address(text: str | Path) -> PlaneAddress | None:
    """The plane of an address, None for the path of a file."""
    match = _PATTERN.fullmatch(str(text))
    if match is None:
        return None
    return PlaneAddress(Path(match["path"]), int(match["time"]), int(match["channel"]), int(match["z"]), match["axes"])
