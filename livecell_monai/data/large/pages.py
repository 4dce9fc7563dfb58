"""Arrays that outlive many windows, outside of the memory that tensors come and go in.

What is kept among tensors breaks the room between them up: half a megabyte in the middle of 30 free ones makes the
next map of the network grow the heap, little by little, and the more the larger the mosaic.
"""

import math
import mmap

import numpy as np
import numpy.typing as npt

from livecell_monai.sample import Pixels


def allocate_pages(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Pixels:
    """An array of zeros in pages of its own, which go back to the system with its last view.

    Args:
        shape: any; what is empty takes no pages.
        dtype: of the values.

    Raises:
        OSError: there are not so many pages.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(mmap.mmap(-1, size, access=mmap.ACCESS_COPY), dtype).reshape(shape)
