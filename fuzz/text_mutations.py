"""YAML and JSON changed in words, lines and values."""

import re
from random import Random

_NUMBERS = ("0", "-1", "1", "2", "3", "0.5", "1e400", "-.inf", ".inf", ".nan", "NaN", "Infinity", "9007199254740993")
_NUMBERS_TOO = ("-9223372036854775809", "1_000", "0x1F", "0o17", "017", "1:30:45", "9" * 5000, "65536", "2147483648", "-36")
_WORDS = (
    "null",
    "~",
    "true",
    "no",
    "2024-02-31",
    "2024-13-45T99:99:99",
    "=",
    "<<",
    '""',
    "[]",
    "{}",
    "[[]]",
    "[1,2]",
    "[-1]",
)
_TAGS = ("{a:1}", "!!binary", "!!set", "!!timestamp", "!!str", "!!omap", "*a", "&a", "!unknown", "!!python/name:os.system")
_MARKS = ("?", "-", "|", ">", "%", "@", "`", "'", '"', "#", ",", ":", "---", "...", "%YAML", "\\x00")
VALUES = (*_NUMBERS, *_NUMBERS_TOO, *_WORDS, *_TAGS, *_MARKS)
_BYTES = (
    b"\0",
    b"\x1b[31m",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"\t",
    b"\r",
)
_DEEP = 20_000  # levels, where Python itself stops at 1,000
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]\w*")


def break_text(text: bytes, random: Random) -> tuple[bytes, str]:
    """A text of which one thing is changed."""
    kind = random.choice(
        (
            "number",
            "number",
            "number",
            "word",
            "value",
            "value",
            "line",
            "line",
            "bytes",
            "deep",
            "long",
            "bomb",
            "cut",
            "indent",
        )
    )
    lines = text.split(b"\n")
    at = random.randrange(len(lines))
    match kind:
        case "number":
            value = random.choice((*_NUMBERS, *_NUMBERS_TOO)).encode()
            return _replace(text, _NUMBER, value, random)
        case "word":
            return _replace(text, _WORD, random.choice((b"x", b"", b"null", b"\\u001b", b"type", b"name")), random)
        case "value":
            value = random.choice(VALUES).encode()
            head, colon, _ = lines[at].partition(b":")
            lines[at] = head + colon + b" " + value if colon else value
            return b"\n".join(lines), f"line {at + 1} has the value {value.decode()}"
        case "line":
            other = random.randrange(len(lines))
            what = random.choice(("missing", "twice", "swapped"))
            if what == "missing":
                del lines[at]
            elif what == "twice":
                lines.insert(other, lines[at])
            else:
                lines[at], lines[other] = lines[other], lines[at]
            return b"\n".join(lines), f"line {at + 1} {what}"
        case "bytes":
            place, strange = random.randrange(len(text) + 1), random.choice(_BYTES)
            return text[:place] + strange + text[place:], f"{strange!r} at {place}"
        case "deep":
            opening = random.choice((b"[", b"{a: ", b"- ", b'{"a":', b"[[", b"? "))
            place = random.choice((0, len(text), text.find(b":") + 1))
            return text[:place] + opening * _DEEP + text[place:], f"{opening!r} {_DEEP} times at {place}"
        case "long":
            return text + b"\na_key: " + random.choice((b"9", b"x", b"[1,", b"\xc3\xa9")) * 10**6, "a value of a million"
        case "bomb":
            return text + _bomb(random.choice((3, 10, 30))), "anchors of anchors"
        case "cut":
            place = random.randrange(len(text))
            return text[:place], f"cut off at {place}"
        case _:
            lines[at] = random.choice((b" ", b"    ", b"\t")) + lines[at]
            return b"\n".join(lines), f"line {at + 1} indented"


def _bomb(levels: int) -> bytes:
    """Each anchor is nine of the one before: of nine levels a gigabyte."""
    lines = [b"\nlol0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    lines += [f"lol{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]".encode() for level in range(1, levels)]
    return b"\n".join(lines) + b"\n"


def _replace(text: bytes, pattern: re.Pattern[bytes], value: bytes, random: Random) -> tuple[bytes, str]:
    found = list(pattern.finditer(text))
    if not found:
        return value, f"{value[:20]!r} alone"
    match = random.choice(found)
    return text[: match.start()] + value + text[match.end() :], f"{match[0][:20]!r} becomes {value[:20]!r}"
