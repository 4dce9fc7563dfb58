"""ND2: a real file of a Nikon microscope, since no library writes the format."""

import os
from pathlib import Path

import numpy as np
import pytest

from livecell_monai.data.readers import open_stack
from livecell_monai.data.readers.selection import choose_planes
from livecell_monai.errors import DataError, SettingError
from livecell_monai.sample import Region

nd2 = pytest.importorskip("nd2")


@pytest.mark.parametrize("data", [b"no ND2 file" * 40, b"\xda\xce\xbe\n" * 40], ids=["text", "start alone"])
def test_what_is_none_is_rejected(tmp_path, data):
    path = tmp_path / "a.nd2"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.nd2: cannot be read as ND2 \([^\n]+$"):
        open_stack(path)


@pytest.fixture
def cluster():
    path = Path(os.environ["LIVECELL_DATA"]) / "formats" / "cluster.nd2"
    assert path.is_file()
    return path


@pytest.mark.real
class TestCluster:
    def test_what_it_states(self, cluster):
        with open_stack(cluster) as stack:
            assert (stack.axes, stack.shape, stack.dtype) == ("TCZYX", (3, 2, 10, 31, 38), np.uint16)
            assert stack.pixel_size_um == pytest.approx((0.168, 0.168), abs=5e-4)
            assert stack.z_step_um == 0.5
            assert stack.interval_min is None  # recorded without a fixed interval
            assert stack.channels == ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS")

    def test_planes_and_parts(self, cluster):
        expected = nd2.imread(cluster)  # (T, Z, C, Y, X)
        part = Region(3, 5, 20, 38)
        with open_stack(cluster) as stack:
            for time, channel, z in np.ndindex(3, 2, 10):
                plane = stack.read(time, channel, z)
                np.testing.assert_array_equal(plane, expected[time, z, channel])
                np.testing.assert_array_equal(stack.read(time, channel, z, part), part.crop(expected[time, z, channel]))
            assert plane.flags.writeable
            assert plane.flags.c_contiguous

    def test_a_choice_is_requested(self, cluster):
        with open_stack(cluster) as stack:
            with pytest.raises(SettingError, match=r"channels 0 5-FAM/pH 9.0, 1 FM 4-64/2% CHAPS"):
                choose_planes(stack)
            assert len(choose_planes(stack, channel="5-FAM/pH 9.0", z=4)) == 3

    def test_cut_off(self, cluster, tmp_path):
        data = cluster.read_bytes()
        path = tmp_path / "a.nd2"
        for length in (10, 1000, len(data) // 2, len(data) - 3000, len(data) - 5):
            path.write_bytes(data[:length])
            with pytest.raises(DataError, match=r"a\.nd2: cannot be read as ND2 \([^\n]+$"):
                open_stack(path)
