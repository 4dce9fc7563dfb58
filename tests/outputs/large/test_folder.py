"""The hidden folder of a large image: record, missing chunks, publication; the finished mask, read in parts."""

import numpy as np
import pytest
import tifffile
import zarr

from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.large.chunks import CHUNK, ChunkWriter
from livecell_monai.outputs.large.folder import LargeImageFolder, open_finished

STARTED = {"image": {"file": "large.tif", "bytes": 7}, "threshold": 0.5}
RECORD = {"started_with": STARTED, "grey": {"low": 0.0}}
SHAPE = (3 * CHUNK + 5, CHUNK + 1)
MASK = (np.random.default_rng(0).random((700, 500)) < 0.3).astype(np.uint8) * 255


@pytest.fixture
def folder(tmp_path):
    made = LargeImageFolder(tmp_path / "out", "large")
    made.start(RECORD, SHAPE, np.arange(6, dtype=np.uint16).reshape(2, 3))
    return made


def fill(folder, *rows):
    with ChunkWriter(folder.array()) as writer:
        for row in rows:
            writer.add(row * CHUNK, 0, np.zeros((min(CHUNK, SHAPE[0] - row * CHUNK), SHAPE[1]), np.uint8))


def test_folder_is_hidden_and_has_a_record(folder, tmp_path):
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".large.writing"]
    assert folder.read_record() == RECORD
    assert folder.array().shape == SHAPE
    np.testing.assert_array_equal(folder.thumbnail(), [[0, 1, 2], [3, 4, 5]])


def test_folder_that_was_not_started_has_no_record(folder, tmp_path):
    assert LargeImageFolder(tmp_path, "other").read_record() is None
    folder.ledger.record_file.unlink()
    assert folder.read_record() is None


def test_damaged_record_is_rejected(folder):
    folder.ledger.record_file.write_text('{"image": ')
    with pytest.raises(DataError, match=r"record\.json: the record of a large image"):
        folder.read_record()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 0.6}, "a large image must resume with the same threshold: started with 0.5, now 0.6"),
        ({"image": {"file": "large.tif", "bytes": 8}}, "same image.bytes: started with 7, now 8"),
        ({"weights": "ab"}, "same weights: started with nothing"),
    ],
)
def test_different_image_or_setting_is_rejected(folder, change, words):
    folder.ledger.check_same(STARTED)
    with pytest.raises(SettingError, match=words) as refusal:
        folder.ledger.check_same({**STARTED, **change})
    assert "\n" not in str(refusal.value)


def test_missing_bands_are_rows_of_chunks(folder):
    whole = (0, SHAPE[0])
    assert folder.missing_bands() == [whole]
    fill(folder, 1)
    assert folder.missing_bands() == [(0, CHUNK), (2 * CHUNK, SHAPE[0])]
    (folder.image / "0" / "c" / "1" / "1").unlink()
    assert folder.missing_bands() == [whole]
    fill(folder, 0, 1, 2, 3)
    assert folder.missing_bands() == []


def test_partial_file_is_not_a_chunk(folder):
    row = folder.image / "0" / "c" / "0"
    row.mkdir(parents=True)
    (row / "1.5d41402abc4b2a76b9719d911017c592.partial").write_bytes(b"half")
    assert folder.done() == frozenset()


def test_partial_files_are_not_published(folder, tmp_path):
    (folder.image / "0" / "c" / "0").mkdir(parents=True)
    (folder.image / "0" / "c" / "0" / "1.5d41402abc4b2a76b9719d911017c592.partial").write_bytes(b"half")
    folder.publish({folder.image: tmp_path / "out" / "large.ome.zarr"})
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_start_deletes_an_earlier_folder(folder):
    fill(folder, 0)
    folder.start({"started_with": {"threshold": 1}}, SHAPE, np.zeros((1, 1), np.uint8))
    assert folder.done() == frozenset()
    assert folder.read_record() == {"started_with": {"threshold": 1}}


@pytest.mark.parametrize("old", ["nothing", "file", "folder"])
def test_publish_replaces_an_earlier_result(folder, tmp_path, old):
    target = tmp_path / "out" / "large.ome.zarr"
    if old == "file":
        target.write_text("old")
        finished = folder.path / "mask.ome.tif"
        finished.write_text("new")
    else:
        finished = folder.image
    if old == "folder":
        (target / "0").mkdir(parents=True)
        (target / "0" / "old").write_text("old")
    folder.publish({finished: target})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["large.ome.zarr"]
    assert target.is_file() if old == "file" else (target / "zarr.json").is_file()
    assert not (target / "0" / "old").exists()


@pytest.mark.parametrize("form", ["tiff", "zarr"])
def test_parts_of_both_formats(tmp_path, form):
    path = tmp_path / {"tiff": "large.ome.tif", "zarr": "large.ome.zarr"}[form]
    if form == "tiff":
        with tifffile.TiffWriter(path, bigtiff=True) as tif:
            tif.write(MASK, tile=(128, 128), subifds=1)
            tif.write(MASK[::2, ::2], tile=(128, 128), subfiletype=1)
    else:
        zarr.open_group(path, mode="w").create_array("0", data=MASK, chunks=(128, 128))
    with open_finished(path) as array:
        assert array.shape == MASK.shape
        np.testing.assert_array_equal(array[100:333, 7:480], MASK[100:333, 7:480])


def test_incomplete_files_are_rejected(tmp_path):
    torn, empty = tmp_path / "large.ome.tif", tmp_path / "large.ome.zarr"
    torn.write_bytes(b"II+\0no more than this")
    empty.mkdir()
    for path in (torn, empty, tmp_path / "none.ome.tif"):
        with pytest.raises(DataError, match="the large image is incomplete") as refusal, open_finished(path):
            pass
        assert "\n" not in str(refusal.value)


def test_a_chunk_is_done_if_the_mask_and_all_maps_have_it(tmp_path):
    folder = LargeImageFolder(tmp_path / "out", "large")
    folder.start(RECORD, SHAPE, np.zeros((2, 3), np.uint16), ["foreground", "distance"])
    maps = folder.maps()
    assert {name: array.shape for name, array in maps.items()} == {"foreground": SHAPE, "distance": SHAPE}
    chunk = np.ones((CHUNK, CHUNK), np.uint8)
    for array in (folder.array(), maps["distance"]):
        with ChunkWriter(array) as writer:
            writer.add(0, 0, chunk)
    assert folder.done() == frozenset()
    with ChunkWriter(maps["foreground"]) as writer:
        writer.add(0, 0, chunk)
    assert folder.done() == {(0, 0)}


def test_without_cells_no_map_is_kept(folder):
    assert folder.maps() == {}


def test_a_mask_is_marked_until_it_is_replaced(tmp_path):
    folder, mask = LargeImageFolder(tmp_path, "a"), tmp_path / "a.ome.tif"
    folder.mark(mask)
    assert not folder.path.exists()  # there is nothing to replace
    mask.touch()
    assert not folder.is_unfinished()
    folder.mark(mask)
    assert folder.is_unfinished()
    folder.unmark()
    assert not folder.path.exists()
    folder.start(RECORD, (4, 5), np.zeros((2, 2)))
    folder.unmark()
    assert folder.is_unfinished()  # what was begun stays
