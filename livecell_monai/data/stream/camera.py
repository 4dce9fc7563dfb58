"""From light to grey values: illumination and dust; noise, hot pixels, quantisation and JPEG."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livecell_monai.data.stream.noise import Plane, blur, is_chosen, log_uniform, resize, smooth_noise, window_around
from livecell_monai.data.stream.ranges import CAMERA, DIRT

Grey = NDArray[np.uint8] | NDArray[np.uint16]


def draw_light(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """The light (Y, X) of the lamp, about 1: tilted, vignetted, mottled, with rings of dust out of focus."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij", sparse=True)
    much = 5 if is_chosen(CAMERA.uneven, rng) else 1
    light = 1 + much * CAMERA.tilt * (rng.normal() * y + rng.normal() * x)
    light = light - rng.uniform(*CAMERA.vignette) * (y**2 + x**2) / 2
    light = light + much * rng.uniform(*CAMERA.mottle) * smooth_noise(shape, shape[0] / rng.uniform(6, 14), rng)
    lit = np.asarray(light, dtype=np.float32)
    for _ in range(rng.poisson(rng.uniform(*DIRT.rings) * y.size * x.size / 512**2)):
        radius, width = rng.uniform(6, 60), rng.uniform(5, 10)
        _add_at(lit, radius + 2.5 * width, rng, _ring(radius, width, rng.uniform(7, 14), rng.uniform(0.01, 0.05)))
    return np.asarray(np.clip(lit, 0.05, None), dtype=np.float32)


def _ring(radius: float, width: float, period: float, strength: float) -> Callable[[Plane], Plane]:
    """A function of the distance from a centre: dark and bright rings."""
    return lambda away: strength * np.cos((away - radius) * 2 * np.pi / period) * np.exp(-(((away - radius) / width) ** 2))


def _add_at(plane: Plane, half: float, rng: np.random.Generator, profile: Callable[[Plane], Plane]) -> None:
    """Add a profile of the distance from a random centre, in place."""
    y, x = (int(rng.integers(0, side)) for side in plane.shape)
    window = window_around(plane.shape, y, x, half)
    rows, columns = np.ogrid[window]
    plane[window] += profile(np.hypot(rows - y, columns - x).astype(np.float32))


def expose(light: Plane, rng: np.random.Generator) -> Grey:
    """Grey values (Y, X) of a camera of 8, 12 or 16 bits, stored as uint8 or uint16."""
    low, middle, high = np.percentile(light[::4, ::4], (0.5, 50, 99.5))
    contrast = max(float(high - low), 0.05 * float(abs(middle)), 1e-3)
    noisy = light + _draw_noise(light, contrast, float(middle), rng)
    if is_chosen(CAMERA.inverted, rng):
        noisy = float(noisy.max()) + float(noisy.min()) - noisy
    bits = int(rng.choice(CAMERA.bits))
    top = 2**bits - 1
    floor, ceiling = np.percentile(noisy[::4, ::4], (0.1, 99.9))
    used = rng.uniform(*CAMERA.exposure)
    dark = rng.uniform(-0.02, 0.5) * used
    grey = (noisy - floor) / max(float(ceiling - floor), 1e-6) * (used - dark) + dark
    if is_chosen(CAMERA.hot, rng):
        is_hot = rng.random(light.size) < log_uniform(CAMERA.hot_pixels, rng)
        grey.ravel()[is_hot] = rng.choice([0.0, 1.0, 1.0], int(is_hot.sum()))
    values = np.clip(np.rint(grey * top), 0, top)
    if bits > 8:
        return np.asarray(values, dtype=np.uint16)
    stored = np.asarray(values, dtype=np.uint8)
    return _compress(stored, rng) if is_chosen(CAMERA.jpeg, rng) else stored


def _draw_noise(light: Plane, contrast: float, middle: float, rng: np.random.Generator) -> Plane:
    """Noise (Y, X) that grows with the root of the light in part, sharp or smoothed, perhaps in stripes."""
    deviation = contrast * log_uniform(CAMERA.noise, rng)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    if (grain := rng.uniform(*CAMERA.grain)) > 0.3:
        noise = blur(noise, grain)
        noise /= max(float(noise[::4, ::4].std()), 1e-6)
    share = rng.uniform(*CAMERA.shot)
    noise *= np.sqrt(1 - share + share * np.clip(light / max(abs(middle), 1e-3), 0, 20))
    if is_chosen(CAMERA.stripes, rng):
        stripes = rng.standard_normal((light.shape[0], 1) if is_chosen(0.5, rng) else (1, light.shape[1]))
        noise += (rng.uniform(0.2, 0.8) * stripes).astype(np.float32)
    return np.asarray(deviation * noise, dtype=np.float32)


def resample(light: Plane, rng: np.random.Generator) -> Plane:
    """The light (Y, X) as coarser pixels would show it, enlarged again, in part of the images."""
    if not is_chosen(CAMERA.resized, rng):
        return light
    factor = rng.uniform(*CAMERA.resize)
    shape = (light.shape[0], light.shape[1])
    return resize(resize(light, (round(factor * shape[0]), round(factor * shape[1]))), shape)


def _compress(grey: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image (Y, X) after JPEG."""
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=int(rng.uniform(*CAMERA.jpeg_quality)))
    return np.asarray(Image.open(stream), dtype=np.uint8)
