"""Tables of scores by image: those that the package writes, and those that it must refuse."""

import pytest

from livecell_monai.errors import DataError
from livecell_monai.experiments.image_scores import read_image_scores
from livecell_monai.metrics import Scores, tabulate_scores
from livecell_monai.runs.atomic import write_table

A, B = Scores(10, 5, 5, 80), Scores(0, 0, 0, 100, {"surface_dice": 1.0})
HEAD = "image,tp,fp,fn,tn"


def row_of(name, scores, **more):
    return {**more, **tabulate_scores(name, scores)}


def test_a_table_comes_back_as_it_was_written(tmp_path):
    write_table(tmp_path / "scores.csv", [row_of("b", B), row_of("a, b", A)])
    found = read_image_scores(tmp_path / "scores.csv")
    assert found == {"b": B, "a, b": A}
    assert list(found) == ["b", "a, b"]
    assert found["a, b"].iou == 0.5


def test_a_column_of_folds_and_a_missing_surface_dice_do_no_harm(tmp_path):
    write_table(tmp_path / "scores.csv", [row_of("a", A, fold="fold_1")])
    assert read_image_scores(tmp_path / "scores.csv") == {"a": A}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "must have a row for each image, found none"),
        (HEAD, "must have a row for each image, found none"),
        (f"{HEAD}\na,1,2,3,4\na,1,2,3,4", "each image must have one row, a has two"),
        ("image,iou\na,0.5", "tp, fp, fn, tn is missing"),
        (f"{HEAD}\na,1,2,3", "tn is missing"),
        (f"{HEAD}\n,1,2,3,4", "image is missing"),
        (f"{HEAD}\na,1,2,3,four", "a must have whole numbers of pixels"),
        (f"{HEAD}\na,1.5,2,3,4", "a must have whole numbers of pixels"),
        (f"{HEAD}\na,-1,2,3,4", "a must have possible scores, got tp -1"),
        (f"{HEAD}\na,0,0,0,0", "a must have possible scores"),
        (f"{HEAD},surface_dice\na,1,2,3,4,nan", "a must have possible scores, .* surface_dice nan"),
        (f"{HEAD},surface_dice\na,1,2,3,4,1.5", "a must have possible scores"),
        (b"image,tp\n\xff\xfe,1", "must be a CSV table of scores"),
    ],
)
def test_what_is_no_such_table_is_refused_by_name_on_one_line(tmp_path, content, words):
    path = tmp_path / "scores.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=words) as caught:
        read_image_scores(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_refused_by_the_name_given(tmp_path):
    with pytest.raises(DataError, match=r"^run x, scores\.csv: must be a CSV table of scores, got: .*No such file"):
        read_image_scores(tmp_path / "scores.csv", "run x, scores.csv")
