"""Written files are read back exactly: pixels, pixel sizes, intervals, regions."""

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from livecell_monai.data.plane_files import mask_pixels, write_mask, write_plane
from livecell_monai.data.readers import close_last, open_stack
from livecell_monai.data.readers.kinds import read_border, read_label, read_plane
from livecell_monai.data.units import UNITS_MIN, even_interval, to_minutes
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder
from livecell_monai.outputs.movie_file import MovieWriter

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
#: (Y, X) µm; None where unknown
pixel_sizes = st.none() | st.tuples(st.floats(0.01, 500), st.floats(0.01, 500))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), min_size=1, max_size=20).filter(str.strip)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A new path for each example."""
    folder, numbers = tmp_path_factory.mktemp("round"), itertools.count()
    return lambda ending: folder / f"{next(numbers)}{ending}"


def close(found, expected):
    return found is None if expected is None else found == pytest.approx(expected, rel=1e-5)


class TestPlanes:
    @given(mask=hnp.arrays(bool, shapes), size=pixel_sizes)
    def test_a_mask(self, place, mask, size):
        path = place(".tif")
        write_mask(path, mask, size)
        plane = read_plane(path)
        np.testing.assert_array_equal(plane.pixels, mask_pixels(mask))
        assert close(plane.pixel_size_um, size)
        np.testing.assert_array_equal(read_label(path) > 0, mask)

    @given(ids=hnp.arrays(np.uint16, shapes), size=pixel_sizes)
    def test_a_label_or_an_image(self, place, ids, size):
        path = place(".ome.tif")
        write_plane(path, ids, size)
        plane = read_plane(path)
        assert plane.pixels.dtype == np.uint16
        np.testing.assert_array_equal(plane.pixels, ids)
        assert close(plane.pixel_size_um, size)

    @given(weights=hnp.arrays(np.float32, shapes, elements=st.floats(0, 1, width=32)), size=pixel_sizes)
    def test_a_probability_or_a_border(self, place, weights, size):
        path = place(".tif")
        write_plane(path, weights, size)
        assert read_plane(path).pixels.tobytes() == weights.tobytes()
        np.testing.assert_array_equal(read_border(path), weights)


class TestMovies:
    @given(
        planes=hnp.arrays(np.uint8, st.tuples(st.integers(2, 5), st.integers(1, 20), st.integers(1, 20))),
        size=pixel_sizes,
        interval=st.none() | st.floats(1e-3, 1e5),
        channel=st.none() | texts,
    )
    def test_frames_and_what_the_file_states(self, place, planes, size, interval, channel):
        path = place(".ome.tif")
        name, movie = path.name.removesuffix(".ome.tif"), MovieWriter(".ome.tif")
        for position, plane in enumerate(planes):
            frame = Frame(position, position, len(planes), interval, channel)
            movie.append(Prediction(name, path, plane, {}, size, 0.1, frame), plane, path.parent)
        with open_stack(path) as stack:
            assert stack.length("T") == len(planes)
            assert close(stack.pixel_size_um, size)
            assert close(stack.interval_min, interval)
            assert stack.channels == (() if channel is None else (channel,))
            for index, plane in enumerate(planes):
                np.testing.assert_array_equal(stack.read(index, 0, 0), plane)
        close_last()


class TestMosaics:
    @given(
        edges=st.tuples(st.integers(1, 2 * CHUNK + 9), st.integers(1, 2 * CHUNK + 9)),
        cuts=st.tuples(*[st.lists(st.floats(0, 1), max_size=3)] * 2),
        seed=st.integers(0, 2**31),
    )
    def test_parts_of_any_size_make_the_mask(self, place, edges, cuts, seed):
        generator = np.random.default_rng(seed)
        mask = generator.integers(0, 256, edges, np.uint8)
        folder = LargeImageFolder(place(""), "large")
        folder.start({"started_with": {}}, edges, np.zeros((1, 1), np.uint8))
        rows, columns = (
            sorted({0, edge, *(round(share * edge) for share in shares)}) for edge, shares in zip(edges, cuts, strict=True)
        )
        parts = [(*one, *other) for one in itertools.pairwise(rows) for other in itertools.pairwise(columns)]
        with ChunkWriter(folder.array()) as writer:
            for index in generator.permutation(len(parts)):
                top, bottom, left, right = parts[index]
                writer.add(top, left, mask[top:bottom, left:right])
        np.testing.assert_array_equal(folder.array()[:], mask)
        assert folder.missing_bands() == []
        folder.remove()


class TestIntervals:
    @given(minutes=st.floats(1e-3, 1e4), unit=st.sampled_from(sorted(UNITS_MIN)), spaces=st.sampled_from(["", " ", "\t"]))
    def test_a_time_is_the_same_in_every_unit(self, minutes, unit, spaces):
        assert to_minutes(minutes / UNITS_MIN[unit], f"{spaces}{unit.upper() if unit.isascii() else unit}{spaces}") == (
            pytest.approx(minutes)
        )

    @given(value=st.sampled_from([0.0, -1.0, math.nan, math.inf, -math.inf]), unit=st.sampled_from([*UNITS_MIN, "", "px"]))
    def test_what_is_no_time_is_none(self, value, unit):
        assert to_minutes(value, unit) is None

    @given(
        step=st.floats(1e-3, 1e3),
        count=st.integers(2, 40),
        start=st.floats(-1e3, 1e3),
        shakes=st.lists(st.floats(-0.02, 0.02), min_size=40, max_size=40),
    )
    def test_frames_that_come_evenly_but_for_a_jitter(self, step, count, start, shakes):
        times = [start + step * (index + shake) for index, shake in zip(range(count), shakes, strict=False)]
        assert even_interval(times) == pytest.approx(step, rel=0.06)
        assert even_interval(times[::-1]) is None
        if count > 3:
            late = [*times[:-1], times[-1] + 0.5 * step]
            assert even_interval(late) is None
