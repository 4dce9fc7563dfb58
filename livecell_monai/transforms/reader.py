"""The reader behind `LoadImaged`: one plane, (Y, X), refused where it is not one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from monai.utils import MetaKeys
from numpy.typing import NDArray

from livecell_monai.data.paths import is_image
from livecell_monai.data.readers import parse_address
from livecell_monai.data.readers.kinds import read_border, read_image, read_label
from livecell_monai.sample import Plane

KINDS: dict[str, Callable[[Path], Plane]] = {
    "image": read_image,
    "label": lambda path: Plane(read_label(path)),
    "border": lambda path: Plane(read_border(path)),
}


class PlaneReader(ImageReader):  # type: ignore[misc]
    """Reads planes of every format as (Y, X), unlike MONAI's `PILReader`, which gives (X, Y) and the first page only.

    A path stands for a file of one plane; a plane of a stack has an address, which the kind `image` alone takes.

    Args:
        kind: `image`, `label` or `border`; each has its own rules.
    """

    def __init__(self, kind: str = "image") -> None:
        super().__init__()
        self.kind = kind

    def verify_suffix(self, filename: Any) -> bool:
        """Whether the suffix is one that this reader knows."""
        path = self.read(filename)
        address = parse_address(path)
        return is_image(path if address is None else address.path)

    def read(self, data: Any, **kwargs: Any) -> Path:
        """The path alone: `LoadImage` takes what is raised here for a reason to try another reader, behind our back.

        Args:
            data: a path, or a sequence of one, as `LoadImage` gives it.
            kwargs: none are read.
        """
        return Path(*data) if isinstance(data, tuple | list) else Path(data)

    def get_data(self, img: Path) -> tuple[NDArray[Any], dict[str, Any]]:
        """The pixels (Y, X) and their metadata; `pixel_size_um` is (Y, X), NaN where the file does not tell.

        Raises:
            DataError: where the file is not one plane of its kind.
        """
        plane = KINDS[self.kind](img)
        return plane.pixels, {
            "pixel_size_um": np.array(plane.pixel_size_um or (np.nan, np.nan), dtype=np.float64),
            MetaKeys.SPATIAL_SHAPE: np.array(plane.pixels.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # MONAI's word for an array without a channel axis
        }
