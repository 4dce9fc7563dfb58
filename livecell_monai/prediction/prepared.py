"""An image as the network sees it: prepared by the bundle's preprocessing, read by windows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged
from torch.nn import functional

from livecell_monai.data.readers import parse_address
from livecell_monai.data.readers.kinds import check_image
from livecell_monai.prediction.windows import AxisWindows, cut_window
from livecell_monai.sample import IMAGE, NAME, Pixels, Region
from livecell_monai.transforms.scale import GRID

Shape = tuple[int, int]
ARRAY = Path("array")  #: stands for the path of an image that comes as an array


class PreparedImage(Protocol):
    """An image that a network can be run over.

    Attributes:
        path: where it comes from, for messages.
        grid: (Y, X) of the image itself.
        shape: (Y, X) at the working scale.
        is_lazy: whether it is read from the file part by part, and too large to be in memory.
    """

    path: Path
    grid: Shape
    shape: Shape
    is_lazy: bool

    def read(self, region: Region) -> torch.Tensor:
        """The part (1, y, x) float32 of a region at the working scale."""


class ImageInMemory:
    """An image that the bundle's preprocessing has read as a whole.

    Args:
        pixels: (1, Y, X) float32 at the working scale.
        grid: (Y, X) of the image itself; None where it is that of the pixels.
    """

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
    """The image of a sample that the bundle's preprocessing has made."""
    height, width = (int(edge) for edge in sample[GRID])
    return ImageInMemory(sample[IMAGE], (height, width))


def prepare(given: str | Path | Pixels | Mapping[str, Any], preprocessing: Compose) -> Mapping[str, Any]:
    """The sample that the bundle's preprocessing makes of an image.

    Args:
        given: a path, the address of a plane, an item with paths, or grey values (Y, X).
        preprocessing: of the bundle.

    Raises:
        DataError: the image breaks a rule.
    """
    if isinstance(given, Mapping):
        sample: Mapping[str, Any] = preprocessing(dict(given))
    elif isinstance(given, np.ndarray):
        check_image(given, ARRAY)
        rest: Callable[..., Any] = Compose([step for step in preprocessing.transforms if not isinstance(step, LoadImaged)])
        sample = rest({NAME: str(ARRAY), IMAGE: _load(given)})
    else:
        sample = preprocessing({NAME: Path(given).stem, IMAGE: str(given)})
    return sample


def _load(pixels: Pixels) -> MetaTensor:
    """Grey values (Y, X) as `LoadImaged` gives those of a file."""
    meta = {
        "filename_or_obj": str(ARRAY),
        "pixel_size_um": np.full(2, np.nan),
        "spatial_shape": np.array(pixels.shape),
        "original_channel_dim": float("nan"),
    }
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)), meta=meta)


def read_windows(
    image: PreparedImage, rows: AxisWindows, columns: AxisWindows, places: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """What the network sees of some windows, (B, 1, Y, X); beyond the rim of the image its pixels are repeated.

    Args:
        image: what is looked at.
        rows: the windows by row.
        columns: the windows by column.
        places: row and column of each window.
    """
    parts = []
    for place in places:
        region, padding = cut_window(rows, columns, place, image.shape)
        part = image.read(region)
        # replicated: reflection, as in training, fails on images smaller than half a window
        parts.append(functional.pad(part[None], padding, mode="replicate")[0] if any(padding) else part)
    return torch.stack(parts) if len(parts) > 1 else parts[0][None]  # of one, a view


def name_of(image: Any) -> Path:
    """The file that an image (C, Y, X), or a batch of one, was read from; `.` where it is not known."""
    found = getattr(image, "meta", {}).get("filename_or_obj", "")
    path = Path(found[0] if isinstance(found, list | tuple) else found)
    address = parse_address(path)
    return path if address is None else address.path


def pixel_size_of(sample: Mapping[str, Any]) -> tuple[float, float] | None:
    """(Y, X) in µm of a sample that preprocessing has made; None where the file does not tell."""
    size = np.asarray(sample[IMAGE].meta["pixel_size_um"], dtype=float)
    return None if np.isnan(size).any() else (float(size[0]), float(size[1]))


def without_metadata(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without MONAI's metadata, which cost a detour through Python in every operation."""
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
