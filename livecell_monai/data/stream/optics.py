"""What a microscope with transmitted light makes of an optical thickness: intensity (Y, X) relative to the bare dish.

Light behind a thickness t has the amplitude exp(i t - absorption). Coherent imaging is a filter of this amplitude in Fourier
space; fields are periodic there, so that their rims are cut off afterwards.

Phase contrast: the phase plate delays and weakens direct light, which passes its ring, by a quarter of a wave. Its ring also
takes the light of the lowest frequencies, which makes halos around cells and the shade-off within large ones.
Bright field: a defocus delays each frequency k by pi * z * k^2. For small z the contrast is -z times the Laplacian of the
thickness, dark or bright by the side of the focus (transport of intensity).
DIC: two images of the amplitude, a small distance apart, interfere.

Sources: Zernike, "How I Discovered Phase Contrast", Science 121, 1955; Yin, Kanade, Chen, "Understanding the Phase Contrast
Optics to Restore Artifact-free Microscopy Images for Segmentation", Med. Image Anal. 16, 2012; Teague, "Deterministic Phase
Retrieval: a Green's Function Solution", J. Opt. Soc. Am. 73, 1983; Preza, Snyder, Conchello, "Theoretical Development and
Experimental Evaluation of Imaging Models for Differential-interference-contrast Microscopy", J. Opt. Soc. Am. A 16, 1999.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from livecell_monai.data.stream.layout import Layout
from livecell_monai.data.stream.noise import Plane, blur, is_chosen, log_uniform
from livecell_monai.data.stream.ranges import DIAMETER, OPTICS
from livecell_monai.data.stream.thickness import draw_cell_noise

Amplitude = NDArray[np.complex64]


def show_phase_contrast(thickness: Plane, layout: Layout, rng: np.random.Generator) -> Plane:
    """Phase contrast, in most fields positive: thick turns dark, its surroundings bright."""
    squares = _square_frequencies(thickness.shape)
    zoom = np.sqrt(layout.diameter / DIAMETER)
    share = rng.uniform(*OPTICS.shade_share)
    near = _gauss(squares, zoom * log_uniform(OPTICS.halo, rng))
    far = _gauss(squares, zoom * log_uniform(OPTICS.shade_off, rng))
    passed = rng.uniform(*OPTICS.phase_plate)
    plate = passed * (1j if is_chosen(OPTICS.negative, rng) else -1j)
    ring = np.float32(1 - share) * near + np.float32(share) * far
    pupil = 1 + np.complex64(plate - 1) * ring
    return _image(thickness, pupil * _focus(squares, rng.uniform(*OPTICS.phase_defocus), rng)) / np.float32(passed**2)


def show_bright_field(thickness: Plane, layout: Layout, rng: np.random.Generator) -> Plane:
    """Bright field, out of focus on one side or the other."""
    squares = _square_frequencies(thickness.shape)
    distance = log_uniform(OPTICS.defocus, rng) * layout.diameter / DIAMETER * rng.choice([-1, 1])
    density = rng.uniform(*OPTICS.absorption) * draw_cell_noise(layout, 0.4, rng)
    shadow = blur(density[layout.label], 1.5) * (1 - layout.ratio)
    return _image(thickness, _focus(squares, distance, rng), shadow)


def show_dic(thickness: Plane, layout: Layout, rng: np.random.Generator) -> Plane:
    """Differential interference contrast: a relief, lit from a random side; without a mean thickness."""
    angle, shear = rng.uniform(-np.pi, np.pi), rng.uniform(*OPTICS.shear)
    down, right = np.gradient(blur(thickness, rng.uniform(*OPTICS.blur)))
    difference = shear * (np.sin(angle) * down + np.cos(angle) * right)
    bias = rng.uniform(*OPTICS.bias)
    light = (1 - np.cos(difference + bias)) / (1 - np.cos(bias))
    density = 0.3 * rng.uniform(*OPTICS.absorption) * draw_cell_noise(layout, 0.3, rng)
    return np.asarray(light * np.exp(-blur(density[layout.label], 2.0)), dtype=np.float32)


def _square_frequencies(shape: tuple[int, ...]) -> Plane:
    """The squares (Y, X) of the frequencies of a Fourier transform, in 1 / px^2."""
    return _cached_squares(*shape)


@cache
def _cached_squares(height: int, width: int) -> Plane:
    return np.asarray(fft.fftfreq(height)[:, None] ** 2 + fft.fftfreq(width)[None] ** 2, dtype=np.float32)


def _gauss(squares: Plane, sigma: float) -> Plane:
    """The transform of a Gaussian blur of sigma px."""
    return np.asarray(np.exp(np.float32(-2 * np.pi**2 * sigma**2) * squares), dtype=np.float32)


def _focus(squares: Plane, distance: float, rng: np.random.Generator) -> Amplitude:
    """The filter of a defocus and of the aperture."""
    delay = np.float32(np.pi * distance) * squares
    seen = _gauss(squares, rng.uniform(*OPTICS.blur) / np.sqrt(2))
    return np.asarray((np.cos(delay) + 1j * np.sin(delay)) * seen, dtype=np.complex64)


def _image(thickness: Plane, pupil: Amplitude, density: Plane | None = None) -> Plane:
    """The intensity (Y, X) of a thickness with an optical density behind a filter (Y, X) in Fourier space."""
    amplitude = np.empty(thickness.shape, np.complex64)
    amplitude.real, amplitude.imag = np.cos(thickness), np.sin(thickness)
    if density is not None:
        amplitude *= np.exp(-density / 2)
    light = fft.ifft2(fft.fft2(amplitude, overwrite_x=True) * pupil, overwrite_x=True)
    return np.asarray(light.real**2 + light.imag**2, dtype=np.float32)
