"""What is to be predicted of one file: its one plane, a plane of a stack, or the frames of a movie."""

from pathlib import Path
from typing import Any

from livecell_monai.data.paths import name_format
from livecell_monai.data.readers.address import PlaneAddress
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.open import open_stack
from livecell_monai.data.readers.selection import choose_planes
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import FRAME, FRAMES, IMAGE, POSITION


def list_planes(
    path: Path, channel: str | int | None, time: str | int | None, z: str | int | None, axes: str | None
) -> list[dict[str, Any]]:
    """One dictionary for each plane of a file that is chosen; of a movie, with its place in it.

    A file of one plane, and one that cannot be opened, is listed as its path: what reads it says what is wrong with it.

    Raises:
        SettingError: as `choose_planes`, or axes are unknown.
    """
    if name_format(path) is None:
        choices = {"--channel": channel, "--time": time, "--z": z}
        for option, choice in choices.items():
            if choice is not None and str(choice).strip() != "0":
                raise SettingError(f"{path}: {option} must be 0 for a format of one plane, got {choice!r}; leave it out")
        return [{IMAGE: str(path)}]
    try:
        with open_stack(path, axes) as stack:
            planes = choose_planes(stack, channel, time, z, axes)
            is_plain = axes is None and all(length == 1 for length in stack.shape[:-2])
    except DataError:
        return [{IMAGE: str(path)}]
    if is_plain:
        return [{IMAGE: str(path)}]
    return _to_items(planes)


def list_frames(
    path: Path, channel: str | int | None, time: str | int | None, z: str | int | None, axes: str | None
) -> list[dict[str, Any]]:
    """One dictionary for each frame that is chosen of a folder or glob of numbered frames.

    Where the header of a frame cannot be read, that frame alone is listed: what reads it says what is wrong with it,
    ahead of all work on the others.

    Raises:
        DataError: as `FramesStack`.
        SettingError: as `choose_planes`, or axes are unknown.
    """
    stack = FramesStack(path, open_stack, axes)  # holds nothing open
    planes = choose_planes(stack, channel, time, z, axes)
    torn = [plane for plane in planes if plane.time == stack.broken]
    return _to_items(torn or planes)


def _to_items(planes: list[PlaneAddress]) -> list[dict[str, Any]]:
    if len(planes) == 1:
        return [{IMAGE: str(planes[0])}]
    return [
        {IMAGE: str(plane), FRAME: plane.time, POSITION: position, FRAMES: len(planes)}
        for position, plane in enumerate(planes)
    ]
