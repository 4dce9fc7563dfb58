"""What an engine leaves on disk, image by image."""

import errno
import threading
import time

import numpy as np
import pytest
import tifffile
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.data.readers import close_last
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import DataError, SettingError
from livecell_monai.outputs.base import Files, Output, OutputOptions
from livecell_monai.outputs.registry import BUILT_IN
from livecell_monai.outputs.unfinished import UnfinishedRun
from livecell_monai.prediction.writers import PredictionWriter
from livecell_monai.sample import OWN
from tests.support.driven import item, output, read_table, run
from tests.support.stack_files import write_ome_tiff
from tests.support.worlds import picture_of, some_cells

MASKS = [some_cells(seed=seed) > 0 for seed in range(3)]


EVERYTHING = ("mask", "summary", "confluency", "probability", "overlay")


class Spy(Output):
    """An output that does what a test wants with the predictions that it is given."""

    def __init__(self, look):
        self.look = look

    @property
    def files(self):
        return Files()

    def write(self, prediction, folder):
        self.look(prediction)
        return {}


@pytest.fixture
def spy(monkeypatch):
    """Registers an output `spy` that calls a function."""
    return lambda look: monkeypatch.setitem(BUILT_IN, "spy", lambda options: Spy(look))


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_no_thread_is_left_that_nobody_ends(tmp_path, end):
    """One that had only begun when Ctrl-C came would go on writing, and keep Python from its end for good."""
    writer, before = PredictionWriter(str(tmp_path / "out")), set(threading.enumerate())

    def step(engine, index):
        assert len(set(threading.enumerate()) - before) == 1  # there ahead of the first image
        raise end("in the middle")

    engine = Engine(step)
    writer.attach(engine)
    with pytest.raises(end, match="in the middle"):
        engine.run(range(3), max_epochs=1)
    assert set(threading.enumerate()) <= before
    run(writer, [item(0, tmp_path)], [output(MASKS[0])])  # and it may be used again
    assert (tmp_path / "out" / "cell_0.tif").is_file()


