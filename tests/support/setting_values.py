"""Accepted and rejected values of settings, for the tests of the schema."""

import math
import re
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
TEXT = (["cells", "a=b", "a$", "5 %", "$1/0", "@lr", "%x.yaml::y"], ["", 3, True, ["a"]])
SHAPE = ([[16, 48], [32768, 1]], [[16], [16, 0], [16.0, 16], [16, 16, 16], 16, [-16, 16], [16, 32769], [True, 16]])
NEVER = [[None], math.nan, {"a": 1}]


def check_rule(name: str, accepted: list[Any], rejected: list[Any]) -> None:
    """Accepted values stay as they are; rejected ones, and those of NEVER, are named in the message with their rule."""
    for value in accepted:
        assert check_setting(name, value) == value
    for value in [*rejected, *NEVER]:
        message = rf"^setting {name} must be .+, got {re.escape(repr(value))}; correct it$"
        with pytest.raises(SettingError, match=message):
            check_setting(name, value)
