"""Names the user's own files in errors and notes about a data folder that was made of them."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from livecell_monai.data.dataset import findings
from livecell_monai.data.dataset.folder import KINDS, ROLES
from livecell_monai.errors import find_user_error

Origins = Mapping[str, str]  # path in the data folder -> path of the user; the longest first


def list_origins(target: Path, folder: Path, files: Mapping[str, str]) -> Origins:
    """The user's paths by those of a data folder.

    Args:
        target: the data folder.
        folder: the user's folder; stands for the data folder and its subfolders, whose images have the same names.
        files: names in the user's folder by paths in the data folder, of files that have another name or subfolder.
    """
    parts = [target, *(target / role for role in ROLES), *(target / role / kind for role in ROLES for kind in KINDS)]
    names = {str(part): str(folder) for part in parts}
    names |= {str(target / path): str(folder / name) for path, name in files.items()}
    return dict(sorted(names.items(), key=lambda pair: -len(pair[0])))


def restate(text: str, origins: Origins) -> str:
    """A line with the user's paths in place of those of the data folder."""
    for path, own in origins.items():
        text = text.replace(path, own)
    return text


@contextmanager
def restated(origins: Origins) -> Iterator[None]:
    """Errors of the block, and notes about labels that are logged in it, with the user's paths."""

    def restate_record(record: logging.LogRecord) -> bool:
        record.msg, record.args = restate(record.getMessage(), origins), None
        return True

    findings.LOGGER.addFilter(restate_record)
    try:
        yield
    except Exception as error:
        known = find_user_error(error)
        line = "" if known is None else restate(str(known), origins)
        if known is None or line == str(known):
            raise
        raise type(known)(line) from error
    finally:
        findings.LOGGER.removeFilter(restate_record)