class TestPredictionWriter:
    def predict(self, folder, **options):
        items = [item(0, folder), item(1, folder, (np.nan, np.nan)), item(2, folder)]
        return run(PredictionWriter(str(folder / "out"), **options), items, [output(mask) for mask in MASKS])

    def test_masks(self, tmp_path):
        self.predict(tmp_path)
        for index, mask in enumerate(MASKS):
            written = tifffile.imread(tmp_path / "out" / f"cell_{index}.tif")
            assert written.dtype == np.uint8
            np.testing.assert_array_equal(written, mask * np.uint8(255))

    def test_pixel_size_where_the_file_tells(self, tmp_path):
        self.predict(tmp_path, outputs=("mask", "probability"))
        for name, expected in (("cell_0", pytest.approx((0.5, 0.25))), ("cell_1", None)):
            assert read_plane(tmp_path / "out" / f"{name}.tif").pixel_size_um == expected
            assert read_plane(tmp_path / "out" / f"{name}_probability.tif").pixel_size_um == expected

    def test_summary(self, tmp_path):
        writer = self.predict(tmp_path)
        rows = read_table(tmp_path / "out" / "summary.csv")
        assert list(rows[0]) == ["image", "foreground_fraction", "seconds"]
        assert [row["image"] for row in rows] == ["cell_0", "cell_1", "cell_2"]
        assert [float(row["foreground_fraction"]) for row in rows] == [round(mask.mean(), 6) for mask in MASKS]
        assert all(0 <= float(row["seconds"]) < 5 for row in rows)
        assert [str(row["foreground_fraction"]) for row in writer.rows] == [row["foreground_fraction"] for row in rows]

    def test_probability(self, tmp_path):
        self.predict(tmp_path, outputs=("mask", "probability"))
        written = tifffile.imread(tmp_path / "out" / "cell_0_probability.tif")
        assert written.dtype == np.float32
        np.testing.assert_allclose(written, MASKS[0] * 0.75 + 0.1, rtol=1e-6)

    @pytest.mark.parametrize("outputs", [("mask", "summary"), ("overlay",), EVERYTHING])
    def test_writes_the_files_that_it_names_and_no_others(self, tmp_path, outputs):
        for index in range(3):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[index]))
        writer = self.predict(tmp_path, outputs=outputs)
        expected = {name.format(name=f"cell_{index}") for index in range(3) for name in writer.files()}
        kinds = len({"mask", "overlay", "probability"} & set(outputs))
        assert len(expected) == 3 * kinds + ("summary" in outputs)
        assert {path.name for path in (tmp_path / "out").iterdir()} == expected

    def test_an_unknown_output_is_refused(self, tmp_path):
        with pytest.raises(SettingError, match=r"outputs must list some of mask, .*, got 'masks'"):
            PredictionWriter(str(tmp_path / "out"), ["mask", "masks"])

    def test_maps_have_the_names_of_the_channels(self, tmp_path, spy):
        seen = []
        spy(seen.append)
        maps = torch.rand(2, *MASKS[0].shape)
        options = OutputOptions(channels=("foreground", "border"))
        writer = PredictionWriter(str(tmp_path / "out"), ("spy", "probability"), options)
        run(writer, [item(0, tmp_path)], [{**output(MASKS[0]), "maps": maps}])
        for name, plane in zip(options.channels, maps.numpy(), strict=True):
            np.testing.assert_array_equal(seen[0].maps[name], plane)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "cell_0_border.tif"), maps[1].numpy())

    def test_cells_are_separated_by_the_settings_of_their_image(self, tmp_path):
        for index in range(2):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[0]))
        items = [item(0, tmp_path), {**item(1, tmp_path), OWN: {"min_cell_area": torch.tensor(10_000)}}]
        writer = PredictionWriter(str(tmp_path / "out"), ("summary",), cells=CellDecoder(cells=True))
        run(writer, items, [output(MASKS[0])] * 2)
        assert writer.rows[0]["cells"] > 0
        assert writer.rows[1]["cells"] == 0

    def test_maps_that_no_output_reads_are_not_kept(self, tmp_path, spy):
        seen = []
        spy(seen.append)
        self.predict(tmp_path, outputs=("spy", "mask"))
        assert [dict(prediction.maps) for prediction in seen] == [{}, {}, {}]

    def test_an_image_is_written_while_the_next_one_is_worked_on(self, tmp_path, spy):
        next_one_is_there, items = threading.Event(), [item(index, tmp_path) for index in range(2)]

        def look(prediction):
            if prediction.name == "cell_0":
                assert next_one_is_there.wait(timeout=30)

        def step(engine, index):
            if index == 1:
                next_one_is_there.set()
            engine.state.batch = [items[index]]
            return [output(MASKS[index])]

        spy(look)
        writer, engine = PredictionWriter(str(tmp_path / "out"), ("spy", "mask")), Engine(step)
        writer.attach(engine)
        engine.run(range(2), max_epochs=1)
        assert [row["image"] for row in writer.rows] == ["cell_0", "cell_1"]

    def test_each_image_has_its_own_seconds(self, tmp_path):
        """Those that the engine took for it, whatever its writing took."""
        takes = [0.3, 0.0, 0.15]

        def step(engine, index):
            time.sleep(takes[index])
            engine.state.batch = [item(index, tmp_path)]
            return [output(MASKS[index])]

        writer, engine = PredictionWriter(str(tmp_path / "out")), Engine(step)
        writer.attach(engine)
        engine.run(range(3), max_epochs=1)
        first, second, third = (row["seconds"] for row in writer.rows)
        assert first >= 0.3
        assert third >= 0.15
        assert second < min(first, third)

    @pytest.mark.parametrize("which", [0, 2], ids=["the first", "the last"])
    def test_a_full_disk_ends_the_run(self, tmp_path, spy, which):
        """Of the image that failed nothing is left, of those before it everything."""

        def look(prediction):
            if prediction.name == f"cell_{which}":
                raise DataError("no space left") from OSError(errno.ENOSPC, "No space left on device")

        spy(look)
        with pytest.raises(DataError, match="no space left"):
            self.predict(tmp_path, outputs=("mask", "spy"))
        written = {path.name for path in (tmp_path / "out").rglob("*.tif")} if (tmp_path / "out").exists() else set()
        assert written == {f"cell_{index}.tif" for index in range(which)}

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (ValueError("no valid OME-XML"), "cell_1.tif: its outputs cannot be made (ValueError: no valid OME-XML)"),
            (DataError("a.txt: must be short, it is long; cut it"), "a.txt: must be short"),
        ],
        ids=["a bug", "a user error"],
    )
    def test_what_goes_wrong_with_one_image_leaves_the_others(self, tmp_path, spy, error, words):
        def look(prediction):
            if prediction.name == "cell_1":
                raise error

        spy(look)
        writer = self.predict(tmp_path, outputs=("mask", "summary", "spy"))
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"cell_0.tif", "cell_2.tif", "summary.csv"}
        assert [row["image"] for row in read_table(tmp_path / "out" / "summary.csv")] == ["cell_0", "cell_2"]
        ((path, line),) = writer.failures.items()
        assert path.name == "cell_1.tif"
        assert words in line

    def test_a_folder_in_place_of_a_result_leaves_the_others(self, tmp_path):
        (tmp_path / "out" / "cell_1.tif").mkdir(parents=True)
        (tmp_path / "out" / "cell_1.tif" / "mine").touch()
        writer = self.predict(tmp_path, outputs=("mask", "summary"))
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "cell_0.tif",
            "cell_1.tif",
            "cell_2.tif",
            "summary.csv",
        ]
        assert (tmp_path / "out" / "cell_1.tif" / "mine").exists()
        assert [row["image"] for row in read_table(tmp_path / "out" / "summary.csv")] == ["cell_0", "cell_2"]
        ((path, line),) = writer.failures.items()
        assert line.startswith(f"{path}: its outputs cannot be written: {tmp_path}/out/cell_1.tif: cannot be written")
        assert line.endswith("remove that folder")

    @pytest.mark.parametrize("is_interrupted", [True, False])
    def test_an_earlier_table_of_cells_matters_only_where_its_results_stay(self, tmp_path, is_interrupted):
        """An interrupted run had begun to replace them."""
        out = tmp_path / "out"
        out.mkdir()
        (out / "cells.csv").touch()
        (out / "cells.json").write_text('{"table": "cells.csv"}')
        if is_interrupted:
            UnfinishedRun(out).start()
        again = UnfinishedRun(out, overwrite=False, resume=True)
        if not is_interrupted:
            with pytest.raises(SettingError, match=r"cells\.csv: a prediction with cells must be continued with cells"):
                PredictionWriter(str(out), run=again)
            return
        run(PredictionWriter(str(out), run=again), [item(0, tmp_path)], [output(MASKS[0])])
        assert {path.name for path in out.iterdir()} == {"cell_0.tif", "summary.csv"}

    def test_no_folder_where_there_is_no_result(self, tmp_path):
        writer = PredictionWriter(str(tmp_path / "out"))
        writer.finish()
        assert not (tmp_path / "out").exists()

    def test_a_row_of_elsewhere_is_on_disk_with_the_others(self, tmp_path):
        writer = self.predict(tmp_path)
        row = {"image": "large", "foreground_fraction": 0.5, "seconds": 1.0}
        writer.add(row)
        assert [found["image"] for found in read_table(tmp_path / "out" / "summary.csv")][-2:] == ["cell_2", "large"]


