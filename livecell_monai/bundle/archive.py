"""A file of weights looked into before anything unpacks it: what `torch.save` or safetensors has not written is refused.

`torch.load` with `weights_only=True` runs no code, but believes sizes, and says of what it refuses little that a user can
read. Both formats store their tensors as they are: a file never unpacks to more than itself.
"""

import io
import json
import pickletools
import re
import zipfile
from pathlib import PurePosixPath

MOST_HEADER = 2**24  # bytes of what stands ahead of the tensors in a safetensors file, or names them in a .pt
_LENGTH = 8  # bytes of the number ahead of a safetensors header
_ADMITTED = re.compile(
    r"collections OrderedDict|torch \w+Storage|torch\._utils _rebuild_(tensor_v2|parameter)|torch\.serialization _get_layout"
)
_UNREADABLE = {"STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}  # names that are put together, which torch.save does not


def check_archive(content: bytes) -> None:
    """Refuse a .pt file that `torch.save` cannot have written of tensors alone.

    Args:
        content: of the file.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            for member in members:
                _check_member(member)
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("an archive that unpacks to more than its size")
            named = [member for member in members if PurePosixPath(member.filename).name == "data.pkl"]
            if len(named) != 1 or named[0].file_size > MOST_HEADER:
                raise ValueError("an archive without one list of its tensors (data.pkl)")
            _check_names(archive.read(named[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, IndexError, OverflowError) as error:
        raise ValueError(f"no archive as torch.save writes it: {error}") from error


def check_header(content: bytes) -> None:
    """Refuse a safetensors file whose header is larger than the file, or than any of ours.

    Args:
        content: of the file.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or length > min(MOST_HEADER, len(content) - _LENGTH):
        raise ValueError(f"a header of {length:,} bytes in a file of {len(content):,}")
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except RecursionError as error:
        raise ValueError("a header that is nested too deep") from error
    if not isinstance(header, dict):
        raise ValueError("a header that is no list of tensors")


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if "\\" in name or name.startswith("/") or ".." in name.split("/") or ":" in name:
        raise ValueError(f"a member whose name is_main_process out of the archive ({name[:60]!r})")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"a member that is compressed or encrypted ({name[:60]!r}), which torch.save never does")


def _check_names(pickled: bytes) -> None:
    """The stream is taken apart, not run."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in _UNREADABLE:
            raise ValueError("a call that is not of tensors")
        if opcode.name == "GLOBAL" and not _ADMITTED.fullmatch(str(argument)):
            raise ValueError(f"a call of {str(argument).replace(' ', '.')[:60]}")
