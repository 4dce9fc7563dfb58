"""Images of more than one plane: files of named axes, opened lazily, one plane or one part of a plane read at a time.

Every member that opens a format gives a `Stack`: it reads the header only, so that a file of many gigabytes opens at once,
and tells what the file tells, never what might be guessed. A single plane of a stack is named by an address, which is a
string and goes wherever the path of an image goes.
"""

from livecell_monai.data.readers.address import PlaneAddress, parse_address
from livecell_monai.data.readers.addressed import close_last, read_addressed
from livecell_monai.data.readers.axes import describe_axes
from livecell_monai.data.readers.base import AXES, Stack
from livecell_monai.data.readers.frames import FramesStack
from livecell_monai.data.readers.open import open_stack
from livecell_monai.data.readers.selection import choose_planes, describe_stack

__all__ = [
    "AXES",
    "FramesStack",
    "PlaneAddress",
    "Stack",
    "choose_planes",
    "close_last",
    "describe_axes",
    "describe_stack",
    "open_stack",
    "parse_address",
    "read_addressed",
]
