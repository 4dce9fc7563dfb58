"""A movie written frame by frame."""

import errno
import gc
import tracemalloc

import numpy as np
import pytest
import tifffile

from livecell_monai.data.plane_files import mask_pixels
from livecell_monai.data.readers import open_stack
from livecell_monai.errors import DataError
from livecell_monai.outputs import movie_file
from livecell_monai.outputs.movie_file import MovieFile, MovieMetadata

PIXELS = np.random.default_rng(0).integers(0, 2, (5, 20, 30)).astype(bool)
METADATA = MovieMetadata("cells", 5, (0.5, 0.25), 7.5, "GFP é")


def write(path, metadata=METADATA, planes=PIXELS):
    movie = MovieFile(path, metadata)
    for plane in planes:
        movie.append(mask_pixels(plane))
    return movie


def test_readers_find_one_series_with_metadata(tmp_path):
    write(tmp_path / "a.ome.tif").close()
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
    write(tmp_path / "a.ome.tif", MovieMetadata("cells", 5)).close()
    with open_stack(tmp_path / "a.ome.tif") as stack:
        assert (stack.pixel_size_um, stack.interval_min, stack.channels) == (None, None, ())
        assert stack.length("T") == 5


def test_probabilities_are_lossless(tmp_path):
    planes = np.random.default_rng(1).random((3, 9, 11), np.float32)
    movie = MovieFile(tmp_path / "a.ome.tif", MovieMetadata("cells", 3))
    for plane in planes:
        movie.append(plane)
    movie.close()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), planes)


def test_movie_above_four_gigabytes_is_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(movie_file, "_CLASSIC_TIFF_BYTES", PIXELS.size - 1)
    write(tmp_path / "a.ome.tif").close()
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_bigtiff
        assert (tif.series[0].axes, tif.series[0].shape) == ("TYX", PIXELS.shape)


def test_file_is_published_after_the_last_frame(tmp_path):
    (tmp_path / "a.ome.tif").write_text("of an earlier run")
    movie = write(tmp_path / "a.ome.tif", planes=PIXELS[:4])
    assert (tmp_path / "a.ome.tif").read_text() == "of an earlier run"
    with pytest.raises(ValueError, match="expected 5 frames before closing, got 4"):
        movie.close()
    movie.append(mask_pixels(PIXELS[4]))
    movie.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.tif"]
    assert tifffile.imread(tmp_path / "a.ome.tif").shape == PIXELS.shape


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_discarded_movie_leaves_no_file(tmp_path, frames):
    movie = write(tmp_path / "a.ome.tif", planes=PIXELS[:frames])
    movie.discard()
    movie.discard()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_gives_one_line(tmp_path, monkeypatch):
    movie = write(tmp_path / "a.ome.tif", planes=PIXELS[:2])

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
    with pytest.raises(DataError, match=r"a\.ome\.tif: cannot be written \(No space left on device\); make room"):
        movie.append(mask_pixels(PIXELS[2]))
    movie.discard()
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path):
    plane = np.zeros((256, 256), np.uint8)
    movie = MovieFile(tmp_path / "a.ome.tif", MovieMetadata("cells", 200))
    held = []
    tracemalloc.start()
    try:
        for _ in range(4):
            for _ in range(50):
                movie.append(plane)
            gc.collect()  # what is left is held by the writer, not waiting for the collector
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    movie.close()
    assert held[-1] < held[0] + plane.nbytes  # less than one frame more after 150 frames
