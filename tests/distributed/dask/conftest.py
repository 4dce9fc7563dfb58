"""Two workers for all tests of this folder: starting one takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from livecell_monai.distributed.dask import Workers, connect
from tests.support.fresh import prepare_forks
from tests.support.worlds import write_folder


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Two processes of this machine."""
    prepare_forks()
    with connect(2) as found:
        yield found


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 images."""
    return write_folder(tmp_path_factory.mktemp("many"), train=0, test=24) / "test" / "images"
