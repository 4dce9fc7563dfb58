"""The distance map that the network learns."""

import numpy as np

from livecell_monai.cells.distance import find_cut, has_ids, normalise_distance, separate_pieces


def test_it_is_one_in_the_middle_of_each_cell_whatever_its_size():
    label = np.zeros((30, 40), int)
    label[2:7, 2:7] = 5
    label[2:17, 20:35] = 9
    distance = normalise_distance(label)
    assert distance.dtype == np.float32
    assert distance[4, 4] == distance[9, 27] == 1
    np.testing.assert_allclose(distance[4, 2:7], [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert (distance[label == 0] == 0).all()
    assert (distance[label > 0] > 0).all()


def test_touching_cells_have_a_rim_between_them():
    label = np.zeros((12, 22), int)
    label[1:11, 1:11], label[1:11, 11:21] = 1, 2
    assert normalise_distance(label)[5, 10] == normalise_distance(label)[5, 11] == 1 / 5


def test_the_border_of_the_image_is_no_rim():
    label = np.zeros((9, 20), int)
    label[2:7, :4] = 1
    np.testing.assert_allclose(normalise_distance(label)[4, :4], [1, 1, 2 / 3, 1 / 3])
    assert (normalise_distance(np.ones((5, 6), int)) == 1).all()


def test_pieces_of_one_id_are_cells_of_their_own():
    label = np.zeros((9, 20), int)
    label[2:7, 2:7], label[3:6, 12:15] = 4, 4
    assert normalise_distance(label)[4, 13] == 1
    assert separate_pieces(label).max() == 2


def test_a_label_without_cells():
    assert not normalise_distance(np.zeros((4, 5), int)).any()


def test_strays_are_no_cells():
    label = np.zeros((30, 40), int)
    label[2:12, 2:12], label[15:25, 2:12] = 1, 2
    label[5, 20] = 1
    assert normalise_distance(label)[5, 20] == 0
    label[5:8, 20:23] = 1  # 9 of 100 px are a piece of its own
    assert normalise_distance(label)[6, 21] == 1


def test_cells_that_touch_what_is_not_annotated_are_cut():
    label = np.array(
        [
            [1, 1, 0, 2, 2, 0, 3],
            [1, 1, 0, 2, 2, 0, 3],
            [0, 0, -1, 0, 0, 0, 3],
            [0, 4, -1, 0, 5, 0, 0],
            [0, 0, 0, 0, 5, 0, 4],
        ]
    )
    cut = find_cut(label)
    assert set(label[cut].tolist()) == {1, 2, 4}  # also diagonally
    assert not cut[4, 6]  # another piece of 4
    assert not find_cut(np.maximum(label, 0)).any()
    assert (separate_pieces(label)[label < 0] == 0).all()
    assert has_ids(np.array([[-1, 7, 7, 0]]))
    assert not has_ids(np.array([[7, -1, 7, 0]]))
