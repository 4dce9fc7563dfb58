"""The rule of a field in words, and what MONAI takes as it stands."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from livecell_monai.settings import is_plain
from livecell_monai.settings.fields import Fraction, Group, Rule, Text, describe_rule, setting


class Example(Group):
    flag: bool = setting(True, "a flag")
    count: int = setting(1, "a count", ge=1, le=2000)
    part: Fraction = setting(0.5, "a part")
    kind: Literal["a", "b"] | bool | None = setting("a", "a kind")
    shape: Annotated[list[int], Field(min_length=2), Rule("[Y, X]")] | Literal["auto"] = setting("auto", "a shape")
    name: Text = setting("a", "a name")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flag", "true or false"),
        ("count", "a whole number of at least 1 and at most 2,000"),
        ("part", "a number of at least 0 and at most 1"),
        ("kind", "a, b, true, false or null"),
        ("shape", "[Y, X] or auto"),
        ("name", "a text that does not begin with $, @ or %"),
    ],
)
def test_describe_rule(name, words):
    assert describe_rule(Example.model_fields[name]) == words


def test_default_flags():
    flags = Example.model_fields["count"].json_schema_extra
    assert flags == {"unit": "", "recorded": True, "changes_mask": False, "local": False}


@pytest.mark.parametrize("value", ["a", 1, None, True, ["a", [1]], {"a": {"b": 1}}, "a$", "5 %"])
def test_plain(value):
    assert is_plain(value)


@pytest.mark.parametrize("value", ["$1/0", " $1/0", "@lr", "%x", ["a", ["$1/0"]], {"a": {"b": "@lr"}}, {"$x": 1}])
def test_not_plain(value):
    assert not is_plain(value)
