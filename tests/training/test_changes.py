"""What differs from how a training was begun."""

import logging
from pathlib import Path

import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training.changes import (
    check_data_unchanged,
    check_same_settings,
    describe_machine,
    list_changes,
    tell_other_machine,
)

RUN = Path("model")


class TestData:
    BEGUN = {"image/a.tif": "1", "image/b.tif": "2", "label/a.tif": "3"}  # noqa: RUF012
    PATHS = {"image/a.tif": Path("cells/a.tif"), "image/c.tif": Path("cells/c.tif")}  # noqa: RUF012

    def test_the_same(self):
        assert list_changes(self.BEGUN, dict(self.BEGUN), self.PATHS) == []
        check_data_unchanged(RUN, [], force=False)

    def test_each_file_with_what_has_become_of_it(self):
        now = {"image/a.tif": "9", "image/c.tif": "4", "label/a.tif": "3"}
        expected = [f"{Path('cells/a.tif')} has changed", "image/b.tif is gone", f"{Path('cells/c.tif')} is new"]
        assert list_changes(self.BEGUN, now, self.PATHS) == expected

    def test_the_first_is_named_unless_it_is_to_be_forced(self):
        with pytest.raises(DataError, match=r"a.tif has changed since \(and 1 more\).*--force"):
            check_data_unchanged(RUN, ["a.tif has changed", "b.tif is gone"], force=False)
        check_data_unchanged(RUN, ["a.tif has changed"], force=True)


class TestSettings:
    def test_the_same_as_json_has_them(self):
        check_same_settings(RUN, {"zoom": [0.7, 1.4], "lr": 1}, {"lr": 1, "zoom": (0.7, 1.4)})

    @pytest.mark.parametrize("now", [{"lr": 0.2, "seed": 1}, {"seed": 1}, {"lr": 0.1, "seed": 1, "lr_new": 3}])
    def test_the_first_that_differs_is_named(self, now):
        with pytest.raises(SettingError, match="must go on with the same lr"):
            check_same_settings(RUN, {"lr": 0.1, "seed": 1}, now)


class TestMachine:
    def test_says_what_bits_hang_on(self):
        found = describe_machine(Accelerator("cpu-fp32"))
        assert (found["workers"], found["bf16"], found["device"], found["processes"]) == (0, False, "cpu", 1)
        assert found["threads"] >= 1
        assert found["version of torch"]

    def test_the_same_one_is_no_news(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        tell_other_machine(RUN, dict(found), found)
        assert caplog.messages == []

    def test_another_is_one_line(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        with caplog.at_level(logging.WARNING):
            tell_other_machine(RUN, {**found, "threads": 99, "version of torch": "1.0"}, found)
        (line,) = caplog.messages
        assert f"threads 99 -> {found['threads']}" in line
        assert "version of torch 1.0 ->" in line
        assert "not be bit-equal" in line
