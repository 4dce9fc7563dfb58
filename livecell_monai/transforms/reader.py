"""The reader behind `LoadImaged`: one plane (Y, X) of any supported format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from monai.utils import MetaKeys
from numpy.typing import NDArray

from livecell_monai.data.paths import is_image
from livecell_monai.data.readers import find_file
from livecell_monai.data.readers.kinds import read_border, read_image, read_label
from livecell_monai.sample import Plane

KINDS: dict[str, Callable[[Path], Plane]] = {
    "image": read_image,
    "label": lambda path: Plane(read_label(path)),
    "border": lambda path: Plane(read_border(path)),
}


class PlaneReader(ImageReader):  # type: ignore[misc]
    """Reads planes as (Y, X); MONAI's `PILReader` gives (X, Y) and the first page only.

    The kinds `image`, `label` and `border` have their own checks; only an image may be the address of a plane in a stack.
    """

    def __init__(self, kind: str = "image") -> None:
        super().__init__()
        self.kind = kind

    def verify_suffix(self, filename: Any) -> bool:
        """Whether the file has a known suffix."""
        return is_image(find_file(self.read(filename)))

    def read(self, data: Any, **kwargs: Any) -> Path:
        """The path, unread: if this raised an error, `LoadImage` would silently try another reader."""
        return Path(*data) if isinstance(data, tuple | list) else Path(data)

    def get_data(self, img: Path) -> tuple[NDArray[Any], dict[str, Any]]:
        """The pixels (Y, X) and their metadata; `pixel_size_um` is (Y, X), NaN if the file has none.

        Raises a DataError if the file is not one plane of its kind.
        """
        plane = KINDS[self.kind](img)
        return plane.pixels, {
            "pixel_size_um": np.array(plane.pixel_size_um or (np.nan, np.nan), dtype=np.float64),
            MetaKeys.SPATIAL_SHAPE: np.array(plane.pixels.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # MONAI's value for an array without a channel axis
        }
