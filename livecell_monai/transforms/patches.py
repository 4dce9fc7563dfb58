"""Random patches of the training images, a whole batch with one resampling for every spatial change.

One generator draws all numbers in a fixed order, so that a seed always gives the same patches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Warp:
    """Random spatial changes, drawn for every patch."""

    patch_size: tuple[int, int]  #: (Y, X) pixels at the working size
    rotation: float = 3.14159  #: radians, from -rotation to +rotation
    zoom: tuple[float, float] = (0.8, 1.25)  #: (low, high) magnification, log-uniform
    stretch: float = 1.0  #: largest factor of one axis against the other, 1 or more
    shear: float = 0.0  #: tangent of the angle, from -shear to +shear
    elastic: float = 0.0  #: root mean square length of a smooth displacement, in pixels; 0 for none
    flip_probability: float = 0.5  #: on each axis

    ELASTIC_NODES = 5  # of the coarse grid of displacements, on each axis of a patch
    ELASTIC_GAIN = 1.12  # root mean square displacement between nodes over that at the nodes

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices (count, 2, 2) from offsets (x, y) in a patch to those in the source, and coarse displacements.

        The displacements are (count, 2, 17, 17) pixels of the source, or (0,) without elastic changes.
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
    centres: Mapping[int, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Draw patches (count, C, Y, X) with centres anywhere in the sources; pixels beyond a rim are mirrored.

    All channels are interpolated linearly: a label of 0 and 1 becomes the fraction of a pixel that is foreground.

    Args:
        sources: (C, Y, X) float32 of any Y and X: image, label and perhaps a weight per pixel.
        count: number of patches.
        warp: random spatial changes.
        generator: of all random numbers; their number does not depend on the sources.
        weights: relative frequency of each source, None for equal ones.
        centres: by the index of a source its pixels of which one is the centre of each patch, as indices into the flat
            (Y * X); other sources have centres anywhere.
    """
    frequencies = torch.ones(len(sources)) if weights is None else torch.tensor(weights, dtype=torch.float32)
    chosen = torch.multinomial(frequencies, count, replacement=True, generator=generator)
    places = torch.rand(count, 2, generator=generator)
    grids = _build_grids(count, warp, generator)
    patches = sources[0].new_empty(count, sources[0].shape[0], *warp.patch_size)
    for which in sorted(set(chosen.tolist())):
        source = sources[which]
        here = torch.nonzero(chosen == which).flatten()
        extent = torch.tensor([source.shape[-1] - 1.0, source.shape[-2] - 1.0]).clamp(min=1)
        place = places[here]
        if centres and which in centres:
            place = _choose_places(place[:, 0], centres[which], source.shape[-1]) / extent
        grid = grids[here] * (2 / extent) + (2 * place[:, None, None] - 1)
        patches[here] = functional.grid_sample(
            source.expand(len(here), -1, -1, -1),
            grid.to(source.device),
            mode="bilinear",
            padding_mode="reflection",
            align_corners=True,
        )
    return patches


def _choose_places(drawn: torch.Tensor, pixels: torch.Tensor, width: int) -> torch.Tensor:
    """(x, y) of one of the pixels (N,), flat indices in rows of a width, for each number (count,) in [0, 1): (count, 2)."""
    chosen = pixels[(drawn * len(pixels)).long().clamp(max=len(pixels) - 1)].long()
    return torch.stack([chosen % width, chosen // width], dim=1).float()


def _build_grids(count: int, warp: Warp, generator: torch.Generator) -> torch.Tensor:
    """The source (x, y) of each pixel of a patch, in pixels from the centre of the patch: (count, Y, X, 2)."""
    matrices, displacements = warp.draw(count, generator)
    rows, columns = (torch.arange(edge) - (edge - 1) / 2 for edge in warp.patch_size)
    grids = torch.empty(len(matrices), *warp.patch_size, 2)
    for axis in (0, 1):  # outer sums, ten times as fast as a product of matrices
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
