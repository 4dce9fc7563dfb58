"""Images at the working scale, as the network sees them, and how windows are read from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from torch.nn import functional

from livecell_monai.data.readers import find_file
from livecell_monai.prediction.windows import AxisWindows, Shape
from livecell_monai.sample import IMAGE, Pixels, Region
from livecell_monai.transforms.scale import GRID


class PreparedImage(Protocol):
    """An image that the network can predict."""

    path: Path  #: its file, for messages
    grid: Shape  #: (Y, X) of the image itself
    shape: Shape  #: (Y, X) at the working scale
    is_lazy: bool  #: whether it is read from the file part by part, because it is too large for the memory

    def read(self, region: Region) -> torch.Tensor:
        """The part (1, y, x) float32 of a region at the working scale."""


class ImageInMemory:
    """A whole preprocessed image (1, Y, X) float32; its own (Y, X), the grid, is that of the pixels by default."""

    is_lazy = False

    def __init__(self, pixels: torch.Tensor, grid: Shape | None = None) -> None:
        self.path = name_of(pixels)
        self.pixels = without_metadata(pixels)
        self.shape: Shape = (pixels.shape[-2], pixels.shape[-1])
        self.grid = grid or self.shape

    def read(self, region: Region) -> torch.Tensor:
        """The part (1, y, x) float32 of a region at the working scale."""
        return self.pixels[..., region.top : region.bottom, region.left : region.right]


def image_of(sample: Mapping[str, Any]) -> ImageInMemory:
    """The image of a preprocessed sample."""
    height, width = (int(edge) for edge in sample[GRID])
    return ImageInMemory(sample[IMAGE], (height, width))


def read_windows(
    image: PreparedImage, rows: AxisWindows, columns: AxisWindows, places: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """The windows of an image at places (row, column), (B, 1, Y, X); beyond its border the border pixels are repeated."""
    parts = []
    for row, column in places:
        first, start = rows.starts[row] - rows.before, columns.starts[column] - columns.before
        last, stop = first + rows.size, start + columns.size
        inside = Region(max(0, first), max(0, start), min(image.shape[0], last), min(image.shape[1], stop))
        padding = (inside.left - start, stop - inside.right, inside.top - first, last - inside.bottom)
        part = image.read(inside)
        # not reflected, as in training: that fails on images smaller than half a window
        parts.append(functional.pad(part[None], padding, mode="replicate")[0] if any(padding) else part)
    return torch.stack(parts) if len(parts) > 1 else parts[0][None]  # a single one stays a view


def name_of(image: Any) -> Path:
    """The file of an image (C, Y, X), or of a batch of one; `.` if it is unknown."""
    found = getattr(image, "meta", {}).get("filename_or_obj", "")
    return find_file(found[0] if isinstance(found, list | tuple) else found)


def pixel_size_of(sample: Mapping[str, Any]) -> tuple[float, float] | None:
    """(Y, X) in µm of a preprocessed sample; None if the file does not state it."""
    size = np.asarray(sample[IMAGE].meta["pixel_size_um"], dtype=float)
    return None if np.isnan(size).any() else (float(size[0]), float(size[1]))


def plane_of(tensor: torch.Tensor) -> Pixels:
    """(Y, X) of a tensor (1, Y, X)."""
    return np.asarray(without_metadata(tensor)[0].cpu())


def without_metadata(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without MONAI's metadata, which slow down every operation."""
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
