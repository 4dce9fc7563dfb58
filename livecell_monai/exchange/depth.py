"""Limits how deeply JSON is nested while it is read: the parsers' time grows with the square of the depth."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from livecell_monai.exchange.reasons import TOO_DEEP, FormatError

MAX_DEPTH = 100  #: of brackets in each other; no format needs more than ten
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_OTHER = bytes(code for code in range(256) if code not in b'[]{}"')


class DepthLimit:
    """A JSON file, open for reading bytes, as a stream that raises a FormatError at more than `MAX_DEPTH` levels.

    The mark that some programs write at the beginning of UTF-8 is left out.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._depth = 0
        self._is_text = self._is_escaped = False
        self._is_first = True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._stream.read(size)
        if self._is_first and chunk:
            chunk, self._is_first = chunk.removeprefix(BOM_UTF8), False
        self._check(chunk)
        return chunk

    def _check(self, chunk: bytes) -> None:
        """Count the brackets that are not part of a text."""
        if self._is_escaped and chunk:
            chunk, self._is_escaped = chunk[1:], False
        if b"\\" in chunk:
            chunk = _ESCAPED.sub(b"", chunk)
            self._is_escaped = chunk.endswith(b"\\")
        pieces = chunk.translate(None, _OTHER).split(b'"')
        kept = b"".join(pieces[int(self._is_text) :: 2])
        self._is_text ^= len(pieces) % 2 == 0
        codes = np.frombuffer(kept, np.uint8)
        depths = self._depth + np.cumsum(np.where((codes == ord("[")) | (codes == ord("{")), 1, -1))
        if depths.max(initial=0) > MAX_DEPTH:
            raise FormatError(f"{TOO_DEEP}, more than {MAX_DEPTH} levels")
        self._depth = int(depths[-1]) if len(depths) else self._depth


def check_list(events: Iterable[tuple[str, str, Any]], key: str, *, is_optional: bool = False) -> None:
    """Reject, by a FormatError, the events of `ijson.parse` of a file whose outermost object has no list of this name."""
    start = next((event for place, event, _ in events if place == key), None)
    if start != "start_array" and not (start is None and is_optional):
        raise FormatError(f"{key} must be a list, " + ("there is none" if start is None else "got something else"))
