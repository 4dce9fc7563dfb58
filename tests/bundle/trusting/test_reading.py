"""YAML and JSON within bounds: the values that MONAI's own loader gives; all that is artful is refused at its line."""

import re

import pytest
from monai.bundle import ConfigParser

from livecell_monai.bundle.open import find_template
from livecell_monai.bundle.trusting.reading import MOST_BYTES, read_config, read_metadata, read_plain, show
from livecell_monai.errors import BundleError

CONFIGS = find_template() / "configs"


@pytest.fixture
def written(tmp_path):
    """A config of a text."""

    def write(text):
        path = tmp_path / "inference.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_values_are_those_that_monai_reads(path):
    assert read_plain(path) == ConfigParser.load_config_file(path)


def test_values_of_every_kind_are_those_that_monai_reads(written):
    path = written("a: yes\nb: 1e-05\nc: 0x10\nd: 1:30\ne: ~\nf: 017\ng: 1.0e-5\nh: 2020-01-01\ni: 'x: y'\nj: |\n  text\n")
    assert read_plain(path) == ConfigParser.load_config_file(path)


def test_lines_are_those_of_the_keys(written):
    config = read_config(written("# head\na: 1\nb:\n  - x\n  - c: 2\n    d: 3\n"))
    assert config.parts["a"].line == 2
    assert config.parts["b"].line == 3
    assert config.parts["b"].parts[1].parts["d"].line == 6


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x 2", 2, "an anchor or alias"),
        ("a: 1\n\nb: *x", 3, "an anchor or alias"),
        ("a: !!python/name:os.system x", 1, "a tag"),
        ("a: !!str 1", 1, "a tag"),
        ("a:\n  <<: {b: 1}", 2, "a merge key"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("%YAML 1.1\n---\na: 1", 1, "a directive"),
        (f"a: 1\nb: {'[' * 30}{']' * 30}", 2, "more than 24 levels"),
        ("a: 1\nb: 2\na: 3", 3, "'a' stands twice"),
        ("a: {b: 1, b: 2}", 1, "'b' stands twice"),
        ("1: a", 1, "a key must be a word, got '1'"),
        ("a: 1\n? [x, y]\n: 2", 2, "a key must be a word"),
        ("a: 1\nb: ]\nc: 1", 2, "a config must be a mapping in YAML, got"),
        ("- a", 1, "a config must be a mapping in YAML"),
        ("", 1, "a config must be a mapping in YAML"),
        ("a: 2020-99-99", 1, "a value must be readable, got '2020-99-99'"),
        (f"a: {'9' * 5000}", 1, "a value must be readable, got '9999"),
    ],
)
def test_what_is_artful_is_refused_at_its_line(written, text, line, words):
    path = written(text)
    with pytest.raises(BundleError, match=f"^{re.escape(f'{path}:{line}: ')}.*{re.escape(words)}") as refusal:
        read_config(path)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_size_is_bounded(written):
    assert read_plain(written(f"a: 1\n#{'x' * (MOST_BYTES - 6)}")) == {"a": 1}
    with pytest.raises(BundleError, match="at most 262,144 bytes here, got 262,145"):
        read_plain(written(f"a: 1\n#{'x' * (MOST_BYTES - 5)}"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{", "must be JSON"), (b"[1]", "a JSON object, got list"), (b"[" * 10**5, "must be JSON"), (b"\xff", "in UTF-8")],
)
def test_metadata_that_are_none(tmp_path, content, words):
    (tmp_path / "metadata.json").write_bytes(content)
    with pytest.raises(BundleError, match=words) as refusal:
        read_metadata(tmp_path / "metadata.json")
    assert "\n" not in str(refusal.value)


def test_a_long_value_is_cut():
    assert show("x" * 100) == "'" + "x" * 59 + "..."
    assert show("two\nlines") == r"'two\nlines'"
