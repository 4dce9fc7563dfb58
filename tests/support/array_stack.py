"""A stack that lies in memory and counts what is read of it."""

from pathlib import Path

import numpy as np

from livecell_monai.data.readers import Stack
from livecell_monai.errors import DataError


class ArrayStack(Stack):
    """One plane (Y, X); a read that touches a row and column of `broken` fails as a torn tile does."""

    def __init__(self, plane, tile=None, pixel_size_um=None, broken=None):
        self.path = Path("array.tif")
        self.plane, self.tile, self.pixel_size_um, self.broken = plane, tile, pixel_size_um, broken
        self.axes, self.shape, self.dtype = "YX", plane.shape, plane.dtype
        self.regions = []

    def read(self, time=0, channel=0, z=0, region=None):
        self.regions.append(region)
        row, column = self.broken or (-1, -1)
        if region is not None and region.top <= row < region.bottom and region.left <= column < region.right:
            raise DataError(f"{self.path}: a tile must be whole, this one is torn; copy the file again")
        return np.array(region.crop(self.plane)) if region is not None else self.plane.copy()

    def close(self):
        pass
