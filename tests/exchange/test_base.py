"""What all formats share."""

import numpy as np
import pytest

from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import LabelledPlane, import_exchange, parse_number, raise_broken
from tests.support.annotated import MIXED


def test_numbers_in_names():
    names = {"12": 12, "0012": 12, "0": None, "": None, "cell 3": None, "-3": None, "99999999999": None, "٣": None}
    assert {name: parse_number(name) for name in names} == names


def test_a_missing_library_names_the_extra():
    with pytest.raises(SettingError, match=r"a\.zip: needs the library nowhere_at_all.*livecell-monai\[exchange\]"):
        import_exchange("nowhere_at_all.inner", "a.zip")


def test_a_broken_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"a: cannot be read as X \(b c\); export it again"):
        raise_broken("a", "X", "b\nc")


def test_outlines_are_traced_once():
    plane = LabelledPlane("a", MIXED)
    assert plane.outlines is plane.outlines
    assert np.unique(plane.outlines.labels).tolist() == [1, 2, 3, 4, 5, 7]
