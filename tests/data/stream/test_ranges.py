from dataclasses import astuple

import pytest

from livecell_monai.data.stream import ranges
from livecell_monai.data.stream.ranges import DOMAINS, POPULATIONS

TABLES = [
    ranges.CROWD,
    ranges.BODY,
    ranges.DIRT,
    ranges.OBSTACLE,
    ranges.OPTICS,
    ranges.FLUORESCENCE,
    ranges.CAMERA,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_every_range_goes_up(table: object) -> None:
    pairs = [value for value in astuple(table) if isinstance(value, tuple) and len(value) == 2]  # type: ignore[call-overload]
    assert pairs
    assert all(low < high for low, high in pairs)


def test_shares_add_up_and_populations_exist() -> None:
    assert sum(domain.share for domain in DOMAINS.values()) == pytest.approx(1)
    for domain in DOMAINS.values():
        assert sum(domain.populations.values()) == pytest.approx(1)
        assert set(domain.populations) <= set(POPULATIONS)
