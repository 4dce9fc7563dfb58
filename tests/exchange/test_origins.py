"""The user's files in errors and notes about a data folder that was made of them."""

from pathlib import Path

import pytest

from livecell_monai.data.dataset import findings
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.origins import list_origins, restate, restated

DATA, OWN = Path("/tmp/x/photos"), Path("photos")
ORIGINS = list_origins(DATA, OWN, {"train/labels/a.tif": "a.zip", "train/labels/a.tiff": "b.zip"})


@pytest.mark.parametrize(
    ("path", "own"),
    [
        (DATA / "train" / "images" / "a.tif", OWN / "a.tif"),
        (DATA / "train" / "labels" / "a.tif", OWN / "a.zip"),
        (DATA / "train" / "labels" / "a.tiff", OWN / "b.zip"),
        (DATA / "test" / "labels", OWN),
        (DATA, OWN),
        (Path("/tmp/y/a.tif"), Path("/tmp/y/a.tif")),
    ],
)
def test_paths(path, own):
    assert restate(f"{path}: must be read", ORIGINS) == f"{own}: must be read"


def test_an_error_keeps_its_kind():
    with pytest.raises(SettingError, match=r"^photos: wrong$"), restated(ORIGINS):
        raise SettingError(f"{DATA}: wrong")
    error = DataError("b.tif: wrong")
    with pytest.raises(DataError) as raised, restated(ORIGINS):
        raise error
    assert raised.value is error


def test_notes_about_labels(caplog):
    with restated(ORIGINS):
        findings.LOGGER.warning("%s: note", DATA / "train" / "labels" / "a.tif")
    findings.LOGGER.warning("%s: note", DATA)
    assert caplog.messages == ["photos/a.zip: note", f"{DATA}: note"]
