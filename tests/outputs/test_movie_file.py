"""A movie written frame by frame."""

import errno
import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from livecell_monai.data.plane_files import mask_pixels
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError
from livecell_monai.outputs import movie_file
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.movie_file import MovieWriter

PIXELS = np.random.default_rng(0).integers(0, 2, (5, 20, 30)).astype(bool)
FIRST = Prediction("a", "a.tif", PIXELS[0], {}, (0.5, 0.25), 0.1, Frame(0, 0, 5, 7.5, "GFP é"))


def write(folder, first=FIRST, planes=None):
    """Append planes as the frames of a movie, whose first frame is given."""
    movie = MovieWriter(".ome.tif")
    for position, plane in enumerate(mask_pixels(PIXELS) if planes is None else planes):
        movie.append(replace(first, frame=replace(first.frame, position=position)), plane, folder)
    return movie


def test_readers_find_one_series_with_metadata(tmp_path):
    write(tmp_path)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        (series,) = tif.series
        assert (series.axes, series.shape, series.dtype) == ("TYX", PIXELS.shape, np.uint8)
        np.testing.assert_array_equal(series.asarray(), PIXELS * np.uint8(255))
        assert not tif.is_bigtiff
        assert {page.compression for page in tif.pages} == {tifffile.COMPRESSION.ADOBE_DEFLATE}
        # for readers that ignore OME-XML
        pixels, centimetres = tif.pages[0].tags.valueof(282)
        assert pixels / centimetres == pytest.approx(1e4 / 0.25)
        xml = tif.ome_metadata
    assert 'TimeIncrement="7.5" TimeIncrementUnit="min"' in xml
    assert 'SizeT="5"' in xml
    with open_stack(tmp_path / "a.ome.tif") as stack:
        assert (stack.pixel_size_um, stack.interval_min, stack.channels) == ((0.5, 0.25), 7.5, ("GFP é",))


def test_unknown_metadata_is_left_out(tmp_path):
    write(tmp_path, replace(FIRST, pixel_size_um=None, frame=Frame(0, 0, 5)))
    with open_stack(tmp_path / "a.ome.tif") as stack:
        assert (stack.pixel_size_um, stack.interval_min, stack.channels) == (None, None, ())
        assert stack.length("T") == 5


def test_probabilities_are_lossless(tmp_path):
    planes = np.random.default_rng(1).random((3, 9, 11), np.float32)
    write(tmp_path, replace(FIRST, frame=Frame(0, 0, 3)), planes)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), planes)
    with tifffile.TiffFile(next(tmp_path.glob("*.tif"))) as tif:
        assert tif.pages[0].predictor == tifffile.PREDICTOR.NONE  # ImageJ ignores that of floats


def test_movie_above_four_gigabytes_is_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(movie_file, "_CLASSIC_TIFF_BYTES", PIXELS.size - 1)
    write(tmp_path)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_bigtiff
        assert (tif.series[0].axes, tif.series[0].shape) == ("TYX", PIXELS.shape)


def test_file_is_published_after_the_last_frame(tmp_path):
    (tmp_path / "a.ome.tif").write_text("of an earlier run")
    movie = write(tmp_path, planes=mask_pixels(PIXELS[:4]))
    assert (tmp_path / "a.ome.tif").read_text() == "of an earlier run"
    movie.append(replace(FIRST, frame=Frame(4, 4, 5)), mask_pixels(PIXELS[4]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.tif"]
    assert tifffile.imread(tmp_path / "a.ome.tif").shape == PIXELS.shape


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_discarded_movie_leaves_no_file(tmp_path, frames):
    movie = write(tmp_path, planes=mask_pixels(PIXELS[:frames]))
    assert len(list(tmp_path.iterdir())) == min(frames, 1)
    movie.discard()
    movie.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["write", "close"])
def test_full_disk_gives_one_line(tmp_path, monkeypatch, failing):
    movie = write(tmp_path, planes=mask_pixels(PIXELS[:4]))

    close = tifffile.TiffWriter.close

    def fail(writer, *arguments, **options):
        close(writer)  # no file stays open behind the test
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, failing, fail)
    with pytest.raises(DataError, match=r"a\.ome\.tif: cannot be written \(No space left on device\); make room"):
        movie.append(replace(FIRST, frame=Frame(4, 4, 5)), mask_pixels(PIXELS[4]), tmp_path)
    movie.discard()
    assert list(tmp_path.iterdir()) == []


WRITERS = [tracemalloc.Filter(True, f"*{name}*") for name in ("livecell_monai", "tifffile", "numpy", "test_movie_file")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path):
    plane = np.zeros((256, 256), np.uint8)
    movie, held = MovieWriter(".ome.tif"), []
    tracemalloc.start()
    try:
        for position in range(200):
            movie.append(replace(FIRST, frame=Frame(position, position, 200)), plane, tmp_path)
            if position % 50 == 49:
                gc.collect()  # what is left is held by the writer, not waiting for the collector
                traces = tracemalloc.take_snapshot().filter_traces(WRITERS)  # other threads of the process allocate too
                held.append(sum(each.size for each in traces.statistics("filename")))
    finally:
        tracemalloc.stop()
    assert held[2] < held[0] + plane.nbytes  # less than one frame more after 100 frames
