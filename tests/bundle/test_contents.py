"""Settings and metadata of a trained bundle, read as plain values or rejected in one line."""

import json
import shutil

import pytest

from livecell_monai.bundle.contents import check_links, read_bundle_settings, read_metadata
from livecell_monai.errors import BundleError, LiveCellError
from livecell_monai.settings import list_settings, select


@pytest.fixture
def bundle(trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / "bundle")
    return tmp_path / "bundle"


def change(bundle, before, after):
    path = bundle / "configs" / "settings.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


class TestReadBundleSettings:
    def test_has_every_setting_that_is_recorded(self, bundle):
        found = read_bundle_settings(bundle)
        assert set(found) == set(select(list_settings(), "recorded"))
        assert found["filters"] == [4, 8]

    def test_of_some_configs(self, bundle):
        assert set(read_bundle_settings(bundle, ["inference"])) < set(list_settings(["inference"]))

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            ("threshold: 0.5", "threshold: 2.0", "settings.yaml: setting threshold must be a number above 0 and below 1"),
            ("threshold: 0.5", "threshold: $1/0", "settings.yaml: setting threshold must be"),
            ("norm: batch", "norm: &a batch", "settings.yaml: .* got an anchor or alias in line"),
            ("norm: batch", "initialize: [$1/0]", "settings.yaml: setting initialize does not exist"),
            ("filters: [4, 8]", "filters: [8192, 8192, 9000]", "settings.yaml: setting filters must be"),
            ("norm: batch", f"norm: batch # {'x' * 2**19}", "settings.yaml: .* of at most [0-9]+ characters"),
        ],
    )
    def test_rejects_invalid_settings_in_one_line(self, bundle, before, after, words):
        change(bundle, before, after)
        with pytest.raises(LiveCellError, match=words) as refusal:
            read_bundle_settings(bundle)
        assert "\n" not in str(refusal.value)

    def test_rejects_settings_that_are_not_a_mapping(self, bundle):
        (bundle / "configs" / "settings.yaml").write_text("- lr\n")
        with pytest.raises(BundleError, match=r"settings.yaml: the settings of a bundle must be a mapping"):
            read_bundle_settings(bundle)

    def test_rejects_a_bundle_of_an_earlier_version(self, bundle):
        (bundle / "configs" / "settings.yaml").unlink()
        words = r"found none; bundles of livecell-monai 0.1 and 0.2 cannot be opened, train again"
        with pytest.raises(BundleError, match=words):
            read_bundle_settings(bundle)

    def test_without_metadata(self, bundle):
        (bundle / "configs" / "metadata.json").unlink()
        with pytest.raises(BundleError, match=r"a bundle must have configs/metadata.json, found none"):
            read_bundle_settings(bundle)


@pytest.mark.parametrize("name", ["configs/settings.yaml", "models/model.pt", "docs", "configs"])
def test_rejects_symbolic_links(bundle, name):
    check_links(bundle)
    (bundle / name).rename(bundle.parent / "away")
    (bundle / name).symlink_to(bundle.parent / "away")
    with pytest.raises(BundleError, match=r"a bundle must not contain symbolic links, this one points to .*away"):
        check_links(bundle)


class TestReadMetadata:
    def test_returns_the_content(self, bundle):
        assert read_metadata(bundle)["training"]["seed"] == 0

    @pytest.mark.parametrize("text", ["{", "[]", '{"training": 3}', "[" * 100_000, "\xff"])
    def test_rejects_other_content(self, bundle, text):
        (bundle / "configs" / "metadata.json").write_text(text, encoding="latin-1")
        with pytest.raises(BundleError, match=r"metadata.json: the metadata must be .*; restore the file") as refusal:
            read_metadata(bundle)
        assert "\n" not in str(refusal.value)

    def test_rejects_a_large_file(self, bundle, monkeypatch):
        monkeypatch.setattr("livecell_monai.bundle.contents.MAX_METADATA_BYTES", 10)
        with pytest.raises(BundleError, match=r"the metadata must be JSON, got: more than 10 bytes"):
            read_metadata(bundle)

    def test_nothing_in_it_is_evaluated(self, bundle):
        path = bundle / "configs" / "metadata.json"
        path.write_text(json.dumps({"name": "$1/0", "training": {}}))
        assert read_metadata(bundle)["name"] == "$1/0"


class TestFolderThatIsNoBundle:
    """The message names what is meant."""

    def test_of_folds(self, tmp_path):
        for number in (1, 2):
            (tmp_path / f"fold_{number}" / "configs").mkdir(parents=True)
            (tmp_path / f"fold_{number}" / "configs" / "metadata.json").write_text("{}")
        with pytest.raises(BundleError, match=r"such as \S*fold_1 \(2 bundles are there\)$"):
            read_bundle_settings(tmp_path)
        (tmp_path / "crossval.json").write_text("{}")
        with pytest.raises(BundleError, match=r"fold_1 .*or join its folds by livecell crossval --ensemble$"):
            read_bundle_settings(tmp_path)

    @pytest.mark.parametrize("place", ["train/images/a.tif", "a.tif"])
    def test_of_images(self, tmp_path, place):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"")
        with pytest.raises(BundleError, match="comes first, images or data second"):
            read_bundle_settings(tmp_path)
