"""Reasons in plain words."""

import gzip
import json
import xml.etree.ElementTree as Tree
import zipfile

import pytest

from livecell_monai.exchange.reasons import FormatError, explain


def catch(function, *values):
    with pytest.raises(Exception) as found:  # noqa: PT011 - any error is explained
        function(*values)
    return explain(found.value)


@pytest.mark.parametrize(
    ("reason", "function", "value"),
    [
        ("the file ends too early", json.loads, '{"a": '),
        ("it is no valid JSON in line 2", json.loads, '{"a":\n x}'),
        ("nested too deeply", json.loads, "[" * 200_000),
        ("the file ends too early", Tree.fromstring, "<a><b/>"),
        ("it is no valid XML in line 1", Tree.fromstring, "<a></b>"),
        ("it is not compressed by gzip", gzip.decompress, b"no gzip here"),
        ("it has characters that are not allowed there", "ä".encode, "ascii"),
        ("a value is not of the kind that the format asks for", int, "abc"),
        ("a value is not of the kind that the format asks for", len, 3),
        ("the field points is missing", {}.__getitem__, "points"),
    ],
)
def test_errors_of_python(reason, function, value):
    assert catch(function, value) == reason


def test_reasons_of_ours_stay():
    assert explain(FormatError("a\nb")) == "a b"
    assert explain(zipfile.BadZipFile("File is not a zip file")) == "it is no zip"
    assert explain(FileNotFoundError(2, "No such file")) == "No such file"
