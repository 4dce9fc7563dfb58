"""The template of the installed package, and its overlays."""

import pytest

from livecell_monai.bundle import template
from livecell_monai.bundle.template import find_overlay, find_template, read_overlay
from livecell_monai.errors import BundleError, SettingError

CONFIGS = find_template() / "configs"
TRAINING = ["inference", "train"]


class TestFindTemplate:
    def test_is_a_bundle(self):
        assert {"inference.yaml", "train.yaml", "evaluate.yaml", "metadata.json"} <= {p.name for p in CONFIGS.iterdir()}

    @pytest.mark.parametrize("place", ["livecell_monai/_bundle", "bundle"], ids=["installed", "checkout"])
    def test_of_an_installed_package_and_of_a_checkout(self, tmp_path, monkeypatch, place):
        (tmp_path / place / "configs").mkdir(parents=True)
        (tmp_path / place / "configs" / "inference.yaml").touch()
        monkeypatch.setattr(template, "__file__", str(tmp_path / "livecell_monai" / "bundle" / "template.py"))
        assert find_template() == tmp_path / place

    def test_reports_a_missing_template(self, tmp_path, monkeypatch):
        monkeypatch.setattr(template, "__file__", str(tmp_path / "livecell_monai" / "bundle" / "template.py"))
        with pytest.raises(BundleError, match="must contain its bundle, found none; install livecell-monai again"):
            find_template()


class TestFindOverlay:
    @pytest.mark.parametrize("name", ["mine", "mine.yaml", "./mine.yaml"])
    def test_from_the_working_folder(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text("lr: 0.25\n")
        assert find_overlay(name) == tmp_path / "mine.yaml"

    def test_that_of_the_template_goes_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "smoke.yaml").write_text("lr: 0.25\n")
        assert find_overlay("smoke") == CONFIGS / "smoke.yaml"

    def test_reports_a_missing_overlay_with_the_existing_ones(self, tmp_path):
        words = (
            r"mine.yaml: an overlay must be a YAML file, found none; the template has evaluate, foreign, inference, multi"
        )
        with pytest.raises(SettingError, match=words):
            find_overlay(str(tmp_path / "mine"))


class TestReadOverlay:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("epoch: 3", "mine.yaml: setting epoch does not exist, did you mean epochs"),
            ("lr: fast", "mine.yaml: setting lr must be a number above 0, got 'fast'; correct it"),
            ("network_def: {_target_: torch.nn.Identity}", "mine.yaml: setting network_def does not exist"),
            ("surface_tolerance: 1.0", "mine.yaml: setting surface_tolerance must be left out here, it belongs to evaluate"),
            ("- lr", "mine.yaml: an overlay must be a mapping of settings"),
        ],
    )
    def test_rejects_values_that_training_cannot_record(self, tmp_path, text, words):
        (tmp_path / "mine.yaml").write_text(text + "\n")
        with pytest.raises(SettingError, match=words):
            read_overlay(tmp_path / "mine.yaml", TRAINING)

    @pytest.mark.parametrize("name", ["original", "smoke"])
    def test_those_of_the_template(self, name):
        assert read_overlay(CONFIGS / f"{name}.yaml", TRAINING)
