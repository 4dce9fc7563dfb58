"""Small named worlds in the format that they have on disk, shared by all tests.

Images are not square on purpose: swapped axes must show.
"""

from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

LOW, HIGH = 8_114, 65_535  # range of the grey values, that of the report's images
SHAPE = (96, 112)  # (Y, X) pixels


def one_cell(shape=SHAPE, at=(0.5, 0.5), radii=(14.0, 9.0)):
    """An instance label (Y, X) of one ellipse; `at` is a share of the shape, `radii` are (Y, X) pixels."""
    rows, columns = np.indices(shape)
    down = (rows - at[0] * (shape[0] - 1)) / radii[0]
    right = (columns - at[1] * (shape[1] - 1)) / radii[1]
    return (down**2 + right**2 <= 1).astype(np.uint16)


def some_cells(shape=SHAPE, seed=0):
    """An instance label (Y, X): one cell in each quarter and one at the centre, apart from each other, all off the rim."""
    generator = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint16)
    for cell, at in enumerate([(0.22, 0.2), (0.24, 0.79), (0.77, 0.22), (0.78, 0.8), (0.5, 0.5)], start=1):
        radii = generator.uniform(0.08, 0.13, 2) * shape
        label[one_cell(shape, at + generator.uniform(-0.03, 0.03, 2), radii) > 0] = cell
    return label


def picture_of(label, seed=0, dtype=np.uint16):
    """A smooth noisy image (Y, X) of a label, from 8,114 to 65,535 for uint16: bright and dark cells by turns on grey."""
    generator = np.random.default_rng(seed)
    grey = np.zeros(label.shape)
    grey[(label > 0) & (label % 2 == 1)] = 1.0
    grey[(label > 0) & (label % 2 == 0)] = -0.7
    noise = ndimage.gaussian_filter(generator.normal(size=label.shape), 1.0)
    grey = ndimage.gaussian_filter(grey, 1.0) + 0.3 * noise
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    low, high = (LOW, HIGH) if np.dtype(dtype) == np.uint16 else (LOW * 255 / HIGH, 255)
    return np.round(low + grey * (high - low)).astype(dtype)


def border_of(label):
    """Border weights (Y, X) float32 from 1, high close to a cell's rim."""
    inside = ndimage.distance_transform_edt(label > 0)
    outside = ndimage.distance_transform_edt(label == 0)
    return (1 + 5 * np.exp(-((inside + outside) ** 2) / 18)).astype(np.float32)


def write_sample(root, name, label, *, role="train", image=None, border=None, dtype=np.uint16, seed=0):
    """Write one image, its label and, where given, its border into a data folder."""
    planes = {"images": picture_of(label, seed, dtype) if image is None else image, "labels": label, "borders": border}
    for kind, plane in planes.items():
        if plane is not None:
            path = Path(root) / role / kind / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, plane)


def write_folder(root, train=3, test=2, shape=SHAPE, borders=False, seed=0, dtype=np.uint16) -> Path:
    """A data folder with `train_00.tif` and so on, and `test_00.tif` with labels; both classes are in every half of each."""
    root = Path(root)
    for role, count in (("train", train), ("test", test)):
        for index in range(count):
            own = seed + 100 * (role == "test") + index
            label = some_cells(shape, own)
            border = border_of(label) if borders else None
            write_sample(root, f"{role}_{index:02d}", label, role=role, border=border, dtype=dtype, seed=own)
    return root


def touch(*paths):
    """Empty files: listing looks at names alone."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_of(folder, *names):
    return [folder / name for name in names]
