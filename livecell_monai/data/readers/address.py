"""The name of one plane of a stack: a path with the plane's indices behind it, as a string that goes where a path goes."""

import re
from dataclasses import dataclass
from pathlib import Path

_PATTERN = re.compile(r"(?s)(?P<path>.+)::t=(?P<time>\d+),c=(?P<channel>\d+),z=(?P<z>\d+)(,axes=(?P<axes>[A-Z]+))?")


@dataclass(frozen=True)
class PlaneAddress:
    """One plane of a stack, `movie.tif::t=3,c=0,z=0` as a string.

    Attributes:
        path: the file.
        time: index of the frame, from 0; so are the next two.
        channel: index of the channel.
        z: index of the plane in depth.
        axes: what the user calls the file's axes, in their order; None where the file tells.
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
    """The plane that a string names, None where it is the path of a whole file."""
    match = _PATTERN.fullmatch(str(text))
    if match is None:
        return None
    return PlaneAddress(Path(match["path"]), int(match["time"]), int(match["channel"]), int(match["z"]), match["axes"])
