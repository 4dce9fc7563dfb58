"""Random changes of how a patch looks, a whole batch at once: light, contrast, focus and noise, never where a pixel lies."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Appearance:
    """What is drawn anew for every patch; an image's background lies near 0, its cells about 3 from it.

    Attributes:
        probability: of each change by itself.
        contrast: greatest factor on the distance from the patch's mean, drawn evenly on a logarithmic axis; 1 for none.
        brightness: added, from -brightness to +brightness.
        gamma: greatest exponent on the patch scaled to [0, 1], drawn evenly on a logarithmic axis; 1 for none.
        illumination: greatest value of a smooth field that is added; 0 for none.
        shading: greatest part by which a smooth field multiplies; 0 for none.
        blur: greatest standard deviation of a Gaussian, in pixels; 0 for none.
        noise: greatest standard deviation of Gaussian noise; 0 for none.
    """

    probability: float = 0.5
    contrast: float = 1.4
    brightness: float = 0.3
    gamma: float = 1.4
    illumination: float = 0.5
    shading: float = 0.3
    blur: float = 1.5
    noise: float = 0.2

    FIELD_NODES = 3  # of a smooth field's coarse grid, on each axis

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images (B, 1, Y, X) float32 as (B, 1, Y, X).

        Args:
            images: a batch.
            generator: of every random number.
        """
        if self.gamma > 1:
            images = self._bend(images, generator)
        if self.contrast > 1:
            mean = images.mean(dim=(2, 3), keepdim=True)
            factor = self.contrast ** (_signed(images, generator, 1, 1, 1).to(images) * self._on(images, generator))
            images = (images - mean) * factor + mean
        if self.shading > 0:
            images = images * (1 + self.shading * self._field(images, generator))
        if self.illumination > 0:
            images = images + self.illumination * self._field(images, generator)
        if self.brightness > 0:
            images = images + self.brightness * _signed(images, generator, 1, 1, 1).to(images) * self._on(images, generator)
        if self.blur > 0:
            images = self._blur(images, generator)
        if self.noise > 0:
            images = self._add_noise(images, generator)
        return images

    def _on(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """1 where a change happens, else 0, as (B, 1, 1, 1)."""
        return (_uniform(images, generator, 1, 1, 1) < self.probability).to(images)

    def _bend(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        exponent, on = self.gamma ** _signed(images, generator, 1, 1, 1).to(images), self._on(images, generator) > 0
        low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
        span = (high - low).clamp(min=1e-6)
        # the hundredth keeps clear of powers of 0, whose cost on a CPU is many times that of others
        bent = (((images - low) / span + 0.01) / 1.01).pow(exponent) * 1.01 - 0.01
        return torch.where(on, bent * span + low, images)

    def _field(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A smooth field (B, 1, Y, X) in about [-1, 1], 0 where the change does not happen."""
        nodes = _signed(images, generator, 1, self.FIELD_NODES, self.FIELD_NODES).to(images) * self._on(images, generator)
        return functional.interpolate(nodes, images.shape[-2:], mode="bicubic", align_corners=True)

    def _blur(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        sigma = self.blur * _uniform(images, generator)
        chosen = torch.nonzero(self._on(images, generator).flatten().cpu()).flatten()
        if len(chosen) == 0:
            return images
        reach = min(max(1, round(2.5 * self.blur)), min(images.shape[-2:]) - 1)  # a rim mirrors no more than that
        steps = torch.arange(-reach, reach + 1.0)
        kernel = torch.exp(-0.5 * (steps / sigma[chosen].clamp(min=0.1)[:, None]) ** 2)
        kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(images)
        picked = functional.pad(images[chosen].transpose(0, 1), [reach] * 4, mode="reflect")  # (1, chosen, Y, X)
        along = functional.conv2d(picked, kernel[:, None, :, None], groups=len(chosen))
        blurred = functional.conv2d(along, kernel[:, None, None, :], groups=len(chosen))
        images = images.clone()
        images[chosen] = blurred.transpose(0, 1)
        return images

    def _add_noise(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        deviation = self.noise * _uniform(images, generator, 1, 1, 1).to(images)
        grain = torch.randn(images.shape, generator=generator).to(images)
        return images + grain * deviation * self._on(images, generator)


def _uniform(images: torch.Tensor, generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Numbers (B, *shape) in [0, 1), for each image its own."""
    return torch.rand(len(images), *shape, generator=generator)


def _signed(images: torch.Tensor, generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Numbers (B, *shape) in [-1, 1), for each image its own."""
    return 2 * _uniform(images, generator, *shape) - 1
