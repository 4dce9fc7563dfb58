"""XML of CVAT."""

import numpy as np
import pytest

from livecell_monai.errors import DataError
from tests.support.annotated import read_all, to_labels

IMAGE = """<annotations><version>1.1</version><meta/>
<image id="0" name="set/a.png" width="8" height="6">
<polygon label="cell" points="0.00,0.00;2.00,0.00;2.00,2.00;0.00,2.00" z_order="0"/>
<box label="cell" xtl="3" ytl="0" xbr="5" ybr="1"/>
<mask label="cell" rle="0, 1, 1, 2" left="0" top="4" width="2" height="2"/>
<ellipse label="ignore" cx="6.5" cy="4.5" rx="0.6" ry="0.6"/>
<polyline label="cell" points="1,1;2,2"/><points label="cell" points="1,1"/><tag label="sharp"/>
</image>
<image id="1" name="b.png" width="8" height="6"/></annotations>"""
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotations>&b;</annotations>'


def write(path, text):
    path.write_text(text)
    return path


def test_shapes(tmp_path):
    first, second = read_all("cvat", write(tmp_path / "a.xml", IMAGE))
    assert (first.name, first.size, first.without_area) == ("a", (6, 8), 2)
    assert (second.name, second.objects) == ("b", ())
    labels, outside, _ = to_labels(first, (6, 8))
    expected = np.zeros((6, 8), int)
    expected[:2, :2], expected[0, 3:5] = 1, 2
    expected[4, 0] = expected[5, :2] = 3
    assert (labels == expected).all()
    assert np.argwhere(outside).tolist() == [[4, 6]]


def test_a_group_is_one_object(tmp_path):
    boxes = (
        f'<box label="cell" xtl="{x}" ytl="0" xbr="{x + 1}" ybr="1" group_id="{group}"/>'
        for x, group in ((0, 2), (2, 2), (4, 0))
    )
    text = f'<annotations><image name="a.png" width="8" height="6">{"".join(boxes)}</image></annotations>'
    (found,) = read_all("cvat", write(tmp_path / "a.xml", text))
    assert to_labels(found, (6, 8))[0][0, :5].tolist() == [1, 0, 1, 0, 2]


def make_image(shape):
    return f'<annotations><image name="a.png" width="50" height="40">{shape}</image></annotations>'


def test_rotated_shapes(tmp_path):
    shapes = (
        '<box label="cell" xtl="10" ytl="19" xbr="30" ybr="21" rotation="90"/>',
        '<ellipse label="cell" cx="40" cy="20" rx="8" ry="1" rotation="90.0"/>',
    )
    (found,) = read_all("cvat", write(tmp_path / "a.xml", make_image("".join(shapes))))
    labels, _, _ = to_labels(found, (40, 50))
    rows, columns = np.nonzero(labels == 1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 29, 19, 20)
    rows, columns = np.nonzero(labels == 2)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (13, 26, 39, 40)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<ellipse cx="1" cy="1" rx="1e12" ry="1"/>', "rx must be at most 1,000,000,000 pixels"),
        ('<ellipse cx="1" cy="nan" rx="1" ry="1"/>', "cy is no finite number"),
        ('<ellipse cx="1" cy="1" rx="1" ry="1" rotation="much"/>', "rotation must be a number, got 'much'"),
        ('<polygon points="1,1;2,inf;3,3"/>', "a coordinate is no finite number"),
        ('<mask rle="0,9" left="0" top="0" width="1000000" height="1000000"/>', "size of its image, 40 x 50, got 1000000 x"),
    ],
)
def test_numbers_without_a_meaning(shape, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        read_all("cvat", write(tmp_path / "a.xml", make_image(shape)))
    (found,) = read_all("cvat", write(tmp_path / "b.xml", make_image('<ellipse cx="1" cy="1" rx="1e8" ry="1e8"/>')))
    assert to_labels(found, (40, 50))[0].all()


def test_a_document_type(tmp_path):
    with pytest.raises(DataError, match=r"\(a document type is not allowed\)"):
        read_all("cvat", write(tmp_path / "a.xml", BOMB))


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "<annotations><image",
        "<svg/>",
        '<annotations><image name="a.png" width="8" height="6"><mask rle="0,99" left="0" top="0" width="2" height="2"/>'
        "</image></annotations>",
        '<annotations><image width="8" height="6"/></annotations>',
        '<annotations><track id="0" label="cell"/></annotations>',
    ],
)
def test_damaged_files(text, tmp_path):
    with pytest.raises(DataError, match=r"a\.xml: cannot be read as CVAT XML \(for images 1\.1\)"):
        read_all("cvat", write(tmp_path / "a.xml", text))
