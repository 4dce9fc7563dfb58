"""The rule of a field as text, and its flags."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

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
        ("name", "a text of 1 to 4,096 characters"),
    ],
)
def test_describe_rule(name, words):
    assert describe_rule(Example.model_fields[name]) == words


def test_default_flags():
    flags = Example.model_fields["count"].json_schema_extra
    assert flags == {"unit": "", "recorded": True, "changes_mask": False, "local": False}
