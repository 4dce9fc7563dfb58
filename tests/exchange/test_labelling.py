"""From annotated objects to a label image: overlaps, parts of the image, what does not fit."""

import numpy as np
import pytest

from livecell_monai.exchange.base import AnnotatedObject, Annotation
from tests.support.annotated import MIXED, square, to_labels


def cell(left, top, size, **fields):
    return AnnotatedObject(((square(left, top, size),),), **fields)


def annotate(*objects, **fields):
    return Annotation("a", "a", objects, **fields)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_smallest_of_several_cells_has_the_pixel(is_reversed):
    objects = [cell(0, 0, 4, number=1), cell(1, 1, 2, number=2)]
    labels, _, counts = to_labels(annotate(*objects[:: -1 if is_reversed else 1]), (4, 4))
    assert (labels == 2).sum() == 4
    assert (labels == 1).sum() == 12
    assert (counts.overlapping, counts.overlap_pixels, counts.hidden) == (2, 4, 0)


def test_of_equally_large_cells_the_first_has_the_pixel():
    labels, _, counts = to_labels(annotate(cell(0, 0, 2), cell(1, 0, 2), cell(0, 0, 2)), (2, 3))
    assert labels.tolist() == [[1, 1, 2]] * 2
    assert (counts.cells, counts.hidden) == (2, 1)


def test_ids_are_kept_only_if_all_are_stated_and_differ():
    for numbers, expected in (((7, 3), [7, 3]), ((7, 7), [1, 2]), ((7, None), [1, 2])):
        objects = [cell(index * 2, 0, 2, number=number) for index, number in enumerate(numbers)]
        assert to_labels(annotate(*objects), (2, 4))[0][0, ::2].tolist() == expected


def test_parts_of_one_object_may_overlap():
    whole = AnnotatedObject(((square(0, 0, 3),), (square(1, 1, 3),)))
    labels, _, counts = to_labels(annotate(whole), (5, 5))
    assert (labels > 0).sum() == 14
    assert counts.overlap_pixels == 0


@pytest.mark.parametrize(
    ("polygons", "runs"),
    [
        (((square(0, 0, 2),),), [(0, 10), (20, 10)]),
        ((), [(20, 10), (0, 10), (0, 10)]),
        ((), [(0, 10), (5, 5), (20, 10)]),
    ],
    ids=["polygon", "twice", "inside"],
)
def test_runs_of_one_object_may_overlap_each_other_and_polygons(polygons, runs):
    """Each pixel counts once, so that the smaller object gets what it shares."""
    group = AnnotatedObject(polygons, np.array(runs))
    labels, _, counts = to_labels(annotate(group, AnnotatedObject(runs=np.array([(0, 22)]))), (2, 20))
    assert [(labels == number).sum() for number in (1, 2)] == [20, 10]
    assert counts.overlap_pixels == 12


def test_objects_that_do_not_fit():
    objects = (cell(-1, 0, 2), cell(8, 8, 2), cell(0.6, 0.6, 0.2))
    labels, _, counts = to_labels(annotate(*objects, without_area=5), (4, 4))
    assert labels.max() == 1
    assert (counts.clipped, counts.empty, counts.without_area, counts.cells) == (2, 2, 5, 1)


@pytest.mark.parametrize(
    ("objects", "without_area", "note"),
    [
        (
            [cell(500, 0, 100)],
            0,
            "a: all 1 objects lie outside of the image (x 500 to 600, the image is 50 wide); is it the right image?",
        ),
        ([cell(0, -9, 4)], 0, "a: all 1 objects lie outside of the image (y -9 to -5, the image is 40 high); is it the"),
        ([cell(0.6, 0.6, 0.2)], 0, "a: all 1 objects cover no pixel of the image"),
        ([], 3, "a: all 3 objects are points, lines or boxes"),
        ([], 0, None),
        ([cell(0, 0, 5), cell(500, 0, 100)], 0, None),
    ],
)
def test_an_image_that_lost_all_objects_is_named(objects, without_area, note):
    _, _, counts = to_labels(annotate(*objects, without_area=without_area), (40, 50))
    assert len(counts.notes) == (note is not None)
    assert note is None or counts.notes[0].startswith(note)


def test_a_class_ignore_is_not_annotated():
    _, outside, _ = to_labels(annotate(cell(0, 0, 2), cell(2, 0, 2, kind="not ignored")), (2, 4))
    assert outside is None
    labels, outside, counts = to_labels(annotate(cell(0, 0, 2), cell(2, 0, 2, kind="Ignore*")), (2, 4))
    assert outside.tolist() == [[False, False, True, True]] * 2
    assert labels.max() == 1
    assert (counts.ignored, counts.cells, set(counts.kinds)) == (1, 1, {""})


def test_only_the_inside_of_regions_is_annotated():
    objects = (cell(0, 0, 1), cell(0, 0, 2, kind="region 1"), cell(3, 0, 2, kind="Region*"), cell(0, 1, 1, kind="ignore"))
    _, outside, counts = to_labels(annotate(*objects), (2, 5))
    assert outside.astype(int).tolist() == [[0, 0, 1, 0, 0], [1, 0, 1, 0, 0]]
    assert counts.regions == 2


def test_chosen_classes_are_cells():
    objects = (cell(0, 0, 1, kind="cell"), cell(1, 0, 1, kind="debris"), cell(2, 0, 1, kind="cell"))
    labels, _, counts = to_labels(annotate(*objects), (1, 3), ["cell"])
    assert labels.tolist() == [[1, 0, 2]]
    assert counts.kinds == {"cell": 2, "debris": 1}


def test_label_images_are_taken_as_they_are():
    labels, outside, counts = to_labels(Annotation("a", "a", labels=MIXED.astype(int) - 1), MIXED.shape)
    np.testing.assert_array_equal(labels, np.maximum(MIXED.astype(int) - 1, 0))
    np.testing.assert_array_equal(outside, MIXED == 0)
    assert counts.cells == 5


def test_runs_of_pixels():
    runs = np.array([(1, 2), (5, 1)])
    labels, _, counts = to_labels(annotate(AnnotatedObject(runs=runs), cell(0, 0, 1)), (2, 4))
    assert labels.tolist() == [[2, 1, 1, 0], [0, 1, 0, 0]]
    assert counts.cells == 2
