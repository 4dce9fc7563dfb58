"""Numbers and times in the names of frames."""

import pytest

from livecell_monai.data.readers.frame_names import NamePart, count_steps, split_name


@pytest.mark.parametrize(
    ("stem", "texts", "parts"),
    [
        ("A1_t007", ["a", "_t", ""], [NamePart(1), NamePart(7)]),
        ("B2_01d02h30m", ["b", "_", ""], [NamePart(2), NamePart(95_400, "duration")]),
        ("x_1.5h", ["x_", ""], [NamePart(5_400, "duration")]),
        ("x_1d2h", ["x_", ""], [NamePart(93_600, "duration")]),
        ("Day1_Hour2_x", ["", "_x"], [NamePart(93_600, "duration")]),
        ("3hits", ["", "hits"], [NamePart(3)]),
        ("5m", ["", "m"], [NamePart(5)]),  # may be metres
        ("x_19700101_000100", ["x_", ""], [NamePart(60, "date")]),
        ("x_20241399_120000", ["x_", "_", ""], [NamePart(20_241_399), NamePart(120_000)]),
    ],
)
def test_names_are_split(stem, texts, parts):
    assert split_name(stem) == (texts, parts)


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (NamePart(12), "12"),
        (NamePart(95_400, "duration"), "01d02h30m"),
        (NamePart(30, "duration"), "00d00h00m30s"),
        (NamePart(60, "date"), "1970-01-01 00:01:00"),
    ],
)
def test_parts_are_shown(part, shown):
    assert str(part) == shown


@pytest.mark.parametrize(
    ("values", "kind", "counts"),
    [
        ([0, 10, 30], "number", [1, 2]),
        ([0, 5, 10, 12], "number", [5, 5, 2]),
        ([0, 119, 241, 480], "duration", [1, 1, 2]),
        ([0, 240, 360], "duration", [2, 1]),
        ([0, 60, 137], "duration", None),
    ],
)
def test_steps_are_counted(values, kind, counts):
    assert count_steps(values, kind) == counts
