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

KINDS: dict[str, Callable[[Path], Plane]] = {"image": read_image, "border": lambda path: Plane(read_border(path))}


class PlaneReader(ImageReader):  # type: ignore[misc]
    """Reads planes as (Y, X); MONAI's `PILReader` gives (X, Y) and the first page only.

    The kinds `image`, `label` and `border` have their own checks; only an image may be the address of a plane in a stack.
    A label may come with its ignore file, and `unlabelled_value` is its value where it is not annotated, see `read_label`.
    """

    def __init__(self, kind: str = "image", unlabelled_value: int | None = None) -> None:
        super().__init__()
        self.kind, self.unlabelled_value = kind, unlabelled_value

    def verify_suffix(self, filename: Any) -> bool:
        """Whether the files have a known suffix."""
        return all(is_image(find_file(path)) for path in self.read(filename))

    def read(self, data: Any, **kwargs: Any) -> list[Path]:
        """The paths, unread: if this raised an error, `LoadImage` would silently try another reader."""
        return list(map(Path, data)) if isinstance(data, tuple | list) else [Path(data)]

    def get_data(self, img: list[Path]) -> tuple[NDArray[Any], dict[str, Any]]:
        """The pixels (Y, X) and their metadata; `pixel_size_um` is (Y, X), NaN if the file has none.

        The paths are those of a label and perhaps its ignore file, or that of an image or border.
        Raises a DataError if a file is not one plane of its kind.
        """
        if self.kind == "label":
            plane = Plane(read_label(img[0], img[1] if img[1:] else None, self.unlabelled_value))
        else:
            plane = KINDS[self.kind](img[0])
        return plane.pixels, {
            "pixel_size_um": np.array(plane.pixel_size_um or (np.nan, np.nan), dtype=np.float64),
            MetaKeys.SPATIAL_SHAPE: np.array(plane.pixels.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # MONAI's value for an array without a channel axis
        }
