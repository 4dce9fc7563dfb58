"""What differs from how a training was started."""

import logging
from pathlib import Path

import pytest

from livecell_monai.errors import DataError
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training.changes import (
    check_data,
    describe_machine,
    warn_of_other_machine,
)

RUN = Path("model")


class TestData:
    STARTED = {"image/a.tif": "1", "image/b.tif": "2", "label/a.tif": "3"}  # noqa: RUF012
    PATHS = {"image/a.tif": Path("cells/a.tif"), "image/c.tif": Path("cells/c.tif")}  # noqa: RUF012

    def test_the_same(self):
        assert check_data(RUN, self.STARTED, dict(self.STARTED), self.PATHS, force=False) == []

    def test_the_first_that_differs_is_named_unless_it_is_forced(self):
        now = {"image/a.tif": "9", "image/c.tif": "4", "label/a.tif": "3"}
        with pytest.raises(DataError, match=r"a.tif has changed since it was started \(and 2 more\).*--force"):
            check_data(RUN, self.STARTED, now, self.PATHS, force=False)
        expected = [f"{Path('cells/a.tif')} has changed", "image/b.tif is gone", f"{Path('cells/c.tif')} is new"]
        assert check_data(RUN, self.STARTED, now, self.PATHS, force=True) == expected


class TestMachine:
    def test_says_what_bits_hang_on(self):
        found = describe_machine(Accelerator("cpu-fp32"))
        assert (found["workers"], found["bf16"], found["device"], found["processes"]) == (0, False, "cpu", 1)
        assert found["threads"] >= 1
        assert found["version of torch"]

    def test_the_same_one_is_no_news(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        warn_of_other_machine(RUN, dict(found), found)
        assert caplog.messages == []

    def test_another_is_one_line(self, caplog):
        found = describe_machine(Accelerator("cpu"))
        with caplog.at_level(logging.WARNING):
            warn_of_other_machine(RUN, {**found, "threads": 99, "version of torch": "1.0"}, found)
        (line,) = caplog.messages
        assert f"threads 99 -> {found['threads']}" in line
        assert "version of torch 1.0 ->" in line
        assert "not be bit-equal" in line
