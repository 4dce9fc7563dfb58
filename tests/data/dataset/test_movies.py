"""Which inputs are movies of numbered frames."""

import numpy as np
import pytest
import tifffile

from livecell_monai.data.dataset.items import list_prediction_items
from livecell_monai.data.dataset.movies import list_movies
from livecell_monai.errors import DataError, SettingError


def write(folder, names=("t1.tif", "t2.tif", "t3.tif")):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.arange(12, dtype=np.uint8).reshape(3, 4))
    return folder


def test_folders_globs_and_all_files_of_a_folder(tmp_path):
    one, two, three = (write(tmp_path / name) for name in ("one", "two", "three"))
    found = list_movies([one, str(two / "t*.tif"), *sorted(three.iterdir())])
    assert found == [
        {"name": "one", "image": str(one)},
        {"name": "two", "image": str(two / "t*.tif")},
        {"name": "three", "image": str(three)},
    ]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (["one/t1.tif", "one/t2.tif"], r"t1\.tif: the frames of --movie must be all images of their folder, got 2 of them"),
        (["one/t1.tif"], r"t1\.tif: --movie needs a folder or glob of numbered frames, got one file"),
        (["one", "deep/ONE"], "each movie must have its own output name"),
        (["*/t1.tif"], "stars in its last part only"),
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path, inputs, words):
    write(tmp_path / "one")
    write(tmp_path / "deep" / "ONE")
    with pytest.raises(DataError, match=words):
        list_movies([tmp_path / given for given in inputs])


def test_items_are_the_frames(tmp_path):
    folder = write(tmp_path / "one")
    items = list_prediction_items(folder, movie=True)
    assert items == [
        {"name": "one", "image": f"{folder}::t={index},c=0,z=0", "frame": index, "position": index, "frames": 3}
        for index in range(3)
    ]
    assert [item["name"] for item in list_prediction_items(folder)] == ["t1", "t2", "t3"]  # single images
    assert [item["frame"] for item in list_prediction_items(folder, time="1:", movie=True)] == [1, 2]
    with pytest.raises(SettingError, match=r"--time must be 0 to 2.*got 3"):
        list_prediction_items(folder, time=3, movie=True)


def test_a_torn_frame_stands_for_its_movie(tmp_path):
    folder = write(tmp_path / "one")
    (folder / "t2.tif").write_bytes(b"II*\0")
    assert list_prediction_items(folder, movie=True) == [{"name": "one", "image": f"{folder}::t=1,c=0,z=0"}]


@pytest.mark.parametrize("given", ["none", "none/t*.tif"])
def test_an_input_that_stands_for_nothing(tmp_path, given):
    with pytest.raises(DataError, match="no such file or folder"):
        list_prediction_items(tmp_path / given, movie=True)
