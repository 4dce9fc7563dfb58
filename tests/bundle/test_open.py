"""Bundles opened with overlays and settings, and what is refused."""

import re
import shutil
from pathlib import Path

import pytest

from livecell_monai.bundle import open as opening
from livecell_monai.bundle.open import find_template, open_bundle, parse_setting, read_settings
from livecell_monai.errors import BundleError, SettingError

CONFIGS = find_template() / "configs"


class TestFindTemplate:
    def test_is_a_bundle(self):
        assert {"inference.yaml", "train.yaml", "evaluate.yaml", "metadata.json"} <= {p.name for p in CONFIGS.iterdir()}

    @pytest.mark.parametrize("place", ["livecell_monai/_bundle", "bundle"], ids=["installed", "checkout"])
    def test_of_an_installed_package_and_of_a_checkout(self, tmp_path, monkeypatch, place):
        (tmp_path / place / "configs").mkdir(parents=True)
        (tmp_path / place / "configs" / "inference.yaml").touch()
        monkeypatch.setattr(opening, "__file__", str(tmp_path / "livecell_monai" / "bundle" / "open.py"))
        assert find_template() == tmp_path / place

    def test_says_so_where_there_is_none(self, tmp_path, monkeypatch):
        monkeypatch.setattr(opening, "__file__", str(tmp_path / "livecell_monai" / "bundle" / "open.py"))
        with pytest.raises(BundleError, match="must come with its bundle, found none; install livecell-monai again"):
            find_template()


class TestParseSetting:
    @pytest.mark.parametrize(
        ("text", "name", "value"),
        [
            ("lr=0.01", "lr", 0.01),
            ("lr=1e-3", "lr", 0.001),
            ("lr=5.0e-04", "lr", 0.0005),
            ("epochs=7", "epochs", 7),
            ("track=false", "track", False),
            ("track=true", "track", True),
            ("filters=[4, 8]", "filters", [4, 8]),
            ("scale=[64,64]", "scale", [64, 64]),
            ("run_name=a=b", "run_name", "a=b"),
            (" split = region", "split", "region"),
            ("pos_weight=", "pos_weight", None),
        ],
    )
    def test_values_are_yaml(self, text, name, value):
        parsed = parse_setting(text)
        assert parsed == (name, value)
        assert type(parsed[1]) is type(value)

    @pytest.mark.parametrize("text", ["lr", "", "=3", "  =3"])
    def test_refuses_what_has_no_name_or_value(self, text):
        with pytest.raises(SettingError, match=f"--set must be given as key=value, got {re.escape(repr(text))}"):
            parse_setting(text)

    @pytest.mark.parametrize("text", ["filters=[4, 8", "filters={", "lr=a: b: c"])
    def test_refuses_what_is_no_yaml(self, text):
        with pytest.raises(SettingError, match="must have a value in YAML, got") as refusal:
            parse_setting(text)
        assert "\n" not in str(refusal.value)


class TestReadSettings:
    def test_are_the_plain_values_of_all_files(self):
        settings = read_settings([CONFIGS / "inference.yaml", CONFIGS / "train.yaml"])
        assert isinstance(settings["filters"], list)
        assert isinstance(settings["lr"], float)
        assert {"bundle_root", "dataset_dir", "output_dir", "checkpoint", "network_def", "val_interval"}.isdisjoint(settings)

    def test_later_files_are_over_earlier_ones(self):
        files = [CONFIGS / f"{name}.yaml" for name in ("inference", "train", "original")]
        assert read_settings(files[:2])["scale"] != read_settings(files)["scale"] == [256, 256]

    def test_refuses_what_is_no_yaml(self, tmp_path):
        (tmp_path / "inference.yaml").write_text("a: [1, 2")
        with pytest.raises(
            BundleError, match=r"inference.yaml: a config must be a mapping in YAML, got: .*; mend it"
        ) as refusal:
            read_settings([tmp_path / "inference.yaml"])
        assert "\n" not in str(refusal.value)


