"""ROIs of ImageJ: what roifile reads, and the kinds that the ROI Manager saves."""

import zipfile

import numpy as np
import pytest
import roifile

from livecell_monai.errors import DataError
from livecell_monai.exchange.base import LabelledPlane
from tests.support.annotated import MIXED, read_all, to_labels, write_labels, write_planes


def test_roifile_reads_names_boxes_and_corners(tmp_path):
    rois = roifile.roiread(write_labels("roi", tmp_path, MIXED))
    assert [roi.name for roi in rois] == ["0001", "0002", "0003", "0004", "0005", "0007"]
    assert [roi.composite for roi in rois] == [True, True, False, False, False, False]  # holes and parts
    single = rois[2]
    assert single.roitype == roifile.ROI_TYPE.TRACED
    assert (single.left, single.top, single.right, single.bottom) == (2, 2, 3, 3)
    assert single.coordinates().tolist() == [[2, 2], [3, 2], [3, 3], [2, 3]]
    assert sorted(len(ring) for ring in rois[1].coordinates(multi=True)) == [5, 5]  # closed
    assert not any(roi.position or roi.t_position for roi in rois)


def test_frames_are_positions(tmp_path):
    planes = [LabelledPlane("a", MIXED, frame, 2) for frame in range(2)]
    path = write_planes("roi", tmp_path / "a.zip", planes)
    assert {(roi.t_position, roi.position) for roi in roifile.roiread(path)} == {(0, 1), (0, 2)}
    with zipfile.ZipFile(path) as file:
        assert len(set(file.namelist())) == 12


@pytest.mark.parametrize("name", ["position", "t_position"])
def test_frames_of_a_stack_and_of_a_hyperstack(name, tmp_path):
    """ImageJ writes the one for a movie without channels, the other for one with channels."""
    rois = [
        roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=2, bottom=2, name=f"{frame}", **{name: frame + 1})
        for frame in (0, 4)
    ]
    assert [found.frame for found in read_all("roi", save(tmp_path / "a.zip", *rois))] == [0, 4]


def test_coordinates_beyond_those_of_polygons(tmp_path):
    labels = np.zeros((2, 60_540), np.uint8)
    labels[:, 60_530:60_538] = 1
    (found,) = read_all("roi", write_labels("roi", tmp_path, labels))
    np.testing.assert_array_equal(to_labels(found, labels.shape)[0], labels)


def save(path, *rois):
    roifile.roiwrite(path, rois if path.suffix == ".zip" else rois[0])
    return path


def test_kinds_of_rois(tmp_path):
    kinds = roifile.ROI_TYPE
    box = {"left": 1, "top": 1, "right": 5, "bottom": 4}
    polygon = roifile.ImagejRoi.frompoints(np.array([(0, 0), (0, 3), (3, 3), (3, 0)]), name="first")
    rois = [
        polygon,
        roifile.ImagejRoi(roitype=kinds.RECT, name="box", **box),
        roifile.ImagejRoi(roitype=kinds.OVAL, name="region 1", **box),
        roifile.ImagejRoi(roitype=kinds.LINE, name="line", **box),
    ]
    (found,) = read_all("roi", save(tmp_path / "a.zip", *rois))
    assert [each.kind for each in found.objects] == ["", "", "region 1"]
    assert found.without_area == 1
    areas = [to_labels(found.__class__(**{**vars(found), "objects": (each,)}), (9, 9)) for each in found.objects]
    assert [int((labels > 0).sum()) for labels, _, _ in areas[:2]] == [9, 12]
    assert int((~areas[2][1]).sum()) in (8, 10, 12)  # an oval of 4 x 3


def make_composite(*numbers):
    """A composite ROI of segments: 0 begins a ring, 1 draws a line, 2 and 3 draw curves, 4 closes the ring."""
    shown = {"roitype": roifile.ROI_TYPE.RECT, "options": roifile.ROI_OPTIONS.NONE, "name": "x"}
    path = np.array(numbers, np.float32)
    return roifile.ImagejRoi(right=15, bottom=15, shape_roi_size=len(path), multi_coordinates=path, **shown)


def test_a_composite_roi_without_an_area(tmp_path):
    line = make_composite(0, 5, 5, 1, 10, 10, 4)
    cell = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=5, bottom=5, name="y")
    (found,) = read_all("roi", save(tmp_path / "a.zip", line, cell))
    assert (len(found.objects), found.without_area) == (1, 1)


def test_a_composite_roi_with_a_curve(tmp_path):
    path = save(tmp_path / "a.zip", make_composite(0, 5, 5, 2, 10, 10, 12, 5, 1, 5, 15, 4))
    with pytest.raises(
        DataError, match=r"x\.roi \(its outline has curves, which are not read; in ImageJ, .* Create Selection\)"
    ):
        read_all("roi", path)


def test_a_single_roi(tmp_path):
    path = save(tmp_path / "a.roi", roifile.ImagejRoi.frompoints(np.array([(0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)])))
    (found,) = read_all("roi", path)
    assert found.name == "a"
    assert to_labels(found, (4, 4))[0].sum() == 4


def test_an_oval_beyond_measure(tmp_path):
    options = roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, options=options, name="a", version=228)
    oval.xd, oval.yd, oval.widthd, oval.heightd = 0.0, 0.0, 1e30, 5.0
    with pytest.raises(DataError, match="a coordinate must be at most 1,000,000,000 pixels"):
        read_all("roi", save(tmp_path / "a.roi", oval))


def test_an_empty_zip_is_none_of_ours(tmp_path):
    (found,) = read_all("roi", write_labels("roi", tmp_path, np.zeros_like(MIXED)))
    assert found.objects == ()
    with pytest.raises(DataError, match=r"b\.zip: a zip must hold ROIs, it is empty; save it again by the ROI Manager"):
        read_all("roi", make_zip(tmp_path / "b.zip", []))


def make_zip(path, names, data=b"Iout"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../a.roi", "/a.roi", "x/../../a.roi", "..\\a.roi"])
def test_names_that_lead_out_of_a_zip(name, tmp_path):
    with pytest.raises(DataError, match="names in a zip must stay inside of it"):
        read_all("roi", make_zip(tmp_path / "a.zip", [name]))


def test_a_roi_that_expands_beyond_measure(tmp_path):
    with pytest.raises(DataError, match="a ROI must have at most 67108864 bytes"):
        read_all("roi", make_zip(tmp_path / "a.zip", ["a.roi"], bytes(2**26 + 1)))


def test_damaged_files(tmp_path):
    for path in (make_zip(tmp_path / "a.zip", ["b.roi"]), tmp_path / "b.zip", tmp_path / "a.roi"):
        if not path.exists():
            path.write_bytes(b"no zip")
        with pytest.raises(DataError, match=r"cannot be read as ImageJ ROIs.*export it again"):
            read_all("roi", path)


def test_other_files_in_a_zip_are_no_rois(tmp_path):
    (found,) = read_all("roi", make_zip(tmp_path / "a.zip", ["__MACOSX/._a.roi", "notes.txt"]))
    assert found.objects == ()
    with pytest.raises(DataError, match=r"a zip must hold ROIs, got annotations\.xml; unpack it"):
        read_all("roi", make_zip(tmp_path / "b.zip", ["annotations.xml"]))