class TestMovie:
    """Frames of a movie of two channels, of which the second is predicted."""

    @pytest.fixture
    def movie(self, tmp_path):
        pictures = np.stack([picture_of(mask, seed) for seed, mask in enumerate(MASKS)])
        (tmp_path / "in").mkdir()
        yield write_ome_tiff(tmp_path / "in" / "cells.ome.tif", np.stack([pictures, pictures], axis=1), "TCYX")
        close_last()

    def frames(self, movie, positions=range(3)):
        for position in positions:
            meta = {"pixel_size_um": np.array((0.25, 0.5)), "filename_or_obj": f"{movie}::t={position},c=1,z=0"}
            image = MetaTensor(torch.zeros(1, 8, 8), meta=meta)
            yield {"name": "cells", "image": image, "frame": position, "position": position, "frames": 3}

    @pytest.mark.parametrize(("interval_min", "expected"), [(None, 1.5), (20, 20.0)])
    def test_frames_say_what_the_file_says(self, movie, tmp_path, spy, interval_min, expected):
        seen = []
        spy(seen.append)
        writer = PredictionWriter(str(tmp_path / "out"), ("spy", "mask"), interval_min=interval_min)
        run(writer, list(self.frames(movie)), [output(mask) for mask in MASKS])
        assert [(p.frame.index, p.frame.position, p.frame.frames) for p in seen] == [(0, 0, 3), (1, 1, 3), (2, 2, 3)]
        assert [p.frame.interval_min for p in seen] == pytest.approx([expected] * 3)
        assert {p.frame.channel for p in seen} == {"GFP"}
        assert [row["image"] for row in writer.rows] == ["cells"]

    def test_writes_the_files_that_it_names_and_no_others(self, movie, tmp_path):
        writer = PredictionWriter(str(tmp_path / "out"), EVERYTHING)
        run(writer, list(self.frames(movie)), [output(mask) for mask in MASKS])
        assert {path.name for path in (tmp_path / "out").iterdir()} == {n.format(name="cells") for n in writer.movie_files()}
        assert len(writer.movie_files()) == 8

    def test_a_frame_without_a_prediction_is_empty_and_the_others_stay(self, movie, tmp_path):
        items = list(self.frames(movie))
        items[0]["problem"] = "frame 0: dark"
        outputs = [output(np.zeros_like(MASKS[0])), *map(output, MASKS[1:])]
        writer = PredictionWriter(str(tmp_path / "out"), EVERYTHING)
        (row,) = run(writer, items, outputs).rows
        assert (row["frames"], row["empty_frames"]) == (2, 1)
        assert row["foreground_fraction"] == pytest.approx(np.mean([mask.mean() for mask in MASKS[1:]]), abs=2e-6)
        masks = tifffile.imread(tmp_path / "out" / "cells.ome.tif")
        np.testing.assert_array_equal(masks > 0, [np.zeros_like(MASKS[0]), *MASKS[1:]])
        first, second, _ = read_table(tmp_path / "out" / "cells_frames.csv")
        assert first == {**dict.fromkeys(second, ""), "frame": "0", "time_min": "0.0", "problem": "frame 0: dark"}
        assert (second["problem"], second["foreground_fraction"]) == ("", str(round(float(MASKS[1].mean()), 6)))
        assert {path.name for path in (tmp_path / "out").iterdir()} == {n.format(name="cells") for n in writer.movie_files()}

    def test_a_movie_that_lacks_a_frame_leaves_nothing(self, movie, tmp_path):
        writer = PredictionWriter(str(tmp_path / "out"), EVERYTHING)
        run(writer, list(self.frames(movie, (0, 2))), [output(mask) for mask in MASKS[:2]])
        assert writer.rows == []
        assert list((tmp_path / "out").iterdir()) == []

    def test_frames_that_are_kept_in_any_order_give_the_same_files(self, movie, tmp_path):
        frames = list(self.frames(movie))
        run(PredictionWriter(str(tmp_path / "plain"), EVERYTHING), frames, list(map(output, MASKS)))
        writer = PredictionWriter(str(tmp_path / "out"), EVERYTHING)
        writer.start()
        keeping = PredictionWriter(str(tmp_path / "out"), EVERYTHING, run=UnfinishedRun(tmp_path / "out", resume=True))
        keeping.keeps_frames = keeping.run.shared = True
        for position in (2, 0, 1):
            run(keeping, frames[position : position + 1], [output(MASKS[position])])
        assert not list((tmp_path / "out").glob("*.tif"))
        for position in range(3):
            writer.write_frame(writer.read_frame("cells", position))
        writer.finish()
        assert not keeping.rows
        names = sorted(path.name for path in (tmp_path / "plain").iterdir())
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
        for name in names:
            files = tmp_path / "plain" / name, tmp_path / "out" / name
            if name.endswith(".ome.tif"):  # with an UUID of their own
                np.testing.assert_array_equal(*map(tifffile.imread, files))
            elif name.endswith(".csv"):
                rows = [[{**row, "seconds": ""} for row in read_table(path)] for path in files]
                assert rows[0] == rows[1]
            else:
                assert files[0].read_bytes() == files[1].read_bytes(), name

    @pytest.mark.parametrize("interval", [0, -1, np.inf, np.nan, "ten", True])
    def test_an_interval_that_is_no_time(self, tmp_path, interval):
        with pytest.raises(SettingError, match="setting interval_min must be a number above 0 or null, got"):
            PredictionWriter(str(tmp_path), interval_min=interval)
