"""Random patches of the training images, a whole batch at once: one resampling for every spatial change.

Stacks are (C, Y, X): the image, the label and, where there is one, the weight per pixel. Every number is drawn from one
generator, in one order, so that a seed gives the same patches whatever reads the files or runs the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Warp:
    """How a patch is cut: each range is drawn from anew for every patch.

    Attributes:
        patch_size: (Y, X) pixels of a patch at the working size.
        rotation: radians, from -rotation to +rotation.
        zoom: (low, high) factor at which the patch shows the cells, drawn evenly on a logarithmic axis.
        stretch: greatest factor of one axis against the other, 1 or more.
        shear: tangent of the angle, from -shear to +shear.
        elastic: root mean square of the length of a smooth displacement, in pixels; 0 for none.
        flip_probability: of mirroring, on each axis.
    """

    patch_size: tuple[int, int]
    rotation: float = 3.14159
    zoom: tuple[float, float] = (0.8, 1.25)
    stretch: float = 1.0
    shear: float = 0.0
    elastic: float = 0.0
    flip_probability: float = 0.5

    ELASTIC_NODES = 5  # of the displacement's coarse grid, on each axis of a patch
    ELASTIC_GAIN = 1.12  # length of the displacement between nodes over the size at the nodes, root mean squares

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices (count, 2, 2) from a patch's offsets to the source's in pixels (x, y), and coarse displacements.

        The displacements are (count, 2, 17, 17) pixels of the source, or (0,) where there are none.
        """
        angle = self.rotation * _signed(count, generator)
        low, high = (torch.log(torch.tensor(float(edge))) for edge in self.zoom)
        scale = torch.exp(-(low + (high - low) * torch.rand(count, generator=generator)))
        stretch = self.stretch ** (0.5 * _signed(count, generator))
        shear = self.shear * _signed(count, generator)
        flips = torch.where(torch.rand(count, 2, generator=generator) < self.flip_probability, -1.0, 1.0)
        cosine, sine, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros(count), torch.ones(count)
        turn = _matrices(cosine, -sine, sine, cosine)
        skew = _matrices(one, shear, zero, one)
        size = _matrices(scale * stretch * flips[:, 0], zero, zero, scale / stretch * flips[:, 1])
        matrices = turn @ skew @ size
        if self.elastic == 0:
            return matrices, torch.empty(0)
        nodes = torch.randn(count, 2, self.ELASTIC_NODES**2, generator=generator) * (self.elastic / self.ELASTIC_GAIN)
        field = (matrices @ nodes).reshape(count, 2, self.ELASTIC_NODES, self.ELASTIC_NODES)
        return matrices, functional.interpolate(field, (17, 17), mode="bicubic", align_corners=True)


def draw_patches(
    sources: Sequence[torch.Tensor],
    count: int,
    warp: Warp,
    generator: torch.Generator,
    weights: Sequence[float] | None = None,
) -> torch.Tensor:
    """Patches (count, C, Y, X) of stacks; centres lie anywhere in a stack.

    What lies beyond a stack's rim is mirrored. All channels are interpolated linearly: a label of 0 and 1 comes back as the
    share of a pixel that is foreground.

    Args:
        sources: stacks (C, Y, X) float32, of any size.
        count: number of patches.
        warp: how they are cut.
        generator: of every random number.
        weights: how often each stack is drawn, in relation to the others; None for all alike, as scores weigh images.
    """
    chosen = torch.multinomial(
        torch.tensor([1.0] * len(sources) if weights is None else list(weights), dtype=torch.float32),
        count,
        replacement=True,
        generator=generator,
    )
    places = torch.rand(count, 2, generator=generator)
    grids = _build_grids(count, warp, generator)
    patches = sources[0].new_empty(count, sources[0].shape[0], *warp.patch_size)
    for which in sorted(set(chosen.tolist())):
        source = sources[which]
        here = torch.nonzero(chosen == which).flatten()
        extent = torch.tensor([source.shape[-1] - 1.0, source.shape[-2] - 1.0]).clamp(min=1)
        grid = grids[here] * (2 / extent) + (2 * places[here, None, None] - 1)
        patches[here] = functional.grid_sample(
            source.expand(len(here), -1, -1, -1),
            grid.to(source.device),
            mode="bilinear",
            padding_mode="reflection",
            align_corners=True,
        )
    return patches


def _build_grids(count: int, warp: Warp, generator: torch.Generator) -> torch.Tensor:
    """Where each pixel of a patch comes from: (count, Y, X, 2) as (x, y) pixels from the patch's centre in the source."""
    matrices, displacements = warp.draw(count, generator)
    rows, columns = (torch.arange(edge) - (edge - 1) / 2 for edge in warp.patch_size)
    grids = torch.empty(len(matrices), *warp.patch_size, 2)
    for axis in (0, 1):  # a product of matrices would cost ten times as much as these outer sums
        along_x = matrices[:, axis, 0, None, None] * columns[None, None, :]
        along_y = matrices[:, axis, 1, None, None] * rows[None, :, None]
        torch.add(along_x, along_y, out=grids[..., axis])
    if displacements.numel() > 0:
        smooth = functional.interpolate(displacements, warp.patch_size, mode="bilinear", align_corners=True)
        grids += smooth.permute(0, 2, 3, 1)
    return grids


def _signed(count: int, generator: torch.Generator) -> torch.Tensor:
    """Numbers (count,) in [-1, 1)."""
    return 2 * torch.rand(count, generator=generator) - 1


def _matrices(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    """(count, 2, 2) of rows (a, b) and (c, d)."""
    return torch.stack([a, b, c, d], dim=-1).reshape(-1, 2, 2)
