"""Where the masks of large images go, and in which form."""

from dataclasses import dataclass
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.outputs.large.folder import ENDINGS
from livecell_monai.prediction.writers import PredictionWriter


@dataclass(frozen=True)
class LargeImageOutput:
    """Where the masks of large images go, and how.

    Attributes:
        folder: of the results.
        writer: takes the rows of the table, and draws overlays where they are asked for.
        form: `tiff` for NAME.ome.tif, `zarr` for NAME.ome.zarr.
        overwrite: whether results of an earlier run may be overwritten.
        resume: whether to continue what an interrupted run has left.

    Raises:
        SettingError: the form is another one.
    """

    folder: str | Path
    writer: PredictionWriter
    form: str = "tiff"
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.form not in ENDINGS:
            raise SettingError(
                f"setting large_image_format must be one of {', '.join(ENDINGS)}, got {self.form!r}; correct it"
            )
