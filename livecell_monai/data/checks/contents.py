"""What a file is by its first bytes, whatever its name says."""

from pathlib import Path

ANY = "an image"  #: the kind of a file whose format is not known yet
_SEEN = 1024  # bytes
_LEAST_TEXT = 16  # bytes; fewer may be the start of anything
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
#: first bytes, the format by the name that messages of its reader contain, what the file is, what to do
_KINDS: tuple[tuple[tuple[bytes, ...], str, str, str], ...] = (
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF", "a TIFF", "rename it to end in .tif"),
    ((b"\x89PNG\r\n\x1a\n",), "PNG", "a PNG", "rename it to end in .png"),
    ((b"\xff\xd8\xff",), "JPEG", "a JPEG", "rename it to end in .jpg"),
    ((b"\xda\xce\xbe\x0a", b"\x0a\xbe\xce\xda"), "ND2", "an ND2 file", "rename it to end in .nd2"),
    ((b"ZISRAWFILE",), "CZI", "a CZI file", "rename it to end in .czi"),
    ((b"\x1f\x8b",), "NIfTI", "a gzip archive", "unpack it"),
    ((b"PK\3\4", b"PK\5\6"), "", "a zip archive", "unpack it"),
    ((b"version https://git-lfs",), "", "a Git LFS pointer", "run git lfs pull to get the file itself"),
    ((b"BM",), "", "a BMP image", "save it as TIFF"),
    ((b"GIF8",), "", "a GIF image", "save it as TIFF"),
    ((b"RIFF",), "", "a WebP image or AVI movie", "save it as TIFF"),
    ((b"\0\0\0\x0cjP  ",), "", "a JPEG 2000 image", "save it as TIFF"),
    ((b"\x89HDF\r\n",), "", "an HDF5 file", "save its image as TIFF"),
    ((b"%PDF",), "", "a PDF", "save its image as TIFF"),
    ((b"\x93NUMPY",), "", "a NumPy array", "save it as TIFF"),
)


def find_kind(path: Path) -> str:
    """TIFF, PNG, JPEG, ND2 or CZI, by the first bytes of a file; empty for others, and if it cannot be read."""
    head = _read_head(path)
    return next((kind for heads, kind, _, _ in _KINDS if head.startswith(heads) and kind != "NIfTI"), "")


def describe_contents(path: Path, kind: str) -> tuple[str, str] | None:
    """What a file is and what to do, if its first bytes are not those of `kind`; None if they are or are unknown."""
    head = _read_head(path)
    for heads, own, name, advice in _KINDS:
        if head.startswith(heads):
            return None if own and (own in kind or kind == ANY) else (name, advice)
    if len(head) < _LEAST_TEXT:
        return None
    if any(mark in head[:512].lower() for mark in _HTML):
        return "an HTML page", "download the file again"
    if not head.strip(b"\0"):
        return "zeros only", "copy the file again"
    is_text = all(byte >= ord(" ") or byte in b"\t\n\r\f" for byte in head) and _is_unicode(head)
    return ("a text", "give the image itself") if is_text else None


def _read_head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_SEEN)
    except (OSError, ValueError):  # a folder, no permission, a name that no file can have
        return b""


def _is_unicode(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == _SEEN and error.start >= _SEEN - 3  # a letter that is cut off
    return True
