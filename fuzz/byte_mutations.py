"""Bytes changed without a thought for what they mean."""

from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[bytes, Random], tuple[bytes, str]]


def flip_bits(data: bytes, random: Random) -> tuple[bytes, str]:
    """One to eight bits the other way."""
    changed = bytearray(data)
    count = random.choice((1, 1, 2, 8))
    for _ in range(count):
        at = _place(data, random)
        changed[at] ^= 1 << random.randrange(8)
    return bytes(changed), f"{count} bits flipped"


def set_run(data: bytes, random: Random) -> tuple[bytes, str]:
    """A run of bytes all 0, all 255 or at random."""
    at, length = _place(data, random), random.choice((1, 2, 4, 8, 64, 512))
    fill = random.choice((bytes(length), b"\xff" * length, random.randbytes(length)))
    end = min(len(data), at + length)
    return data[:at] + fill[: end - at] + data[end:], f"{end - at} bytes set at {at}"


def cut_off(data: bytes, random: Random) -> tuple[bytes, str]:
    """The end is missing."""
    at = random.choice((_place(data, random), max(1, len(data) - random.randrange(1, 40))))
    return data[:at], f"cut off at {at}"


def cut_out(data: bytes, random: Random) -> tuple[bytes, str]:
    """A piece in the middle is missing."""
    at, length = _place(data, random), random.choice((1, 2, 7, 64, 512))
    return data[:at] + data[at + length :], f"{length} bytes cut out at {at}"


def insert(data: bytes, random: Random) -> tuple[bytes, str]:
    """Bytes too many."""
    at, length = _place(data, random), random.choice((1, 2, 7, 64, 512))
    return data[:at] + random.randbytes(length) + data[at:], f"{length} bytes put in at {at}"


def repeat_block(data: bytes, random: Random) -> tuple[bytes, str]:
    """A piece comes again, elsewhere."""
    at, length, to = _place(data, random), random.choice((8, 64, 512)), _place(data, random)
    return data[:to] + data[at : at + length] + data[to:], f"{length} bytes of {at} again at {to}"


def zero_tail(data: bytes, random: Random) -> tuple[bytes, str]:
    """The end is zeros, as of a copy that was broken off on some file systems."""
    at = _place(data, random)
    return data[:at] + bytes(len(data) - at), f"zeros from {at}"


BYTES: tuple[Mutation, ...] = (flip_bits, flip_bits, set_run, cut_off, cut_out, insert, repeat_block, zero_tail)


def splice(data: bytes, others: Sequence[bytes], random: Random) -> tuple[bytes, str]:
    """The beginning of one file and the end of another."""
    other = random.choice(others)
    at = _place(data, random)
    return data[:at] + other[min(at, len(other) // 2) :], f"spliced at {at} with a file of {len(other)} bytes"


def _place(data: bytes, random: Random) -> int:
    """Anywhere, the headers more often."""
    size = max(1, len(data))
    return random.randrange(min(size, 400)) if random.random() < 0.4 else random.randrange(size)
