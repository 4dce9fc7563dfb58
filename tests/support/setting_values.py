"""Values that settings take and refuse, for the tests of the schema."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.settings import check_setting

INSIDE_0_1 = ([0.01, 0.5], [0, 1, -0.5, True])
AT_LEAST_0 = ([0, 0.0, 0.3], [-0.1])
AT_LEAST_1 = ([1, 1.4], [0, 0.9])
ABOVE_0 = ([0.001, 64], [0, -1])
COUNT = ([1, 8], [0, -1, 2.5, True])
PROBABILITY = ([0, 0.5, 1], [-0.1, 1.1])
FLAG = ([True, False], [1, 0, "yes", "true"])
TEXT = (["cells", "a=b"], ["", 3, True, "$1/0", " $1/0", "@lr", "%x.yaml::y", ["a"]])
SHAPE = ([[16, 48], [32768, 1]], [[16], [16, 0], [16.0, 16], [16, 16, 16], 16, [-16, 16], [16, 32769], [True, 16]])
NEVER = [[None], math.nan, {"a": 1}]
Values = Mapping[str, tuple[list[Any], list[Any]]]  # those that are taken, and those that are refused


def pair_taken(values: Values) -> list[tuple[str, Any]]:
    """Each value that is taken, with the name of its setting."""
    return [(name, value) for name, (taken, _) in values.items() for value in taken]


def pair_refused(values: Values) -> list[tuple[str, Any]]:
    """Each value that is refused, with the name of its setting."""
    return [(name, value) for name, (_, refused) in values.items() for value in [*refused, *NEVER]]


def check_taken(name: str, value: Any) -> None:
    """The value is taken as it is."""
    assert check_setting(name, value) == value


def check_refused(name: str, value: Any) -> None:
    """The value is refused by its own rule."""
    with pytest.raises(SettingError, match=rf"^setting {name} must be .+, got {re.escape(repr(value))}; correct it$"):
        check_setting(name, value)
