"""Readers: every image file opens lazily as a `Stack`; a plane of a stack is named by an address, a string like a path."""

from livecell_monai.data.readers.base import Stack, describe_axes
from livecell_monai.data.readers.open import PlaneAddress, close_last, find_file, open_stack, parse_address

__all__ = ["PlaneAddress", "Stack", "close_last", "describe_axes", "find_file", "open_stack", "parse_address"]
