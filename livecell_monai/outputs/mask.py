"""The mask: one TIFF per image, one stack per movie, one file with a pyramid per large image."""

from pathlib import Path

from livecell_monai.data.plane_files import mask_pixels, write_mask
from livecell_monai.errors import SettingError
from livecell_monai.outputs.base import Files, Output, OutputOptions, Prediction, Row
from livecell_monai.outputs.large.folder import ENDINGS
from livecell_monai.outputs.movie_file import MovieWriter


class Mask(Output):
    """`NAME.tif`, (Y, X) uint8 with values 0 and 255; of a movie `NAME.ome.tif`, (T, Y, X).

    `outputs.large` writes the mask of a large image, `NAME.ome.tif` or `NAME.ome.zarr`. A SettingError if its format is
    unknown.
    """

    def __init__(self, options: OutputOptions) -> None:
        form = options.large_image_format
        if form not in ENDINGS:
            raise SettingError(f"setting large_image_format must be one of {', '.join(ENDINGS)}, got {form!r}; correct it")
        self.files = Files(image=("{name}.tif",), movie=("{name}.ome.tif",), large=(f"{{name}}{ENDINGS[form]}",))
        self._movie = MovieWriter(".ome.tif")

    def write(self, prediction: Prediction, folder: Path) -> Row:
        """Write the mask, or append it to the stack of its movie."""
        if prediction.frame is None:
            write_mask(folder / f"{prediction.name}.tif", prediction.mask, prediction.pixel_size_um)
        else:
            self._movie.append(prediction, mask_pixels(prediction.mask), folder)
        return {}

    def discard(self) -> None:
        """Delete an incomplete stack."""
        self._movie.discard()
