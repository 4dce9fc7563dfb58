"""Walls and bubbles in front of part of the patches, so that a network learns what hides cells and is none."""

from dataclasses import dataclass

import numpy as np
import torch

from livecell_monai.data.stream.noise import log_uniform
from livecell_monai.data.stream.obstacles import cover, draw_bubbles, draw_wall

WALLS = 0.6  #: of the obstacles; the others are bubbles
LIGHT = (8.0, 40.0)  #: normalised grey values for a doubling of the light, log-uniform: cells differ by 3
EXPOSURE = (0.4, 1.0)  #: contrast of a patch with an obstacle, which the normalisation of its image would lower, log-uniform
BRIGHTEST = 8.0  #: normalised grey value to which a patch with an obstacle is cut; those of images seldom reach it


@dataclass(frozen=True)
class Obstacles:
    """Covers patches (B, C, Y, X) float32, of a normalised image and of targets, with procedural obstacles.

    The image shows the obstacle, and the `targets` channels after it are 0 behind it; channels after these, weights, stay.
    """

    probability: float = 0.0  #: of an obstacle in a patch

    def __call__(self, patches: torch.Tensor, targets: int, generator: torch.Generator) -> torch.Tensor:
        """The patches, changed in place; the generator draws every random number."""
        if self.probability == 0:
            return patches
        count = len(patches)
        chosen = torch.rand(count, generator=generator) < self.probability
        seeds = torch.randint(2**40, (count,), generator=generator)
        for number in torch.nonzero(chosen).flatten().tolist():
            _cover_patch(patches[number], targets, np.random.default_rng(int(seeds[number])))
        return patches


def _cover_patch(patch: torch.Tensor, targets: int, rng: np.random.Generator) -> None:
    shape = (patch.shape[-2], patch.shape[-1])
    depth, across = (draw_wall if rng.random() < WALLS else draw_bubbles)(shape, rng)
    scale = log_uniform(LIGHT, rng) * rng.choice([-1, 1])  # dark cells or bright ones
    light = np.clip(1 + patch[0].cpu().numpy() / scale, 0.01, None)
    shown = (cover(light, depth, across, rng) - 1) * scale * log_uniform(EXPOSURE, rng)
    # a glare of hundreds would weigh more in the statistics of a batch than all other patches together
    patch[0] = torch.from_numpy(np.clip(shown, -BRIGHTEST, BRIGHTEST).astype(np.float32)).to(patch)
    patch[1 : 1 + targets].masked_fill_(torch.from_numpy(depth > 0).to(patch.device), 0)
