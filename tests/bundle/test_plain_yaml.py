"""YAML from users: plain values of a limited size, without aliases."""

import math
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from livecell_monai.bundle.plain_yaml import MAX_CHARACTERS, parse_setting, parse_values, read_values
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.training.setup import resolve_settings

LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
UNPLAIN = {
    "laughs": (LAUGHS, "an anchor or alias in line 1"),
    "alias": ("a: *b", "an anchor or alias in line 1"),
    "tag": ("a: 1\nb: !!python/name:os.system", "a tag in line 2"),
    "deep": ("[" * 20_000, "more than 24 levels in line 1"),
    "deep mappings": ("{a: " * 20_000, "more than 24 levels in line 1"),
    "documents": ("a: 1\n---\nb: 2", "a second document in line 2"),
    "long": ("a: " + "x" * MAX_CHARACTERS, "at most 262144 characters"),
    "date": ("a: 2024-13-45", "cannot be read: month must be in 1..12"),
    "digits": (f"a: {'9' * 5000}", "cannot be read: Exceeds the limit"),
    "control": ("a: \x00", "cannot be read"),
    "open": ("a: [", "cannot be read"),
    "leading zero": ("a: 1\nepochs: 017", "017 with a leading zero in line 2"),
    "octal": ("epochs: -0o17", "-0o17 with a leading zero in line 1"),
    "underscores": ("a: [1, 0_17]", "0_17 with a leading zero in line 1"),
}


@pytest.mark.parametrize(("text", "words"), UNPLAIN.values(), ids=UNPLAIN)
def test_rejects_other_yaml(tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    for read in (lambda: parse_values(text, "it must be YAML"), lambda: read_values(tmp_path / "a.yaml", "an overlay")):
        with pytest.raises(SettingError, match=words) as caught:
            read()
        assert len(str(caught.value)) < 500


def test_rejects_files_that_are_not_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SettingError, match="an overlay must be a YAML file, it cannot be read"):
            read_values(path, "an overlay")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-0", 0), ("0.5", 0.5), ("0e1", 0.0), ("'017'", "017"), ("0x1f", 31), ("00d12h", "00d12h")],
)
def test_reads_unambiguous_zeros(text, value):
    assert parse_values(text, "it") == value


def test_reads_plain_values():
    assert parse_values("[1, 0.5, a, null, {b: true}]", "it") == [1, 0.5, "a", None, {"b": True}]


@pytest.mark.parametrize("name", ["smoke", "original", "sweep"])
def test_our_own_configs_are_plain(name):
    assert isinstance(read_values(find_template() / "configs" / f"{name}.yaml", "it"), dict)


@pytest.mark.parametrize(
    ("text", "words"), [(LAUGHS, "anchor or alias"), ("scale: -.inf", "setting scale must be .*, got -inf")]
)
def test_rejects_such_overlays(folder, tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SettingError, match=words):
        resolve_settings(folder, [str(tmp_path / "a.yaml")])


def outcome_of(text):
    """The value of a text, or the message that rejects it."""
    try:
        return parse_values(text, "it must be YAML"), None
    except SettingError as error:
        return None, str(error)


WORDS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
TREES = st.recursive(
    SCALARS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(WORDS, parts, max_size=4),
    max_leaves=30,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(TREES, st.booleans())
def test_reads_trees_of_plain_values_or_rejects_them_in_one_line(tree, is_flow):
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

        def represent_str(self, data):
            # YAML 1.2 reads 0E0 as a number, YAML 1.1 as a text, which PyYAML therefore does not quote
            is_number = re.fullmatch(r"[-+]?[.\d]+([eE][-+]?\d+)?", data) is not None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if is_number else None)

    Plain.add_representer(str, Plain.represent_str)
    text = yaml.dump(tree, Dumper=Plain, default_flow_style=is_flow, allow_unicode=True)
    found, refusal = outcome_of(text)
    if refusal is not None:
        assert refusal.isprintable()
    else:
        assert found == tree or (isinstance(tree, float) and math.isclose(found, tree))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("ab01:-[]{},&*!|>%@`\"'#?. \n\t\x00\x85\u2028"), max_size=60))
def test_reads_any_text_or_rejects_it_in_one_line(text):
    _, refusal = outcome_of(text)
    assert refusal is None or (refusal.isprintable() and len(refusal) < 500)


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
    def test_rejects_texts_without_name_or_value(self, text):
        with pytest.raises(SettingError, match=f"--set must be given as name=value, got {re.escape(repr(text))}"):
            parse_setting(text)

    @pytest.mark.parametrize("text", ["filters=[4, 8", "filters={", "lr=a: b: c"])
    def test_rejects_values_that_are_not_yaml(self, text):
        with pytest.raises(SettingError, match="must have a value in YAML, got") as refusal:
            parse_setting(text)
        assert "\n" not in str(refusal.value)
