"""Fixtures for every folder of tests.

Pytest puts the folder of this file on the import path, so that any test may say `from worlds import write_folder`.
"""

import os
import tempfile
from pathlib import Path

# Ahead of numpy and torch: worlds this small only lose by more threads, up to twentyfold beside another process.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["LIVECELL_CACHE"] = tempfile.mkdtemp(prefix="livecell-cache-")  # no probe of this machine has a say in tests

import pytest
from worlds import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of three training and two test images (Y, X) of 96 x 112, without borders."""
    return write_folder(tmp_path / "data")


@pytest.fixture
def bordered(tmp_path: Path) -> Path:
    """The same with border weights."""
    return write_folder(tmp_path / "data", borders=True)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder with borders and a bundle trained on it, made once and only to be read."""
    from small_training import write_trained

    return write_trained(tmp_path_factory.mktemp("trained"))
