"""Why a file cannot be read, in plain words instead of those of Python and its libraries."""

import gzip
import json
import zipfile
import zlib

_NO_DOCUMENT_TYPE = ("DTDForbidden", "EntitiesForbidden", "ExternalReferenceForbidden")  # of defusedxml
_NO_ELEMENT, _UNCLOSED = 3, 5  # codes of expat
TOO_EARLY = "the file ends too early"
TOO_DEEP = "nested too deeply"


class FormatError(ValueError):
    """A file is not as its format states; the text is a reason in plain words."""


def explain(error: object) -> str:
    """The reason of an error, one line; of a `FormatError` or a text, the text itself."""
    if isinstance(error, FormatError | str):
        return " ".join(str(error).split())[:200]
    if isinstance(error, KeyError) and error.args:
        return f"the field {error.args[0]} is missing"
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, EOFError):
        return TOO_EARLY
    if isinstance(error, UnicodeError):
        return "it has characters that are not allowed there"
    return _explain_archive(error) or _explain_text(error) or "a value is not of the kind that the format asks for"


def _explain_archive(error: object) -> str:
    """The reason of an error of a compressed file or of the disk; empty for any other."""
    if isinstance(error, gzip.BadGzipFile):
        return "it is not compressed by gzip"
    if isinstance(error, zipfile.BadZipFile):
        return "it is no zip" if "not a zip" in str(error) else "the zip is damaged"
    if isinstance(error, zlib.error):
        return "what is compressed in it is damaged"
    if isinstance(error, NotImplementedError):
        return "its way of compression is not supported"
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "it is encrypted"
    if type(error).__name__ in ("UnidentifiedImageError", "DecompressionBombError"):  # of Pillow
        return "a mask is no PNG image, or too large"
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else ""


def _explain_text(error: object) -> str:
    """The reason of an error of JSON or XML; empty for any other."""
    name, shown = type(error).__name__, str(error).lower()
    if name in _NO_DOCUMENT_TYPE:
        return "a document type is not allowed"
    if isinstance(error, json.JSONDecodeError):
        return TOO_EARLY if error.pos >= len(error.doc.rstrip()) else f"it is no valid JSON in line {error.lineno}"
    if name == "ParseError":
        line = getattr(error, "position", (1, 0))[0]
        is_cut = getattr(error, "code", 0) in (_NO_ELEMENT, _UNCLOSED)
        return TOO_EARLY if is_cut else f"it is no valid XML in line {line}"
    if name.endswith("JSONError"):
        return TOO_EARLY if "premature" in shown or "incomplete json content" in shown else "it is no valid JSON"
    return ""
