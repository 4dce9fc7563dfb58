"""Grey planes that are stored as colours: channels that are equal, or indices of a palette."""

from pathlib import Path
from typing import NoReturn

import numpy as np

from livecell_monai.errors import DataError
from livecell_monai.sample import Pixels

_NAMES = ("red", "green", "blue")


def merge_samples(path: Path | str, samples: Pixels, opaque: float, origin: tuple[int, int] = (0, 0)) -> Pixels:
    """The grey values (Y, X) of samples (S, Y, X): grey, RGB or RGBA, grey with opacity.

    `opaque` is the opacity of a pixel that hides what is behind it; `origin` is the place (Y, X) in the image of the first
    pixel that is given.

    Raises:
        DataError: a pixel is coloured or not opaque.
    """
    grey: Pixels = samples[0]
    if len(samples) >= 3:
        bad = (samples[1] != grey) | (samples[2] != grey)
        if bad.any():
            raise_colour_at(path, bad, samples[:3], origin)
    if len(samples) in (2, 4) and (bad := samples[-1] != opaque).any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{path}: an image must be opaque, got opacity {samples[-1][row, column]:g} of {opaque:g} at row "
            f"{row + origin[0]}, column {column + origin[1]}; save it without transparency"
        )
    return grey


def look_up(
    path: Path | str, indices: Pixels, palette: Pixels, is_label: bool = False, origin: tuple[int, int] = (0, 0)
) -> Pixels:
    """The grey values (Y, X) of indices of a palette (N, 3); of a label with a coloured palette its indices.

    A palette is grey if all its colours that the plane uses are; it gives different ids of a label different values.

    Raises:
        DataError: a pixel of an image is coloured.
    """
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=1))
    if used[-1] >= len(palette):
        raise ValueError(f"its palette has {len(palette)} colours, a pixel has the index {used[-1]}")
    colours = palette[used]
    is_grey = bool((colours == colours[:, :1]).all())
    if is_label and not (is_grey and len(np.unique(colours[:, 0])) == len(used)):
        return indices
    if not is_grey:
        raise_colour_at(path, (palette != palette[:, :1]).any(axis=1)[indices], palette.T[:, indices], origin)
    return np.asarray(palette[:, 0][indices])


def raise_colour_at(path: Path | str, bad: Pixels, samples: Pixels, origin: tuple[int, int]) -> NoReturn:
    """Raise the DataError of the first coloured pixel; `bad` (Y, X) are all of them, `samples` (3, Y, X) their values."""
    row, column = np.unravel_index(int(bad.argmax()), bad.shape)
    values = ", ".join(f"{name} {value:g}" for name, value in zip(_NAMES, samples[:, row, column], strict=True))
    raise DataError(
        f"{path}: an image must be one grey plane, this is RGB with {values} at row {row + origin[0]}, column "
        f"{column + origin[1]}; convert it to one grey channel first"
    )
