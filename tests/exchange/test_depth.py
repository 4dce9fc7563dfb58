"""The limit of the depth of JSON."""

import io

import pytest

from livecell_monai.exchange.depth import MAX_DEPTH, DepthLimit
from livecell_monai.exchange.reasons import FormatError


def read(text, size):
    stream = DepthLimit(io.BytesIO(text.encode()))
    while stream.read(size):
        pass


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_only_brackets_outside_of_texts_count(size):
    text = r'{"a\\": "[\"[[{", "b": [1, "\\\"["]}'
    read("[" * (MAX_DEPTH - 2) + text + "]" * (MAX_DEPTH - 2), size)
    for deep in ("[" * (MAX_DEPTH - 1) + text, '{"a":' * (MAX_DEPTH + 1)):
        with pytest.raises(FormatError, match="nested too deeply, more than 100 levels"):
            read(deep, size)
