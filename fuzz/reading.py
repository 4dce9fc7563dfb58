"""An image file through every reader: what is read must be what its bytes say, what is not must be one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.lines import judge_line
from fuzz.seed import Seed
from fuzz.truth import Told, read_truth
from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.kinds import read_border, read_image, read_label, read_plane
from livecell_monai.data.readers.selection import describe_stack
from livecell_monai.errors import LiveCellError, SettingError
from livecell_monai.sample import Region


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        wrong: what must not be, None where all is well.
        problem: the message, None where it was read.
        size: (Y, X) of what was read.
        is_setting: whether the message is about an option.
    """

    wrong: str | None = None
    problem: str | None = None
    size: tuple[int, int] | None = None
    is_setting: bool = False


def try_image(seed: Seed, path: Path) -> Outcome:
    """Read a file as image, label and border, and as a stack."""
    truth = read_truth(seed)
    try:
        image = read_image(path).pixels
    except LiveCellError as error:
        outcome = Outcome(judge_line(str(error)), str(error), None, isinstance(error, SettingError))
    else:
        outcome = Outcome(_judge_plane(truth, image), None, (image.shape[0], image.shape[1]))
    wrong = outcome.wrong or _try_others(path, truth) or _try_stack(path, truth)
    return Outcome(wrong, outcome.problem, outcome.size, outcome.is_setting)


def _try_others(path: Path, truth: list[Told]) -> str | None:
    try:
        plane = read_plane(path)
    except LiveCellError as error:
        return judge_line(str(error))
    if plane.pixel_size_um is not None and not all(0 < size < float("inf") for size in plane.pixel_size_um):
        return f"a pixel of {plane.pixel_size_um} µm"
    for read in (read_label, read_border):
        try:
            pixels = read(path)
        except LiveCellError as error:
            if (wrong := judge_line(str(error))) is not None:
                return wrong
        else:
            if not np.isfinite(pixels).all() or pixels.min() < 0:
                return f"{read.__name__} gave negative or infinite values"
    return _judge_plane(truth, plane.pixels)


def _try_stack(path: Path, truth: list[Told]) -> str | None:
    """Every plane of it, as a whole and in part, up to a few."""
    try:
        with open_stack(path) as stack:
            describe_stack(stack)
            if not stack.axes.endswith("YX") or len(stack.axes) != len(stack.shape) or min(stack.shape) < 1:
                return f"a stack of axes {stack.axes} and shape {stack.shape}"
            rows, columns = stack.shape[-2:]
            places = np.ndindex(*(min(3, stack.length(axis)) for axis in "TCZ"))
            for time, channel, z in places:
                if rows * columns > 10**8:
                    return None
                plane = stack.read(time, channel, z)
                if plane.shape != (rows, columns) or plane.dtype != stack.dtype:
                    return f"a plane of {plane.shape} {plane.dtype} in a stack of {stack.shape} {stack.dtype}"
                part = Region(rows // 3, columns // 4, rows // 3 + max(1, rows // 2), columns // 4 + max(1, columns // 2))
                if not np.array_equal(
                    stack.read(time, channel, z, part), part.crop(plane), equal_nan=plane.dtype.kind == "f"
                ):
                    return f"a part of plane {(time, channel, z)} differs from the whole"
                if (wrong := _judge_plane(truth, plane)) is not None:
                    return f"stack: {wrong}"
    except LiveCellError as error:
        return judge_line(str(error))
    return None


def _judge_plane(truth: list[Told], pixels: NDArray[Any]) -> str | None:
    """What is wrong with pixels by what the bytes tell, None where nothing is or nothing can be said."""
    if not truth:
        return None
    alike = [told for told in truth if told.size == pixels.shape]
    if not alike:
        return f"{pixels.shape} pixels were read, the header tells of {[told.size for told in truth[:3]]}"
    if not any(told.is_whole for told in alike):
        return "a file was read whose pixels are damaged or not all there"
    known = [told.pixels for told in alike if told.is_whole]
    if any(values is None for values in known):
        return None
    if not any(_is_same(values, pixels) for values in known if values is not None):
        return "other pixels were read than the bytes say"
    return None


def _is_same(expected: NDArray[Any], pixels: NDArray[Any]) -> bool:
    if expected.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.allclose(expected, pixels, rtol=1e-5, equal_nan=True))
    return bool(np.array_equal(expected, pixels))
