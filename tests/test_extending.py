"""The package of docs/extending.md, installed and used as the page says."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecell_monai.errors import SettingError
from livecell_monai.network import SegmentationLoss
from livecell_monai.tasks import evaluate, predict
from tests.support.plugin_packages import installed, write_package
from tests.support.small_training import QUIET, train_small
from tests.support.worlds import write_folder

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def site(tmp_path):
    (project,) = blocks("toml")
    groups = tomllib.loads(project)["project"]["entry-points"]
    assert set(groups) == {f"livecell_monai.{name}" for name in ("readers", "losses", "metrics", "outputs")}
    return write_package(tmp_path / "site", "cell_extras", "\n\n".join(blocks("python")), groups)


def test_every_example_is_used(site, tmp_path, without_figures):
    data = write_folder(tmp_path / "data")
    image = tifffile.imread(data / "test" / "images" / "test_00.tif")
    np.save(tmp_path / "plate.npy", image)
    with pytest.raises(SettingError, match="setting loss must be"):
        SegmentationLoss("squared")
    with installed(site):
        train_small(data, tmp_path / "model", epochs=1, loss="squared")
        scores = evaluate(tmp_path / "model", data, tmp_path / "scores", QUIET)
        asked = {**QUIET, "outputs": ["mask", "summary", "text"]}
        done = predict(tmp_path / "model", [tmp_path / "plate.npy"], tmp_path / "masks", asked)
    assert scores["area_error"]["mean"] >= 0
    assert scores["extra_cells"]["mean"] >= 0
    assert "pooled_extra_cells" in scores
    assert "area_error" in (tmp_path / "scores" / "scores.csv").read_text().splitlines()[0]
    (row,) = done.rows
    area = int((tifffile.imread(tmp_path / "masks" / "plate.tif") > 0).sum())
    assert row["area_px"] == area
    assert (tmp_path / "masks" / "plate_area.txt").read_text() == f"{area}\n"


def test_the_places_named_are_there():
    root = Path(__file__).parents[1]
    for name in re.findall(r"`([\w/]+/[\w./]*)`", PAGE[PAGE.index("## Inside") :]):
        place = root / name if name.startswith("bundle") else root / "livecell_monai" / name
        assert place.exists(), name
