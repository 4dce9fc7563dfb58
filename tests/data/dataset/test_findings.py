"""Findings of every sample; each invalid file is named in one line."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecell_monai.data.dataset.findings import (
    Finding,
    check_data,
    check_samples,
    count_cells,
    count_split_ids,
    describe_cover,
    describe_ignored,
    describe_split_ids,
    describe_unlabelled_tests,
    describe_without_cells,
    inspect_sample,
    measure_cover,
    summarize_notes,
)
from livecell_monai.data.dataset.folder import list_samples
from livecell_monai.errors import DataError
from tests.support.stack_files import write_zarr
from tests.support.worlds import SHAPE, picture_of, some_cells, write_folder

LABEL = some_cells()
PICTURE = picture_of(LABEL)


def with_nan():
    pixels = PICTURE.astype(np.float32)
    pixels[5, 7] = np.nan
    return pixels


# kind of the file, its pixels, what its problem says
BAD = {
    "label of another size": ("labels", LABEL[:, :-1], "label and border must have their image's size, got 96 x 111 for"),
    "turned label": ("labels", LABEL.T, "got 112 x 96 for an image of 96 x 112; export it again"),
    "border of another size": ("borders", np.ones((96, 111), np.float32), "must have their image's size, got 96 x 111"),
    "colour": ("images", np.stack([PICTURE, PICTURE, PICTURE + 1], -1).astype(np.uint8), "RGB"),
    "stack": ("images", np.stack([PICTURE] * 4), "must be one grey plane"),
    "constant": ("images", np.full(SHAPE, 7, np.uint16), "an image must not be constant, got 7 in every pixel"),
    "not a number": (
        "images",
        with_nan(),
        "must be finite in every pixel, got 1 NaN or infinite, the first at row 5, column 7",
    ),
    "numbered from 1": ("labels", (LABEL > 0) + np.uint8(1), "must be 0 in the background, got the values 1, 2 and no 0"),
    "an image as label": (
        "labels",
        (PICTURE // 257).astype(np.uint8),
        "a label must hold one value per cell or one for all",
    ),
    "no background": ("labels", np.ones(SHAPE, np.uint8), "a training label must have both classes, got foreground only"),
    "float label": ("labels", LABEL / np.float32(2), "a label must hold integers, got 0.5 at row"),
    "negative label": ("labels", LABEL.astype(np.int16) - 2, "a label must be >= 0"),
    "negative border": ("borders", np.full(SHAPE, -1, np.float32), "a border weight must be >= 0"),
}


def spoil(folder, kind, pixels, name="train_01"):
    path = folder / "train" / kind / f"{name}.tif"
    tifffile.imwrite(path, pixels, photometric="rgb" if pixels.shape[-1] == 3 else "minisblack")
    return path


def problems_of(folder):
    return {finding.name: finding.problem for finding in check_data(folder) if finding.problem}


INVERTED = np.where(LABEL > 0, 0, 255).astype(np.uint8)
OPEN = np.zeros((10, 10), np.uint8)
OPEN[:6] = 1


@pytest.mark.parametrize(
    ("label", "share"),
    [
        (INVERTED, f"{(INVERTED > 0).mean():.0%}"),
        (OPEN, "60%"),
        (np.where(OPEN, 7, np.arange(10)), "64%"),  # 7 of many ids
        (np.ones((4, 4), np.uint8), "100%"),
        (LABEL, None),
        (np.arange(100).reshape(10, 10), None),  # many cells
        (OPEN[1:, ::1] * (np.arange(10) % 2 > 0).astype(np.uint8), None),
        (np.ones((10, 10), np.uint8) - (np.arange(10) % 5 == 4), None),  # two components of 40 %
    ],
)
def test_one_cell_that_covers_most_of_the_image_is_told(label, share):
    warning = describe_cover("a.tif", measure_cover(label, float((label > 0).mean())))
    expected = f"a.tif: one cell covers {share} of the image; check that the label is not inverted: 0 must be background"
    assert warning == (None if share is None else expected)


def test_an_inverted_label_is_a_warning_of_its_finding(folder):
    path = spoil(folder, "labels", INVERTED)
    warnings = [finding.warning for finding in check_data(folder) if finding.warning]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{path}: one cell covers ")
    assert problems_of(folder) == {}


class TestAllLabelsInverted:
    """One label that a cell covers is a warning; all of them are an error."""

    def test_are_rejected_by_check_and_train(self, folder):
        for name in ("train_00", "train_01"):
            path = spoil(folder, "labels", INVERTED, name)
        assert problems_of(folder) == {}
        spoil(folder, "labels", INVERTED, "train_02")
        message = problems_of(folder)["train_00"]
        assert list(problems_of(folder)) == ["train_00"]
        assert message.startswith(f"{path.with_name('train_00.tif')}: cells must have background around them, got one cell")
        assert "in each of the 3 training labels; invert the labels (0 is background" in message
        with pytest.raises(DataError, match="invert the labels"):
            check_samples(list_samples(folder, "train"), "train")

    def test_dense_cells_are_not(self, folder):
        for name in ("train_00", "train_01", "train_02"):
            spoil(folder, "labels", np.where(INVERTED, np.arange(SHAPE[1]) // 9 + 1, 0).astype(np.uint8), name)
        assert problems_of(folder) == {}


class TestWithoutCells:
    """A training image without cells is a negative; one image must have some."""

    def test_is_valid_beside_another(self, folder):
        spoil(folder, "labels", np.zeros(SHAPE, np.uint8))
        assert problems_of(folder) == {}
        findings = check_samples(list_samples(folder, "train"), "train")
        assert [(found.cells, found.foreground > 0) for found in findings] == [(5, True), (0, False), (5, True)]

    def test_one_image_must_have_cells(self, folder):
        for name in ("train_00", "train_01", "train_02"):
            spoil(folder, "labels", np.zeros(SHAPE, np.uint8), name)
        message = "one training label or more must have cells, got background only in all 3; correct it or add"
        assert message in problems_of(folder)["train_00"]
        with pytest.raises(DataError, match=message):
            check_samples(list_samples(folder, "train"), "train")


def test_what_a_label_means_is_noted(folder):
    spoil(folder, "labels", np.where(LABEL == 5, 2, LABEL > 0).astype(np.uint8))
    finding = check_data(folder)[1]
    assert finding.cells == 5
    assert finding.note.endswith(
        "train_01.tif: the values 1, 2 are classes, not ids; each of their 5 connected parts is a cell"
    )


def test_the_notes_of_many_labels_are_one_line_for_each_kind():
    soft = [f"{name}: a soft mask with grey values up to 255; values above 127.5 are cells" for name in "abc"]
    classes = "d: the values 1, 2 are classes, not ids; each of their 5 connected parts is a cell"
    assert summarize_notes([soft[0], classes, *soft[1:]]) == [f"{soft[0]} (also 2 other labels)", classes]
    assert summarize_notes(soft[:2]) == [f"{soft[0]} (also 1 other label)"]
    assert summarize_notes([]) == []


def test_an_inverted_label_is_warned_of_in_training_too(folder, caplog):
    spoil(folder, "labels", (LABEL == 0).astype(np.uint8) * np.uint8(255))
    check_samples(list_samples(folder, "train"), "train")
    (message,) = caplog.messages
    assert "train_01.tif: one cell covers" in message


def test_notes_are_logged_once_for_each_kind(folder, caplog):
    for name in ("train_00", "train_01"):
        spoil(folder, "labels", np.where(LABEL == 5, 2, LABEL > 0).astype(np.uint8), name)
    samples = list_samples(folder, "train")
    for chosen in (samples, samples, samples[1:]):  # a fold has some of them
        check_samples(chosen, "train")
    (message,) = caplog.messages
    assert message.startswith(f"{folder / 'train' / 'labels' / 'train_00.tif'}: the values 1, 2 are classes, not ids;")
    assert message.endswith(" is a cell (also 1 other label)")


@pytest.mark.parametrize("role", ["train", "test"])
def test_a_label_without_background_is_rejected_in_every_role(folder, role):
    tifffile.imwrite(folder / role / "labels" / f"{role}_01.tif", (LABEL > 0) + np.uint8(1))
    assert list(problems_of(folder)) == [f"{role}_01"]


class TestGood:
    def test_findings(self, bordered):
        findings = check_data(bordered)
        assert [finding.role for finding in findings] == ["train"] * 3 + ["test"] * 2
        assert findings[0] == Finding(
            role="train",
            name="train_00",
            size=SHAPE,
            dtype="uint16",
            low=8_114.0,
            high=65_535.0,
            foreground=float((LABEL > 0).mean()),
            cells=5,
            problem=None,
        )
        assert problems_of(bordered) == {}

    def test_without_label(self, folder):
        shutil.rmtree(folder / "test" / "labels")
        finding = check_data(folder)[-1]
        assert (finding.size, finding.foreground, finding.cells, finding.problem) == (SHAPE, None, None, None)

    def test_one_class_is_allowed_where_nothing_is_learnt(self, folder):
        sample = list_samples(folder, "test")[0]
        tifffile.imwrite(sample.label, np.zeros(SHAPE, np.uint8))
        assert inspect_sample(sample, "train").problem is None  # another image may have cells
        assert (inspect_sample(sample, "test").problem, inspect_sample(sample, "test").cells) == (None, 0)

    def test_no_test_images(self, tmp_path):
        assert len(check_data(write_folder(tmp_path, test=0))) == 3

    def test_datalist_without_test_images(self, folder):
        entries = [{"image": str(sample.image), "label": str(sample.label)} for sample in list_samples(folder, "train")]
        path = folder / "list.json"
        path.write_text(json.dumps({"training": entries}))
        assert [finding.problem for finding in check_data(path)] == [None] * 3
        path.write_text(json.dumps({"training": entries, "test": ["gone.tif"]}))
        assert "gone.tif: the file is listed in list.json but does not exist" in check_data(path)[-1].problem


class TestPartlyLabelledTests:
    def test_are_no_problem_and_are_counted(self, folder):
        assert describe_unlabelled_tests(check_data(folder)) is None
        (folder / "test/labels/test_00.tif").unlink()
        findings = check_data(folder)
        assert [found.problem for found in findings] == [None] * len(findings)
        assert describe_unlabelled_tests(findings) == "1 of 2 test images has a label and is scored, the other 1 not"


class TestBad:
    @pytest.mark.parametrize("what", BAD)
    def test_is_named_in_one_line(self, bordered, what):
        kind, pixels, words = BAD[what]
        assert problems_of(bordered) == {}
        path = spoil(bordered, kind, pixels)
        problems = problems_of(bordered)
        assert list(problems) == ["train_01"]
        assert problems["train_01"].startswith(f"{path}: ")
        assert words in problems["train_01"]
        assert "\n" not in problems["train_01"]

    @pytest.mark.parametrize("kind", ["images", "labels", "borders"])
    def test_cut_off(self, bordered, kind):
        path = bordered / "train" / kind / "train_02.tif"
        path.write_bytes(path.read_bytes()[:5_000])
        problem = problems_of(bordered)["train_02"]
        assert problem.startswith(f"{path}: cannot be read as TIFF")
        assert "\n" not in problem

    def test_colour_png(self, folder):
        (folder / "train/images/train_00.tif").unlink()
        colours = np.eye(3, dtype=np.uint8)[np.zeros(SHAPE, int)]
        Image.fromarray(colours).save(folder / "train/images/train_00.png")
        assert "train_00.png: " in problems_of(folder)["train_00"]
        assert "RGB" in problems_of(folder)["train_00"]

    def test_all_are_reported_not_only_the_first(self, bordered):
        spoil(bordered, *BAD["stack"][:2], name="train_00")
        spoil(bordered, *BAD["float label"][:2], name="train_01")
        spoil(bordered, *BAD["negative border"][:2], name="train_02")
        tifffile.imwrite(bordered / "test/images/test_00.tif", np.zeros(SHAPE, np.uint8))
        assert list(problems_of(bordered)) == ["train_00", "train_01", "train_02", "test_00"]
        assert len(check_data(bordered)) == 5

    def test_test_folder_out_of_order(self, folder):
        (folder / "test/labels/test_00.tif").rename(folder / "test/labels/tset_00.tif")
        findings = check_data(folder)
        assert [finding.problem for finding in findings[:3]] == [None] * 3
        assert (findings[3].role, findings[3].name) == ("test", "")
        assert "an image must have a label of the same stem" in findings[3].problem

    def test_train_folder_out_of_order(self, folder):
        (folder / "train/labels/train_00.tif").unlink()
        with pytest.raises(DataError, match=r"train_00\.tif: an image must have a label"):
            check_data(folder)


class TestCheckSamples:
    def test_good(self, folder):
        assert [finding.name for finding in check_samples(list_samples(folder, "train"), "train")] == [
            "train_00",
            "train_01",
            "train_02",
        ]

    def test_stops_at_the_first(self, folder):
        samples = list_samples(folder, "train")
        spoil(folder, *BAD["no background"][:2], name="train_02")
        spoil(folder, *BAD["constant"][:2], name="train_01")
        with pytest.raises(DataError, match=r"train_01\.tif: an image must not be constant"):
            check_samples(samples, "train")


class TestCells:
    def test_instances_are_counted_by_id(self):
        assert count_cells(np.array([[1, 1, 2], [0, 0, 2], [9, 0, 0]])) == 3

    def test_a_binary_label_by_its_components(self):
        touching_at_a_corner = np.array([[255, 0, 0, 0], [0, 255, 0, 255]], np.uint8)
        assert count_cells(touching_at_a_corner) == 2

    def test_none(self):
        assert count_cells(np.zeros((3, 4), np.uint8)) == 0


def test_axes_that_no_option_can_name_do_not_stop_the_others(folder):
    write_zarr(folder / "test" / "images" / "odd.zarr", np.zeros((3, 4, 5), np.uint8), "TYX")
    (notes,) = list((folder / "test" / "images" / "odd.zarr").glob("zarr.json"))
    notes.write_text(notes.read_text().replace('"name": "t"', '"name": "q"'))
    shutil.rmtree(folder / "test" / "labels")
    findings = {found.name: found.problem for found in check_data(folder)}
    assert "its axes must be of T, C, Z, Y, X" in findings["odd"]
    assert findings["test_00"] is None


class TestIdsOfSeveralPieces:
    SPLIT = np.array([[1, 1, 0, 1], [0, 2, 2, 0], [3, 0, 0, 2]])  # 1 is apart, 2 touches itself at a corner only

    def test_pieces_that_share_no_edge(self):
        assert count_split_ids(self.SPLIT) == 2
        assert count_split_ids(np.where(self.SPLIT == 1, 9, self.SPLIT)) == 2
        assert count_split_ids(some_cells()) == 0

    def test_a_binary_label_has_no_ids(self):
        assert count_split_ids((self.SPLIT > 0) * 255) == 0
        assert count_split_ids(np.zeros((3, 4), np.uint8)) == 0

    def test_one_note_names_the_label_with_most(self, folder):
        assert describe_split_ids(check_data(folder)) is None
        for name, cells in (("train_00", 1), ("train_02", 2)):
            path = folder / "train" / "labels" / f"{name}.tif"
            label = tifffile.imread(path)
            for cell in range(1, cells + 1):
                label[cell * 3, -1] = cell
            tifffile.imwrite(path, label)
            note = describe_split_ids(check_data(folder))
            if cells == 1:
                assert note == "ids with several pieces: 1 in train_00; in training, each piece is a cell of its own"
        assert note.startswith("ids with several pieces: 3 in 2 labels, 2 of them in that of train_02; in training, each")


class TestNotAnnotated:
    """An image that is annotated in its left third, and one without any cell."""

    @pytest.fixture
    def folder(self, tmp_path):
        write_folder(tmp_path, train=3, test=0)
        tifffile.imwrite(tmp_path / "train/labels/train_02.tif", np.zeros(SHAPE, np.uint8))
        path = tmp_path / "train/ignore/train_01.tif"
        path.parent.mkdir()
        ignored = np.ones(SHAPE, np.uint8)
        ignored[:, :28] = 0
        tifffile.imwrite(path, ignored)
        return tmp_path

    def test_does_not_count(self, folder):
        label = tifffile.imread(folder / "train/labels/train_01.tif")[:, :28]
        whole, part, empty = check_data(folder)
        assert [one.problem for one in (whole, part, empty)] == [None] * 3
        assert part.ignored == pytest.approx(0.75)
        assert part.foreground == pytest.approx((label > 0).mean())
        assert part.cells == len(np.unique(label)) - 1 < whole.cells
        assert (whole.ignored, empty.ignored, empty.cells) == (0, 0, 0)

    def test_is_counted_in_words(self, folder):
        findings = check_data(folder)
        assert describe_ignored(findings) == (
            "not annotated: 25.0% of the pixels, in 1 of 3 training images; they do not count"
        )
        assert describe_without_cells(findings) == (
            "without any cell: 1 of 3 training images (train_02); they are learned as background"
        )
        assert describe_ignored(findings[:1]) is None
        assert describe_without_cells(findings[:1]) is None

    @pytest.mark.parametrize(
        ("plane", "problem"),
        [
            (np.ones(SHAPE, np.uint8), "ignore/train_01.tif: a label must have annotated pixels, got none in all 10752"),
            (np.ones((9, 9), np.uint8), "ignore/train_01.tif: an ignore file must have the size of its label, got 9 x 9"),
        ],
    )
    def test_bad_files_are_one_line(self, folder, plane, problem):
        tifffile.imwrite(folder / "train/ignore/train_01.tif", plane)
        found = problems_of(folder)
        assert list(found) == ["train_01"]
        assert problem in found["train_01"]
        assert "\n" not in found["train_01"]

    def test_the_background_that_is_numbered_too_is_found_in_the_rest(self, folder):
        label = (LABEL > 0) + np.int16(1)
        tifffile.imwrite(folder / "train/labels/train_01.tif", np.where(np.arange(SHAPE[1]) > 60, -1, label))
        assert "must be 0 in the background, got the values 1, 2 and no 0" in problems_of(folder)["train_01"]

    def test_a_cell_over_most_of_the_annotated_part_is_a_warning(self, folder):
        label = np.full(SHAPE, -1, np.int16)
        label[10:30, 10:30], label[10:14, 10:30] = 5, 0
        tifffile.imwrite(folder / "train/labels/train_00.tif", label)
        assert "one cell covers 80% of the image" in check_data(folder)[0].warning
