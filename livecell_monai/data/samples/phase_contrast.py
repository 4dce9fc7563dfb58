"""A phase-contrast microscope as a filter over a relief: thick turns dark, its surroundings bright; light and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livecell_monai.data.samples.synthetic_cell import Relief, draw_noise, window_at

DARKEST, BRIGHTEST = 8114, 65535  #: range of the grey values

_BARE = 31700.0  # grey value of the empty dish, about half of the range so that halos have room above
_GAIN = 36000.0  # grey values per unit of thickness that the halo filter leaves


@dataclass(frozen=True)
class Optics:
    """What one exposure depends on beside the relief and the noise of the camera."""

    halo: float  #: px, sigma of the surroundings that a thickness is compared with
    blur: float  #: px, sigma of the Gaussian by which the image is out of focus
    contrast: float  #: grey values per unit of thickness, relative to `_GAIN`
    light: Relief  #: (Y, X) brightness of the bare dish, about 1
    grain: Relief  #: (Y, X) unevenness of the dish, about 0, in the unit of `light`


def draw_optics(shape: tuple[int, int], rng: np.random.Generator) -> Optics:
    """The optics of a field (Y, X) of at least 170 px a side."""
    halo, blur = rng.uniform(3.2, 4.6), rng.uniform(0.6, 1.0)
    grain = 0.012 * draw_noise(shape, 1.0, rng) + 0.012 * draw_noise(shape, 5.0, rng)
    return Optics(halo, blur, light=_draw_light(shape, rng), contrast=rng.uniform(0.75, 1.15), grain=grain)


def expose(relief: Relief, optics: Optics, rng: np.random.Generator) -> NDArray[np.uint16]:
    """The image (Y, X) uint16 in [8114, 65535] of a relief (Y, X); `rng` draws the camera's noise."""
    # a phase plate shows thickness relative to its surroundings: dark bodies, bright halos, grey inside wide flats
    near, far = ndimage.gaussian_filter(relief, optics.halo), ndimage.gaussian_filter(relief, 14)
    phase = relief - 0.8 * near - 0.15 * far
    phase = np.where(phase < 0, 2 * phase, phase)  # halos outshine what the bodies darken
    phase = ndimage.gaussian_filter(phase, optics.blur)
    grey = _BARE * (optics.light + optics.grain) - _GAIN * optics.contrast * phase
    # photon noise grows with the root of the light; 400 grey values on the bare dish
    shot = 400 * np.sqrt(np.clip(grey, 0, None) / _BARE) * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(grey + shot), DARKEST, BRIGHTEST), dtype=np.uint16)


def _draw_light(shape: tuple[int, ...], rng: np.random.Generator) -> Relief:
    """Brightness (Y, X) of the bare dish, about 1: tilted, vignetted, mottled, with rings of dust."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij")
    light = 1 + rng.normal(0, 0.05) * y + rng.normal(0, 0.05) * x + rng.normal(-0.02, 0.05) * (y**2 + x**2)
    coarse = draw_noise((12, 12), 1.0, rng)
    light += rng.uniform(0.01, 0.035) * ndimage.zoom(coarse, [side / 12 for side in shape], order=3, mode="nearest")
    for _ in range(rng.poisson(rng.uniform(5, 16) * shape[0] * shape[1] / 2**20)):
        radius = rng.uniform(6, 60)
        half = int(radius + 24)
        centre_y, centre_x = (int(rng.integers(half, side - half)) for side in shape)
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
        away = np.hypot(y, x) - radius
        rings = np.cos(away * 2 * np.pi / rng.uniform(7, 14)) * np.exp(-((away / rng.uniform(5, 10)) ** 2))
        light[window_at(centre_y, centre_x, rings.shape)] += rng.uniform(0.015, 0.05) * rings
    return np.asarray(light, dtype=np.float32)
