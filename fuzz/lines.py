"""What may reach the user: lines without a traceback, without noise, that a terminal shows as they are."""

import unicodedata

LONGEST = 500


def judge_line(line: str) -> str | None:
    """What is wrong with a message, None where nothing is."""
    if len(line) >= LONGEST:
        return f"a message of {len(line)} characters: {line[:100]!r}"
    strange = sorted({character for character in line if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")})
    return f"a message with {strange[:5]!r}: {line[:150]!r}" if strange else None


def judge_output(text: str) -> str | None:
    """What is wrong with all that a command has printed, None where nothing is."""
    if "Traceback" in text:
        return f"a traceback: {text.strip().splitlines()[-1][:200]}"
    if "Warning:" in text:
        return f"a warning: {text[:200]!r}"
    return next((wrong for line in text.split("\n") if (wrong := judge_line(line)) is not None), None)
