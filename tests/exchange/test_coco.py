"""COCO JSON: polygons, run lengths, and files of many images."""

import json

import numpy as np
import pytest

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import LabelledPlane
from livecell_monai.exchange.coco import decode_runs
from tests.support.annotated import MIXED, read_all, to_labels, write_labels, write_planes

IMAGES = [
    {"id": 5, "file_name": "sub/a.tif", "height": 4, "width": 6},
    {"id": 6, "file_name": "b.png", "height": 4, "width": 6},
]
CATEGORIES = [{"id": 1, "name": "cell"}, {"id": 3, "name": "debris"}]
SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def write_coco(path, annotations, images=IMAGES):
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return path


def entry(**fields):
    return {"id": 1, "image_id": 5, "category_id": 1, "segmentation": SQUARE, "iscrowd": 0, **fields}


def test_one_file_has_all_images(tmp_path):
    planes = [LabelledPlane("a", MIXED), LabelledPlane("b", MIXED * (MIXED > 2))]
    path = write_planes("coco", tmp_path / "coco.json", planes)
    content = json.loads(path.read_text())
    assert [(image["file_name"], image["height"], image["width"]) for image in content["images"]] == [
        ("a.tif", 7, 7),
        ("b.tif", 7, 7),
    ]
    assert [each["id"] for each in content["annotations"]] == list(range(1, 11))
    assert {each["iscrowd"] for each in content["annotations"]} == {0}
    assert {each["category_id"] for each in content["annotations"]} == {content["categories"][0]["id"]}
    ring = content["annotations"][0]
    assert ring["segmentation"]["size"] == [7, 7]  # a hole takes run lengths
    assert (ring["area"], ring["bbox"]) == ((MIXED == 1).sum(), [0, 0, 7, 7])
    assert len(content["annotations"][1]["segmentation"]) == 2  # parts are polygons
    assert [(found.name, found.size) for found in read_all("coco", path, ("a", "b"))] == [("a", (7, 7)), ("b", (7, 7))]


def test_run_lengths_are_along_columns(tmp_path):
    content = json.loads(write_labels("coco", tmp_path, MIXED).read_text())
    counts = content["annotations"][0]["segmentation"]["counts"]
    mask = np.repeat(np.arange(len(counts)) % 2, counts).reshape(7, 7).T
    np.testing.assert_array_equal(mask, MIXED == 1)


def test_entries_of_other_programs(tmp_path):
    entries = [
        entry(),
        entry(id=2, category_id=3, segmentation=[[4, 0, 5, 0, 5, 1, 4, 1], [4, 2, 5, 2, 5, 3, 4, 3]]),
        entry(id=3, iscrowd=1, segmentation={"size": [4, 6], "counts": [0, 2, 22]}),
        entry(id=4, segmentation=[], bbox=[1, 1, 2, 2]),
        entry(id=5, image_id=6),
    ]
    found = read_all("coco", write_coco(tmp_path / "c.json", entries))
    assert [each.name for each in found] == ["a", "b"]
    assert found[0].without_area == 1
    assert [each.kind for each in found[0].objects] == ["cell", "debris", "ignore"]
    labels, outside, _ = to_labels(found[0], (4, 6))
    assert labels.tolist() == [[0, 0, 0, 0, 2, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 2, 0], [0] * 6]
    assert np.argwhere(outside).tolist() == [[0, 0], [1, 0]]
    assert found[1].objects == ()  # b is not wanted


def test_frames_that_are_files(tmp_path):
    path = write_planes("coco", tmp_path / "coco.json", [LabelledPlane("m", MIXED, frame, 2) for frame in range(2)])
    cases = (
        (("m_t0000", "m_t0001"), [("m_t0000", None), ("m_t0001", None)]),
        (("m",), [("m", 0), ("m", 1)]),
        (("t0", "t1"), [("m", 0), ("m", 1)]),  # which of them it is, the finder knows
    )
    for wanted, names in cases:
        found = read_all("coco", path, wanted)
        assert [(each.name, each.frame) for each in found] == names
        assert [len(each.objects) for each in found] == [6, 6]


@pytest.mark.parametrize("number", [0, -1, 2**32, 2**32 + 1, "1", None])
def test_ids_that_a_label_image_cannot_hold(number, tmp_path):
    entries = [entry(instance_id=1), entry(id=2, instance_id=2**32 - 1), entry(id=3, instance_id=number)]
    (found, _) = read_all("coco", write_coco(tmp_path / "c.json", entries))
    assert [each.number for each in found.objects] == [1, 2**32 - 1, None]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("63204", ["0000", "0110", "0110", "0110", "0000"]),
        ("0d0", ["1111"] * 5),
        (
            "211000011OO012110MN0020N01012NN01061I02ON022ON10N000010O232",
            [
                "011100000",
                "001010100",
                "111100010",
                "000011001",
                "100101011",
                "010100101",
                "111011111",
                "010101100",
                "101100010",
                "100100010",
                "001000100",
                "011001010",
            ],
        ),
    ],
)
def test_compressed_run_lengths(text, rows):
    # the strings are those of pycocotools 2.0 for these masks
    mask = np.array([list(row) for row in rows]) == "1"
    runs = decode_runs(text, mask.shape)
    assert sorted(runs[:, 0].tolist()) == np.flatnonzero(mask).tolist()
    assert set(runs[:, 1].tolist()) == {1}


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([entry(image_id=99)], "must name an image of the file, got image_id 99"),
        ([entry(segmentation={"size": [4, 6], "counts": [0, 99]})], "run lengths of 99 pixels in 4 x 6"),
        ([entry(segmentation=[[1, 2, 3, 4, 5, 6, 7]])], "an even number of coordinates, got 7"),
        ([entry(segmentation=[[1, 2, 3, 4, 5, float("inf")]])], "a coordinate is no finite number|no valid JSON"),
        (
            [entry(id=8, segmentation={"size": [10**6, 10**6], "counts": [0, 10**12]})],
            r"c\.json: annotation 8: a mask must have the size of its image, 4 x 6, got 1000000 x 1000000; export it again",
        ),
        ([entry(segmentation={"size": 3, "counts": [0, 1]})], "a mask must have the size of its image, 4 x 6, got 3;"),
        ([entry(segmentation={"size": [4, 6], "counts": "ä"})], "it has characters that are not allowed there"),
        ([entry(category_id=9)], "annotation 1: must have a category of the file, got category_id 9"),
        ({"1": entry()}, "annotations must be a list"),
        ([3], "each entry of annotations must be an object, got 3"),
    ],
)
def test_damaged_entries(entries, text, tmp_path):
    with pytest.raises(DataError, match=text):
        read_all("coco", write_coco(tmp_path / "c.json", entries))


def test_damaged_images(tmp_path):
    cases = {
        '{"images": [': "the file ends too early",
        "": "the file is empty",
        '{"images": []}': "annotations must be a list, there is none",
        '{"images": [{"id": 1, "file_name": "a.png", "height": "x", "width": 3}]}': "height must be",
        '{"annotations": ' + "[" * 200: "nested too deeply",
    }
    for text, reason in cases.items():
        (tmp_path / "d.json").write_text(text)
        with pytest.raises(DataError, match=rf"cannot be read as COCO JSON \({reason}"):
            read_all("coco", tmp_path / "d.json")
    images = [{"id": 5, "file_name": "a.tif"}]
    mask = entry(segmentation={"size": [10**6, 10**6], "counts": [0, 10**12]})
    with pytest.raises(DataError, match="annotation 1: a mask needs height and width of its image"):
        read_all("coco", write_coco(tmp_path / "c.json", [mask], images))
