"""The mask: one TIFF for each image, one stack for each movie, one file with a pyramid for each large image."""

from pathlib import Path

from livecell_monai.data.plane_files import mask_pixels, write_mask
from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import Files, Output, OutputOptions, Row
from livecell_monai.outputs.large.finished import ENDINGS
from livecell_monai.outputs.movie_file import MovieStack
from livecell_monai.outputs.prediction import Prediction


class Mask(Output):
    """`NAME.tif`, (Y, X) uint8 of 0 and 255; of a movie `NAME.ome.tif`, (T, Y, X).

    Of a large image `NAME.ome.tif` or `NAME.ome.zarr`, which `outputs.large` writes part by part.

    Args:
        options: the settings that outputs depend on.

    Raises:
        SettingError: the format of large images is unknown.
    """

    def __init__(self, options: OutputOptions) -> None:
        form = options.large_image_format
        if form not in ENDINGS:
            raise SettingError(f"setting large_image_format must be one of {', '.join(ENDINGS)}, got {form!r}; correct it")
        self._large = f"{{name}}{ENDINGS[form]}"
        self._stack = MovieStack(".ome.tif")

    @property
    def files(self) -> Files:
        """The file of an image, a movie or a large image."""
        return Files(image=("{name}.tif",), movie=("{name}.ome.tif",), large=(self._large,))

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the mask, or append it to the stack of its movie."""
        if prediction.frame is None:
            write_mask(folder / f"{prediction.name}.tif", prediction.mask, prediction.pixel_size_um)
        else:
            self._stack.append(prediction, mask_pixels(prediction.mask), folder)
        return {}

    def discard(self) -> None:
        """Remove a stack that is not complete."""
        self._stack.discard()
