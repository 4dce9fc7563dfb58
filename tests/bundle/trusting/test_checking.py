"""A bundle that differs in settings alone is opened; whatever else differs is refused at its line."""

import json
import shutil

import pytest

from livecell_monai.bundle.open import find_template, open_bundle
from livecell_monai.bundle.trusting import check_foreign, check_links
from livecell_monai.errors import BundleError
from tests.support.small_training import QUIET

DOORS = (["inference"], ["inference", "evaluate"], ["inference", "train"])


@pytest.fixture
def bundle(trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / "model")
    return tmp_path / "model"


def change(bundle, old, new, name="inference"):
    path = bundle / "configs" / f"{name}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + len(new) - len(new.lstrip("\n")) + 1


class TestOpened:
    @pytest.mark.parametrize("configs", DOORS, ids=" ".join)
    def test_what_training_leaves(self, bundle, configs):
        assert open_bundle(bundle, configs, QUIET).parser["filters"] == [4, 8]

    def test_with_comments_order_and_writing_of_its_own(self, bundle):
        path = bundle / "configs" / "inference.yaml"
        change(bundle, "\nrun: ", "\n# mine\nrun:   ")
        change(bundle, "threshold: 0.5", "threshold: 0.25")
        change(bundle, "\n  spec: ", "\n  spec:    ")
        text = path.read_text()
        start, end = text.index("\nload:"), text.index("\nfold:")
        path.write_text(text[:start] + text[end:] + text[start:end] + "\n")
        assert open_bundle(bundle, ["inference"]).parser["threshold"] == 0.25

    def test_of_an_earlier_version(self, bundle):
        """The entry of 0.1.0, and a setting of its own kind in place of today's."""
        change(bundle, '\nrun: "$@mosaics.run(@evaluator)"', '\nrun: "$@evaluator.run()"')
        change(bundle, "overlap: 32", "overlap: 0.25")
        open_bundle(bundle, ["inference"])

    def test_a_number_that_an_earlier_version_wrote_as_a_word(self, bundle):
        change(bundle, "\nweight_decay: ", "\nweight_decay: 1e-05  # ", "train")
        open_bundle(bundle, ["inference", "train"])

    def test_trusted_it_may_say_what_it_likes(self, bundle):
        change(bundle, "\nload:", "\nmine: $1 + 1\nload:")
        with pytest.raises(BundleError):
            open_bundle(bundle, ["inference"])
        assert open_bundle(bundle, ["inference"], trust=True).parser.get_parsed_content("mine") == 2


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "old", "new", "words"),
        [
            (
                "inference",
                "_target_: livecell_monai.bundle.weights.load_weights",
                "_target_: torch.load",
                "got _target_: 'torch.load'",
            ),
            ("inference", '  network: "@network"', '  network: "@load"', "got network: '@load'"),
            ("inference", "batch_size: 1", "batch_size: true", "got batch_size: True"),
            ("inference", "batch_size: 1", "batch_size: 1\n  collate_fn: $print", "got collate_fn: '$print'"),
            ("inference", "normalise: true", "normalise: $1", "the setting normalise must be a plain value, got '$1'"),
            ("inference", "normalise: true", "normalise: 1", "the setting normalise must be a truth value, got 1"),
            ("inference", "filters: [4, 8]", "filters: [4, '@x']", "the setting filters must be a plain value, got '@x'"),
            ("inference", "filters: [4, 8]", "filters: {a: 1}", "the setting filters must be a plain value"),
            ("inference", "threshold: 0.5", "threshold: .nan", "the setting threshold must be a finite number, got nan"),
            ("inference", "threshold: 0.5", "threshold: a", "the setting threshold must be a number, got 'a'"),
            ("inference", "filters: [4, 8]", "filters: [4, 9999]", "must be at most 12 whole numbers of at most 8,192"),
            ("evaluate", "\n+evaluator:", "\n+writer:", "an entry must be one that livecell writes, got '+writer'"),
            (
                "evaluate",
                "\nevaluating:",
                "\nthreshold: $1\nevaluating:",
                "an entry must be one that livecell writes, got 'threshold'",
            ),
            ("train", "\nplan:", "\nplan: /etc/passwd", "got plan: '/etc/passwd'"),
            ("train", "seed: 0", "seed: $1", "the setting seed must be a plain value, got '$1'"),
        ],
    )
    def test_at_its_line(self, bundle, name, old, new, words):
        line = change(bundle, old, new, name)
        path = bundle / "configs" / f"{name}.yaml"
        added = new.count("\n") if new.startswith("batch_size: 1\n") else 0
        configs = ["inference"] if name == "inference" else ["inference", name]
        with pytest.raises(BundleError) as refusal:
            open_bundle(bundle, configs)
        assert str(refusal.value).startswith(f"{path}:{line + added}: ")
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ('  - "@ready"', "", "no item 4 of initialize in initialize"),
            ("\nthreshold: 0.5", "\n", "threshold is missing; restore it"),
            ('\ninferring: "%run"', "\n", "inferring is missing; restore it"),
        ],
    )
    def test_where_something_is_missing(self, bundle, old, new, words):
        change(bundle, old, new)
        with pytest.raises(BundleError, match=words):
            open_bundle(bundle, ["inference"])

    def test_a_config_that_livecell_does_not_have(self, bundle):
        (bundle / "configs" / "mine.yaml").write_text("threshold: 0.5\n")
        with pytest.raises(BundleError, match=r"mine.yaml: livecell has no config of this name; add --trust only"):
            check_foreign(bundle, [bundle / "configs" / "mine.yaml"], find_template())

    @pytest.mark.parametrize("value", ["$1", {"_target_": "os.system"}, ["%x.yaml::y"]])
    def test_metadata_that_monai_would_run(self, bundle, value):
        path = bundle / "configs" / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"authors": value}))
        with pytest.raises(BundleError, match=r"metadata.json: metadata must be plain words and numbers, got"):
            open_bundle(bundle, ["inference"])

    @pytest.mark.parametrize("trust", [False, True])
    def test_no_metadata(self, bundle, trust):
        (bundle / "configs" / "metadata.json").unlink()
        with pytest.raises(BundleError, match=r"must have configs/metadata.json, found none"):
            open_bundle(bundle, ["inference"], trust=trust)


@pytest.mark.parametrize("name", ["configs/inference.yaml", "docs/scores.csv", "models/last.pt", "docs", "models/more/deep"])
def test_links(bundle, name):
    check_links(bundle)
    path, away = bundle / name, bundle.parent / "away"
    path.rename(away) if path.exists() else (path.parent.mkdir(), away.touch())
    path.symlink_to(away)
    with pytest.raises(BundleError, match=f"{name}: a bundle must hold its files itself, this is a symbolic link"):
        check_links(bundle)
    with pytest.raises(BundleError, match="symbolic link"):
        open_bundle(bundle, ["inference"], trust=True)


def test_a_bundle_behind_a_link_is_opened(bundle, tmp_path):
    (tmp_path / "short").symlink_to(bundle)
    open_bundle(tmp_path / "short", ["inference"])
