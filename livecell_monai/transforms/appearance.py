"""Random changes of light, contrast, focus and noise for a whole batch; no pixel moves."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Appearance:
    """Random changes, drawn for every patch; the background of an image is near 0, its cells about 3 from it."""

    probability: float = 0.5  #: of each change
    contrast: float = 1.4  #: largest factor on the distance from the mean of the patch, log-uniform; 1 for none
    brightness: float = 0.3  #: largest value added or subtracted
    gamma: float = 1.4  #: largest exponent on the patch scaled to [0, 1], log-uniform; 1 for none
    illumination: float = 0.5  #: largest value of a smooth field that is added; 0 for none
    shading: float = 0.3  #: largest fraction by which a smooth field multiplies; 0 for none
    blur: float = 1.5  #: largest standard deviation of a Gaussian, in pixels; 0 for none
    noise: float = 0.2  #: largest standard deviation of Gaussian noise; 0 for none

    FIELD_NODES = 3  # of the coarse grid of a smooth field, on each axis

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Change images (B, 1, Y, X) float32; the generator draws every random number."""
        if self.gamma > 1:
            images = self._bend(images, generator)
        if self.contrast > 1:
            mean = images.mean(dim=(2, 3), keepdim=True)
            images = (images - mean) * self.contrast ** self._draw(images, generator) + mean
        if self.shading > 0:
            images = images * (1 + self.shading * self._field(images, generator))
        if self.illumination > 0:
            images = images + self.illumination * self._field(images, generator)
        if self.brightness > 0:
            images = images + self.brightness * self._draw(images, generator)
        if self.blur > 0:
            images = self._blur(images, generator)
        if self.noise > 0:
            images = self._add_noise(images, generator)
        return images

    def _on(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """1 where a change happens, else 0, as (B, 1, 1, 1)."""
        return (_uniform(images, generator, 1, 1, 1) < self.probability).to(images)

    def _draw(self, images: torch.Tensor, generator: torch.Generator, nodes: int = 1) -> torch.Tensor:
        """Numbers (B, 1, nodes, nodes) in [-1, 1), 0 where the change does not happen."""
        return _signed(images, generator, 1, nodes, nodes) * self._on(images, generator)

    def _bend(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        exponent, on = self.gamma ** _signed(images, generator, 1, 1, 1), self._on(images, generator) > 0
        low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
        span = (high - low).clamp(min=1e-6)
        # 0.01 avoids powers of 0, which are many times slower on a CPU
        bent = (((images - low) / span + 0.01) / 1.01).pow(exponent) * 1.01 - 0.01
        return torch.where(on, bent * span + low, images)

    def _field(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A smooth field (B, 1, Y, X) in about [-1, 1], 0 where the change does not happen."""
        nodes = self._draw(images, generator, self.FIELD_NODES)
        return functional.interpolate(nodes, images.shape[-2:], mode="bicubic", align_corners=True)

    def _blur(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        sigma = self.blur * _uniform(images, generator)
        chosen = torch.nonzero(self._on(images, generator).flatten().cpu()).flatten()
        if len(chosen) == 0:
            return images
        reach = min(max(1, round(2.5 * self.blur)), min(images.shape[-2:]) - 1)  # the most that reflection can pad
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
    """Numbers (B, *shape) in [0, 1) on the CPU."""
    return torch.rand(len(images), *shape, generator=generator)


def _signed(images: torch.Tensor, generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Numbers (B, *shape) in [-1, 1) on the device of the images."""
    return (2 * _uniform(images, generator, *shape) - 1).to(images)
