"""A part of an image, resized as if the whole were: the same taps, the same smoothing, the same rim.

What `ResizeToScaled` and `restore_grid` do to an image in memory is done here to a rectangle of it, so that an image of
any size goes to the working size and back piece by piece, without a seam.

Source: torch's `interpolate` (bilinear, `align_corners=False`) for the taps, computed in float32 as it does; MONAI's
`Resize` for the Gaussian ahead of it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from monai.networks.layers.convutils import gaussian_1d
from monai.transforms import GaussianSmooth
from torch.nn import functional

from livecell_monai.sample import Region

Shape = tuple[int, int]


@dataclass(frozen=True)
class Taps:
    """The two pixels that each pixel of a resized axis is interpolated from.

    Attributes:
        lower: (N,) int64, index of the first; rising.
        upper: (N,) int64, index of the second: the next one, but at the rim the same.
        weight: (N,) float32 in [0, 1], of the second.
    """

    lower: torch.Tensor
    upper: torch.Tensor
    weight: torch.Tensor

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """The source pixels [start, stop) that target pixels [first, last) are made of."""
        return int(self.lower[first]), int(self.upper[last - 1]) + 1

    def owned(self, first: int, last: int) -> tuple[int, int]:
        """The target pixels [start, stop) whose second tap lies in source pixels [first, last): an exact partition."""
        edges = torch.searchsorted(self.upper, torch.tensor([first, last]))
        return int(edges[0]), int(edges[1])

    def interpolate(self, plane: torch.Tensor, first: int, last: int, start: int) -> torch.Tensor:
        """Target pixels [first, last) along the first axis of a plane (N, M), whose row 0 is source row `start`."""
        lower, upper = plane[self.lower[first:last] - start], plane[self.upper[first:last] - start]
        return lower.lerp_(upper, self.weight[first:last, None])


def find_taps(before: int, after: int) -> Taps:
    """The taps of an axis resized from `before` to `after` pixels."""
    ratio = np.float64(np.float32(before) / np.float32(after))
    # rounded once, as the fused multiplication and addition of torch's kernels does
    places = np.maximum(ratio * (np.arange(after) + 0.5) - 0.5, 0).astype(np.float32)
    lower = np.minimum(places.astype(np.int64), before - 1)
    weight = np.clip(places - lower.astype(np.float32), 0, 1).astype(np.float32)
    upper = np.minimum(lower + 1, before - 1)
    return Taps(torch.from_numpy(lower), torch.from_numpy(upper), torch.from_numpy(weight))


class PartialResize:
    """From an image's own grid to the working size, part by part.

    Args:
        grid: (Y, X) of the whole image.
        working: (Y, X) that the whole is brought to.
    """

    def __init__(self, grid: Shape, working: Shape) -> None:
        self.grid = grid
        self.changes = grid != working
        self.taps = [find_taps(before, after) for before, after in zip(grid, working, strict=True)]
        factors = [float(np.float32(before) / np.float32(after)) for before, after in zip(grid, working, strict=True)]
        self.sigma = [max(0.0, (factor - 1) / 2) for factor in factors]
        self.kernels = [gaussian_1d(torch.tensor(sigma)) for sigma in self.sigma]
        self.smooths = any(after < before for before, after in zip(grid, working, strict=True))

    def source(self, target: Region) -> Region:
        """The part of the image that a part of the working size is made of, with the margin that smoothing takes."""
        if not self.changes:
            return target
        spans = []
        for axis, span in enumerate(((target.top, target.bottom), (target.left, target.right))):
            start, stop = self.taps[axis].reach(*span)
            margin = len(self.kernels[axis]) // 2 if self.smooths else 0
            spans.append((max(0, start - margin), min(self.grid[axis], stop + margin)))
        (top, bottom), (left, right) = spans
        return Region(top, left, bottom, right)

    def __call__(self, part: torch.Tensor, target: Region) -> torch.Tensor:
        """A part of the working size, of the pixels (Y, X) float32 that `source` names."""
        if not self.changes:
            return part
        source = self.source(target)
        rims = self._rims(part, source, target) if self.smooths else None
        smooth = GaussianSmooth(self.sigma)(part[None])[0] if self.smooths else part
        rows = self.taps[0].interpolate(smooth, target.top, target.bottom, source.top)
        resized = self.taps[1].interpolate(rows.T, target.left, target.right, source.left).T
        if rims is not None:
            resized = resized / (rims[0] * rims[1])
        return resized.contiguous()

    def _rims(self, part: torch.Tensor, source: Region, target: Region) -> tuple[torch.Tensor, torch.Tensor]:
        """What an image of ones becomes by row (Y, 1) and by column (1, X): less than 1 at the true rim."""
        found = []
        spans = ((source.top, target.top, target.bottom), (source.left, target.left, target.right))
        for axis, (start, first, last) in enumerate(spans):
            kernel = self.kernels[axis].to(part)
            ones = part.new_ones(1, 1, part.shape[axis])
            smooth = functional.conv1d(ones, kernel[None, None], padding=len(kernel) // 2)[0, 0]
            found.append(self.taps[axis].interpolate(smooth[:, None], first, last, start))
        return found[0], found[1].T


class PartialRestore:
    """From the working size back to the image's own grid, part by part, bilinearly.

    Args:
        working: (Y, X) of the whole at the working size.
        grid: (Y, X) of the whole image.
    """

    def __init__(self, working: Shape, grid: Shape) -> None:
        self.rows, self.columns = (find_taps(before, after) for before, after in zip(working, grid, strict=True))
        self.changes = working != grid

    def __call__(self, part: torch.Tensor, top: int, left: int, target: Region) -> torch.Tensor:
        """A part of the image's grid.

        Args:
            part: (C, Y, X) float32 at the working size, of which it is made.
            top: row that the part begins at.
            left: column that the part begins at.
            target: the part of the image's grid.
        """
        if not self.changes:
            return part[:, target.top - top : target.bottom - top, target.left - left : target.right - left]
        planes = []
        for plane in part:
            rows = self.rows.interpolate(plane, target.top, target.bottom, top)
            planes.append(self.columns.interpolate(rows.T, target.left, target.right, left).T)
        return torch.stack(planes) if len(planes) > 1 else planes[0][None]
