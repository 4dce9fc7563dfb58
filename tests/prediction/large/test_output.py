"""Forms of the masks of large images."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.prediction.large.output import LargeImageOutput


def test_a_form_that_is_not_known_is_refused():
    assert LargeImageOutput("out", None, "zarr").form == "zarr"
    with pytest.raises(SettingError, match="large_image_format must be one of tiff, zarr, got 'png'"):
        LargeImageOutput("out", None, "png")
