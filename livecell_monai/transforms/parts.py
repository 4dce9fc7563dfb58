"""Resizing of a part of an image with the same result as resizing the whole: no seam between parts.

Source: torch's `interpolate` (bilinear, `align_corners=False`), in float32; MONAI's `Resize` for the Gaussian before it.
"""

import numpy as np
import torch
from monai.networks.layers.convutils import gaussian_1d
from monai.transforms import GaussianSmooth
from torch.nn import functional

from livecell_monai.sample import Region

Shape = tuple[int, int]


class Taps:
    """The two source pixels, `lower` and `upper` (N,), of each pixel of a resized axis; the same one twice at the rim.

    `weight` (N,) float32 in [0, 1] is that of the upper one.
    """

    def __init__(self, before: int, after: int) -> None:
        ratio = np.float64(np.float32(before) / np.float32(after))
        # rounded once, as the fused multiply-add of torch's kernels does
        places = np.maximum(ratio * (np.arange(after) + 0.5) - 0.5, 0).astype(np.float32)
        lower = np.minimum(places.astype(np.int64), before - 1)
        self.weight = torch.from_numpy(np.clip(places - lower.astype(np.float32), 0, 1).astype(np.float32))
        self.lower, self.upper = torch.from_numpy(lower), torch.from_numpy(np.minimum(lower + 1, before - 1))

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """The source pixels [start, stop) of target pixels [first, last)."""
        return int(self.lower[first]), int(self.upper[last - 1]) + 1

    def owned(self, first: int, last: int) -> tuple[int, int]:
        """The target pixels [start, stop) whose second tap is in source pixels [first, last): an exact partition."""
        edges = torch.searchsorted(self.upper, torch.tensor([first, last]))
        return int(edges[0]), int(edges[1])

    def interpolate(self, plane: torch.Tensor, first: int, last: int, start: int) -> torch.Tensor:
        """Target pixels [first, last) along the first axis of a plane (N, M), whose row 0 is source row `start`."""
        lower, upper = plane[self.lower[first:last] - start], plane[self.upper[first:last] - start]
        return lower.lerp_(upper, self.weight[first:last, None])


class PartialResize:
    """Resizes an image from its own grid (Y, X) to its working size (Y, X), part by part."""

    def __init__(self, grid: Shape, working: Shape) -> None:
        self.grid = grid
        self.changes = grid != working
        self.taps = [Taps(before, after) for before, after in zip(grid, working, strict=True)]
        factors = [float(np.float32(before) / np.float32(after)) for before, after in zip(grid, working, strict=True)]
        self.sigma = [max(0.0, (factor - 1) / 2) for factor in factors]
        self.kernels = [gaussian_1d(torch.tensor(sigma)) for sigma in self.sigma]
        self.smooths = any(after < before for before, after in zip(grid, working, strict=True))

    def source(self, target: Region) -> Region:
        """The part of the image that a part of the working size needs, with the margin for smoothing."""
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
        """The target part at the working size, from the pixels (Y, X) float32 of `source(target)`."""
        if not self.changes:
            return part
        source = self.source(target)
        smooth = GaussianSmooth(self.sigma)(part[None])[0] if self.smooths else part
        rows = self.taps[0].interpolate(smooth, target.top, target.bottom, source.top)
        resized = self.taps[1].interpolate(rows.T, target.left, target.right, source.left).T
        if self.smooths:
            resized = resized / self._rims(part, source, target)
        return resized.contiguous()

    def _rims(self, part: torch.Tensor, source: Region, target: Region) -> torch.Tensor:
        """What an image of ones becomes (Y, X): less than 1 at the rim of the whole image."""
        found = []
        spans = ((source.top, target.top, target.bottom), (source.left, target.left, target.right))
        for axis, (start, first, last) in enumerate(spans):
            kernel = self.kernels[axis].to(part)
            ones = part.new_ones(1, 1, part.shape[axis])
            smooth = functional.conv1d(ones, kernel[None, None], padding=len(kernel) // 2)[0, 0]
            found.append(self.taps[axis].interpolate(smooth[:, None], first, last, start))
        return found[0] * found[1].T


class PartialRestore:
    """Resizes an image from its working size (Y, X) back to its own grid (Y, X), part by part, bilinearly."""

    def __init__(self, working: Shape, grid: Shape) -> None:
        self.rows, self.columns = (Taps(before, after) for before, after in zip(working, grid, strict=True))
        self.changes = working != grid

    def __call__(self, part: torch.Tensor, top: int, left: int, target: Region) -> torch.Tensor:
        """The target part of the grid, from a part (C, Y, X) float32 at the working size that starts at row `top`."""
        if not self.changes:
            return part[:, target.top - top : target.bottom - top, target.left - left : target.right - left]
        planes = []
        for plane in part:
            rows = self.rows.interpolate(plane, target.top, target.bottom, top)
            planes.append(self.columns.interpolate(rows.T, target.left, target.right, left).T)
        return torch.stack(planes) if len(planes) > 1 else planes[0][None]
