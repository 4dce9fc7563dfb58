"""Labels whose names are near those of their images."""

from pathlib import Path

import pytest

from livecell_monai.data.dataset.near_names import list_near_names, match_near_names


def paths(*stems):
    return {stem: Path(f"{stem}.tif") for stem in stems}


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["image_1", "image_2"], ["mask_1", "mask_2"]),
        (["t000", "t001"], ["mask000", "mask001"]),
        (["1", "10"], ["001", "010"]),
        (["a", "a_mask"], ["a", "a_mask_mask"]),
        (["a_1", "a1"], ["a_1_mask", "a1_mask"]),
    ],
)
def test_labels_come_in_the_order_of_the_images(images, labels):
    found = match_near_names(paths(*images), paths(*labels))
    assert [found[stem].stem for stem in images] == labels


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["a"], ["a_mask", "a_label"]),
        (["img_1", "img_01"], ["img_1", "img_001"]),  # zeros tell these images apart
        (["image_1", "frame_1"], ["mask_1"]),
        (["a"], ["maskerade"]),
        (["a1"], ["a2"]),
    ],
)
def test_nothing_is_guessed(images, labels):
    assert match_near_names(paths(*images), paths(*labels)) == paths(*labels)


def test_the_nearest_are_listed():
    assert list_near_names("a", ["b", "a_mask", "a_label"]) == ["a_label", "a_mask"]
    assert list_near_names("cell_01", ["cell01", "x"]) == ["cell01"]
    assert list_near_names("cell", ["x"]) == []
