"""The numbers and times in the names of frames: `t010`, `00d12h30m`, `90min`, `2024-01-31_12-30-00`."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median_low

from livecell_monai.data.units import JITTER

_GAP = r"[ _-]?"
#: a date with its time of day; seconds may be left out where letters name the parts, `2024y01m31d_12h30m`
_DATE = (
    r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_.]?(?P<month>\d\d)[-_.]?(?P<day>\d\d)[T _-]{0,2}"
    r"(?P<hour>\d\d)[-_.:]?(?P<minute>\d\d)[-_.:]?(?P<second>\d\d)(?!\d)"
    r"|(?<!\d)(?P<year_>\d{4})y(?P<month_>\d\d)m(?P<day_>\d\d)d[ _-]{0,2}(?P<hour_>\d\d)h(?P<minute_>\d\d)m(?![a-z])"
)
#: a time since the start; one unit alone must be hours or minutes
_DURATION = (
    rf"(?:(?P<d>\d+)d{_GAP})?(?P<h>\d+)h{_GAP}(?P<m>\d+)m(?:in)?(?:{_GAP}(?P<s>\d+)s)?(?![a-z])"
    rf"|(?P<d_>\d+)d{_GAP}(?P<h_>\d+)h(?![a-z])"
    rf"|day{_GAP}(?P<d__>\d+){_GAP}(?:hour|h){_GAP}(?P<h__>\d+)(?:{_GAP}m(?:in)?{_GAP}(?P<m_>\d+))?(?!\d)"
    r"|(?P<h___>\d+(?:\.\d|\.00|\.25|\.50|\.75)?)(?:h|hrs?|hours?)(?![a-z])"
    r"|(?P<m__>\d+)(?:mins?|minutes?)(?![a-z])"
)
_PART = re.compile(rf"{_DATE}|{_DURATION}|(?P<number>\d+)", re.IGNORECASE)
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}  # in seconds
_FINEST = 4  # steps of a gap may be the shortest step between two times divided by up to this


@dataclass(frozen=True)
class NamePart:
    """A number in a name, or a time in seconds."""

    value: int
    kind: str = "number"  #: `number`, `duration` or `date`

    def __str__(self) -> str:
        if self.kind == "date":
            return datetime.fromtimestamp(self.value, UTC).strftime("%Y-%m-%d %H:%M:%S")
        if self.kind == "number":
            return str(self.value)
        hours, seconds = divmod(self.value, 3_600)
        end = f"{seconds % 60:02d}s" if seconds % 60 else ""
        return f"{hours // 24:02d}d{hours % 24:02d}h{seconds // 60:02d}m{end}"


def split_name(stem: str) -> tuple[list[str], list[NamePart]]:
    """The texts around the numbers and times of a name, ignoring case, and the numbers and times."""
    texts, parts, end = [], [], 0
    for match in _PART.finditer(stem):
        for text, part in _read(match):
            texts.append(stem[end : match.start()].casefold() + text)
            parts.append(part)
            end = match.end()
    return [*texts, stem[end:].casefold()], parts


def count_steps(values: Sequence[int], kind: str) -> list[int] | None:
    """How many steps of a movie lie between each two neighbours of ascending values, 1 without a gap.

    The step of numbers is their common divisor. Times of a microscope are not exact; None if they have no constant step.
    """
    differences = [following - value for value, following in pairwise(values)]
    divisor = math.gcd(*differences)
    if kind == "number":
        return [difference // divisor for difference in differences]
    for step in (median_low(differences), min(differences), divisor):
        counts = [max(1, round(difference / step)) for difference in differences]
        is_even = all(abs(d - count * step) <= JITTER * step for d, count in zip(differences, counts, strict=True))
        if is_even and step * _FINEST >= min(differences):
            return counts
    return None


def _read(match: re.Match[str]) -> list[tuple[str, NamePart]]:
    """The part of a match; of a date that does not exist, its numbers with the text before each."""
    found = {name.rstrip("_"): text for name, text in match.groupdict().items() if text is not None}
    if "number" in found:
        return [("", NamePart(int(found["number"])))]
    if "year" not in found:
        return [("", NamePart(round(sum(float(text) * _UNITS[name] for name, text in found.items())), "duration"))]
    fields = [*found.values(), "00"][:6]  # seconds may be left out
    try:
        date = datetime.strptime(" ".join(fields), "%Y %m %d %H %M %S").replace(tzinfo=UTC)
    except ValueError:
        pieces = re.split(r"(\d+)", match[0])
        return [(text.casefold(), NamePart(int(number))) for text, number in zip(pieces[::2], pieces[1::2], strict=False)]
    return [("", NamePart(int(date.timestamp()), "date"))]
