"""Commands on images with annotations beside them."""

import json
import re
import shutil
from pathlib import Path

import pytest
import tifffile

from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.exchange.base import LabelledPlane
from tests.support.annotated import write_planes
from tests.support.commands import livecell, refused, small


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder, and its images with ROIs and GeoJSON beside them, the test image without."""
    place = tmp_path_factory.mktemp("made")
    write_sample_set(place / "cells", train=2, test=1, shape=(128, 128), seed=0)
    photos = place / "photos"
    shutil.copytree(place / "cells" / "train" / "images", photos)
    names = zip(sorted(path.stem for path in photos.iterdir()), ("roi", "geojson"), (".zip", ".geojson"), strict=True)
    for name, kind, ending in names:
        (label,) = (place / "cells" / "train" / "labels").glob(f"{name}.*")
        write_planes(kind, photos / f"{name}{ending}", [LabelledPlane(name, tifffile.imread(label))])
    shutil.copytree(place / "cells" / "test" / "images", photos, dirs_exist_ok=True)
    return place


def test_check_and_plan_write_nothing(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = {}
    for name in ("cells", "photos"):
        outcome = livecell("check", made / name)
        assert outcome.code == 0, outcome
        shown[name] = [line for line in outcome.out.splitlines() if line.startswith(("train ", "training", "median"))]
        plan = livecell("plan", made / name, "--minutes", 1)
        assert plan.code == 0, plan
        shown[name].append(plan.out)
    assert shown["photos"] == shown["cells"]
    assert outcome.err.startswith(f"note: {made / 'photos'}: 2 images with ")
    assert not list(tmp_path.iterdir())


def test_a_written_plan_is_replaced_on_request_only(made, tmp_path):
    file = tmp_path / "plan.yaml"
    assert livecell("plan", made / "cells", "--output", file).code == 0
    planned = file.read_text()
    file.write_text("mine")
    outcome = livecell("plan", made / "cells", "--output", file)
    assert (outcome.code, file.read_text()) == (2, "mine")
    assert "plan.yaml: already exists" in outcome.err
    assert "--overwrite" in outcome.err
    assert livecell("plan", made / "cells", "--output", file, "--overwrite").code == 0
    assert file.read_text() == planned


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--set", "lr=-1"], "lr must be"),
        (["--output", "full"], "must be empty or new"),
    ],
)
def test_bad_input_leaves_nothing(given, words, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    outcome = livecell("train", made / "photos", "--output", "model", *given)
    assert outcome.code == 2
    assert words in outcome.err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize("command", ["check", "plan", "train"])
def test_a_broken_image_is_named_as_the_user_does(command, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "photos", "photos")
    for broken in Path("photos").glob("*.tif"):
        tifffile.imwrite(broken, tifffile.imread(broken), compression="zlib")
        with tifffile.TiffFile(broken) as file:
            begin = file.pages[0].dataoffsets[0]
        content = bytearray(broken.read_bytes())
        content[begin : begin + 64] = bytes(64)  # the header is as it was
        broken.write_bytes(content)
    outcome = livecell(command, "photos", *(["--output", "model"] if command == "train" else []))
    assert outcome.code == 2
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (len(list(Path("photos").glob("*.tif"))) if command == "check" else 1)
    for line in errors:
        assert re.match(r"error: photos/\w+\.tif: cannot be read as TIFF", line), line


def test_images_alone(made, tmp_path):
    refused(livecell("train", made / "cells" / "test" / "images", "--output", tmp_path / "model"), "name")
    (tmp_path / "photos").mkdir()
    shutil.copy(next((made / "cells" / "test" / "images").iterdir()), tmp_path / "photos")
    outcome = livecell("train", tmp_path / "photos", "--output", tmp_path / "model")
    refused(outcome, "or images with their annotations beside them", "got images alone")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.slow
def test_a_training_is_that_on_the_data_folder(made, tmp_path):
    digests = {}
    for name in ("cells", "photos"):
        call = ("train", made / name, "--output", tmp_path / name, *small(epochs=1))
        outcome = livecell(*call)
        assert outcome.code == 0, outcome
        training = json.loads((tmp_path / name / "configs" / "metadata.json").read_text())["training"]
        digests[name] = {file: digest for file, digest in training["files_sha256"].items() if file.startswith("image/")}
        assert training["data"] == name
    assert digests["photos"] == digests["cells"]
    data = tmp_path / "photos_data" / "photos"
    assert f"data folder: {data}" in outcome.err
    assert sorted(path.name for path in data.iterdir()) == ["annotations.json", "test", "train"]
    assert "finished" in livecell(*call, "--resume", "auto").out
    assert not (tmp_path / "cells_data").exists()
