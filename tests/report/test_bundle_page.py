import json
import shutil

import pytest

from livecell_monai.bundle.ensemble import join_bundles
from livecell_monai.data.dataset.identity import hash_file
from livecell_monai.errors import BundleError, DataError, SettingError
from livecell_monai.report.bundle_page import NO_DATA, check_output, read_bundle_facts, write_bundle_page
from tests.support.worlds import some_cells, write_sample


@pytest.fixture
def bundle(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "model")


def test_page_without_data_shows_the_bundle(bundle, tmp_path):
    output = tmp_path / "report.html"
    write_bundle_page(bundle, output)
    page = output.read_text(encoding="utf-8")
    training = json.loads((bundle / "configs" / "metadata.json").read_text())["training"]
    assert training["data_sha256"] in page
    assert training["weights_sha256"] in page
    assert NO_DATA in page
    assert 'id="curves"' in page
    assert 'id="split"' not in page
    assert "train_00" in page  # of docs/scores.csv


def test_page_with_its_data_has_every_part_and_no_warning(bundle, trained, tmp_path):
    output = tmp_path / "report.html"
    write_bundle_page(bundle, output, trained[0])
    page = output.read_text(encoding="utf-8")
    assert all(f'id="{part}"' in page for part in ("scores", "test", "validation", "split", "samples", "threshold"))
    assert 'class="warning"' not in page


def test_other_data_give_a_warning(bundle, trained, tmp_path):
    data = shutil.copytree(trained[0], tmp_path / "other")
    write_sample(data, "train_01", some_cells(seed=77))
    write_bundle_page(bundle, tmp_path / "report.html", data)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'class="warning"' in page
    assert "These are not the data that the bundle was trained on" in page


def test_facts_are_those_of_the_training(bundle):
    facts = read_bundle_facts(bundle)
    assert facts["settings"]["filters"] == [4, 8]
    assert facts["settings"]["epochs"] == 4
    assert [row["epoch"] for row in facts["history"]] == [1, 2, 3, 4]
    assert facts["threshold"] == 0.5
    assert facts["versions"]["monai"]
    assert "an unused guard band" in facts["split"]
    assert "scale" in facts["plan"]
    assert [row["image"] for row in facts["rows"]] == ["train_00", "train_01", "train_02"]


def test_an_older_bundle_lacks_scores_and_plan(bundle, tmp_path):
    (bundle / "docs" / "scores.csv").unlink()
    (bundle / "configs" / "plan.yaml").unlink()
    write_bundle_page(bundle, tmp_path / "report.html")
    assert 'id="scores"' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_empty_field_of_the_history_is_left_out(bundle):
    path = bundle / "docs" / "history.csv"
    path.write_text("epoch,val_iou,val_loss\n1,,0.5\n", encoding="utf-8")
    (row,) = read_bundle_facts(bundle)["history"]
    assert row["val_iou"] != row["val_iou"]
    assert (row["epoch"], row["val_loss"]) == (1, 0.5)


class TestErrors:
    @pytest.mark.parametrize("name", ["settings.yaml", "metadata.json"])
    def test_folder_without_a_trained_bundle(self, bundle, tmp_path, name):
        (bundle / "configs" / name).unlink()
        with pytest.raises(BundleError, match=r"a bundle must have configs/|trained by an earlier version|settings\.yaml"):
            write_bundle_page(bundle, tmp_path / "report.html")
        assert not (tmp_path / "report.html").exists()

    @pytest.mark.parametrize(
        ("text", "words"), [("{", "must be JSON"), ("[]", "must be a JSON object"), ("{}", "must describe a training")]
    )
    def test_metadata_without_a_training(self, bundle, tmp_path, text, words):
        (bundle / "configs" / "metadata.json").write_text(text)
        with pytest.raises(BundleError, match=words):
            write_bundle_page(bundle, tmp_path / "report.html")

    def test_unreadable_image_leaves_no_file(self, bundle, trained, tmp_path):
        data = shutil.copytree(trained[0], tmp_path / "data")
        (data / "test/images/test_01.tif").write_bytes(b"no image")
        with pytest.raises(DataError, match=r"test_01\.tif"):
            write_bundle_page(bundle, tmp_path / "report.html", data)
        assert not list(tmp_path.glob("*.html"))

    def test_outputs(self, tmp_path):
        (tmp_path / "there.html").write_text("earlier")
        (tmp_path / "folder.html").mkdir()
        for name, words in (
            ("there.html", "already exists"),
            ("folder.html", "expected a file name"),
            ("page.pdf", "must be a file ending in .html"),
            ("nowhere/page.html", "expected a file name in an existing folder"),
        ):
            with pytest.raises(SettingError, match=words):
                check_output(tmp_path / name, False)
        check_output(tmp_path / "there.html", True)
        check_output(tmp_path / "new.html", False)


def test_a_test_image_that_was_trained_on_gives_a_warning(bundle, trained, tmp_path):
    data = shutil.copytree(trained[0], tmp_path / "other")
    for kind in ("images", "labels", "borders"):
        shutil.copyfile(data / "train" / kind / "train_01.tif", data / "test" / kind / "copied.tif")
    write_bundle_page(bundle, tmp_path / "report.html", data)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The network was trained on these test images, their scores are too good: copied." in page


def test_a_test_image_that_the_start_was_trained_on_gives_a_warning(bundle, trained, tmp_path):
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["training"]["trained_on"][hash_file(trained[0] / "test" / "images" / "test_01.tif")] = [None]
    path.write_text(json.dumps(metadata))
    write_bundle_page(bundle, tmp_path / "report.html", trained[0])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The network was trained on these test images, their scores are too good: test_01." in page


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("docs/history.csv", lambda text: text[: text.index("\n") + 4]),
        ("docs/scores.csv", lambda text: text.replace("tp", "pt")),
        ("docs/scores.csv", lambda text: text.replace(",", ",x")),
        ("configs/metadata.json", lambda text: text.replace("required_packages_version", "versions")),
        ("configs/metadata.json", lambda text: text.replace('"data_sha256"', '"digest"')),
        ("configs/metadata.json", lambda text: text.replace('"region"', '"nowhere"')),
    ],
)
def test_damaged_bundle_is_rejected_in_one_line(bundle, tmp_path, name, change):
    path = bundle / name
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    with pytest.raises(
        BundleError, match=r"metadata and tables must be as training left them, got .*restore them"
    ) as refused:
        write_bundle_page(bundle, tmp_path / "report.html")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "report.html").exists()


def test_an_ensemble_is_rejected(bundle, tmp_path):
    join_bundles([bundle, bundle], tmp_path / "both", {"data": "cells"}, "")
    with pytest.raises(BundleError, match="a page must be of one training, this bundle joins 2; name the bundle of a fold"):
        write_bundle_page(tmp_path / "both", tmp_path / "report.html")
