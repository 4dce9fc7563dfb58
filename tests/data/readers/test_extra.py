import sys
from pathlib import Path

import pytest

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.extra import import_extra
from livecell_monai.errors import SettingError


def test_what_is_there_is_imported():
    assert import_extra(Path("x"), "math", "none") is sys.modules["math"]


@pytest.mark.parametrize(
    ("name", "library", "extra"), [("a.nd2", "nd2", "nd2"), ("a.czi", "pylibCZIrw.czi", "czi"), ("a.zarr", "zarr", "zarr")]
)
def test_each_format_names_its_extra(tmp_path, monkeypatch, name, library, extra):
    path = tmp_path / name
    if extra == "zarr":
        path.mkdir()
    else:
        path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, library, None)  # an import of it then fails
    with pytest.raises(SettingError, match=rf"{name}: this format needs .*; pip install 'livecell-monai\[{extra}\]'$"):
        open_stack(path)