class TestOpenBundle:
    def open(self, configs=("inference", "train"), **settings):
        return open_bundle(find_template(), configs, settings, workflow_type="train").parser

    def test_settings_take_the_place_of_the_files(self):
        parser = self.open(lr=0.5, filters=[4, 8], epochs=3)
        assert (parser["lr"], parser["filters"], parser["epochs"]) == (0.5, [4, 8], 3)
        assert parser["batch_size"] == self.open()["batch_size"]

    def test_settings_are_over_overlays(self):
        assert self.open(["inference", "train", "smoke"])["epochs"] == 2
        assert self.open(["inference", "train", "smoke"], epochs=5)["epochs"] == 5

    def test_an_overlay_by_its_path(self, tmp_path):
        (tmp_path / "mine.yaml").write_text("lr: 0.25\n")
        for name in ("mine.yaml", "mine"):
            assert self.open(["inference", "train", str(tmp_path / name)])["lr"] == 0.25

    def test_root_is_absolute_and_paths_are_put_in(self, tmp_path):
        paths = {"dataset_dir": str(tmp_path), "output_dir": "out"}
        parser = open_bundle(find_template(), ["inference"], paths=paths).parser
        assert Path(parser["bundle_root"]) == find_template()
        assert (parser["dataset_dir"], parser["output_dir"]) == (str(tmp_path), "out")

    @pytest.mark.parametrize(
        ("name", "near"), [("learning_rate", "lr_gamma|brightness|rotation|.*"), ("epoch", "epochs"), ("filter", "filters")]
    )
    def test_refuses_an_unknown_setting_with_the_nearest_name(self, name, near):
        with pytest.raises(SettingError, match=rf"--set {name}: .* did you mean ({near})\?$"):
            self.open(**{name: 1})

    @pytest.mark.parametrize("name", ["bundle_root", "network_def", "dataset_dir", "val_interval", "initialize"])
    def test_refuses_what_is_no_setting(self, name):
        with pytest.raises(SettingError, match=f"--set {name}: the setting must be one of the bundle's"):
            self.open(**{name: "x"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("epochs", "three"),
            ("seed", "auto"),
            ("tracking_uri", 3),
            ("epochs", 2.5),
            ("epochs", True),
            ("epochs", None),
            ("track", 1),
            ("track", "yes"),
            ("filters", 8),
            ("overlap", 0.5),
            ("dropout", [0.1]),
            ("lr", "fast"),
            ("lr", False),
            ("loss", 3),
        ],
    )
    def test_refuses_another_kind(self, name, value):
        with pytest.raises(
            SettingError, match=f"--set {name}: .* of the kind of the bundle's own .* got {re.escape(repr(value))}; correct"
        ):
            self.open(**{name: value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("lr", 1),
            ("scale", [64, 64]),
            ("scale", 2),
            ("pos_weight", 3),
            ("lr_step", 2),
            ("lr_step", "auto"),
            ("split", "region"),
        ],
    )
    def test_takes_what_is_alike(self, name, value):
        assert self.open(**{name: value})[name] == value

    def test_refuses_a_folder_that_is_no_bundle(self, tmp_path):
        with pytest.raises(BundleError, match="a bundle must have a folder configs/, found none; name the folder"):
            open_bundle(tmp_path, ["inference"])

    def test_a_missing_config_is_told_with_those_that_there_are(self, tmp_path):
        shutil.copytree(CONFIGS, tmp_path / "configs")
        with pytest.raises(
            BundleError,
            match=r"smok.yaml: a config .* there are: evaluate, inference, multi_gpu_train, original, smoke, sweep, train$",
        ):
            open_bundle(tmp_path, ["inference", "smok"])

    def test_a_missing_overlay_by_path(self, tmp_path):
        with pytest.raises(BundleError, match=r"mine.yaml: a config must be a YAML file, found none; there are: evaluate, "):
            self.open(["inference", "train", str(tmp_path / "mine")])


class TestOverlays:
    def open(self, *overlays):
        return open_bundle(find_template(), ["inference", "train"], overlays=overlays, workflow_type="train").parser

    @pytest.mark.parametrize("name", ["mine", "mine.yaml", "./mine.yaml"])
    def test_from_the_working_folder(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text("lr: 0.25\n")
        assert self.open(name)["lr"] == 0.25

    def test_the_bundles_own_goes_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "smoke.yaml").write_text("lr: 0.25\n")
        assert self.open("smoke")["lr"] != 0.25

    def test_later_ones_go_over_earlier_ones(self, tmp_path):
        for name, rate in (("a", 0.25), ("b", 0.5)):
            (tmp_path / f"{name}.yaml").write_text(f"lr: {rate}\n")
        assert self.open(str(tmp_path / "a"), str(tmp_path / "b"))["lr"] == 0.5

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("epoch: 3", "mine.yaml: epoch: the setting must be one of the bundle's, .* did you mean epochs"),
            ("lr: fast", "mine.yaml: lr: the value must be of the kind of the bundle's own"),
            ("network_def: {_target_: torch.nn.Identity}", "mine.yaml: network_def: the setting must be one of"),
            ("experiment: $1/0", r"mine.yaml: experiment: the value must not begin with \$, @ or %"),
        ],
    )
    def test_what_training_could_not_record_is_refused(self, tmp_path, text, words):
        (tmp_path / "mine.yaml").write_text(text + "\n")
        with pytest.raises(SettingError, match=words):
            self.open(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("value", ["$1/0", "@lr", "%x.yaml::y"])
def test_a_setting_is_no_expression(value):
    with pytest.raises(SettingError, match=r"--set experiment: the value must not begin with \$, @ or %"):
        open_bundle(find_template(), ["inference", "train"], {"experiment": value}, workflow_type="train")
