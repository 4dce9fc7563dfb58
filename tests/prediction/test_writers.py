"""What an engine leaves on disk, image by image."""

import csv
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.metrics import measure_surface_dice, score_mask, summarise_scores
from livecell_monai.prediction.writers import PredictionWriter, ScoreWriter
from tests.support.worlds import picture_of, some_cells

MASKS = [some_cells(seed=seed) > 0 for seed in range(3)]


def item(index, folder, pixel_size=(0.5, 0.25)):
    """What the loader gives of one image: with NaN for a pixel size that the file does not tell."""
    path = folder / f"cell_{index}.tif"
    meta = {"pixel_size_um": np.array(pixel_size), "filename_or_obj": str(path)}
    return {"name": f"cell_{index}", "image": MetaTensor(torch.zeros(1, 8, 8), meta=meta)}


def output(mask, label=None):
    plane = torch.as_tensor(mask, dtype=torch.float32)[None]
    given = {"pred": plane, "maps": plane * 0.75 + 0.1}
    return given if label is None else {**given, "label": torch.as_tensor(label, dtype=torch.float32)[None]}


def run(writer, items, outputs):
    """Drive a writer by an engine whose batches hold one image each."""
    engine = Engine(lambda engine, _: None)

    def step(engine, index):
        engine.state.batch = [items[index]]
        return [outputs[index]]

    engine._process_function = step
    writer.attach(engine)
    engine.run(range(len(items)), max_epochs=1, epoch_length=len(items))
    return writer


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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
        self.predict(tmp_path, with_probability=True)
        for name, expected in (("cell_0", pytest.approx((0.5, 0.25))), ("cell_1", None)):
            assert read_plane(tmp_path / "out" / f"{name}.tif").pixel_size_um == expected
            assert read_plane(tmp_path / "out" / f"{name}_probability.tif").pixel_size_um == expected

    def test_summary(self, tmp_path):
        writer = self.predict(tmp_path)
        rows = read_table(tmp_path / "out" / "summary.csv")
        assert list(rows[0]) == ["image", "foreground_fraction", "components", "seconds"]
        assert [row["image"] for row in rows] == ["cell_0", "cell_1", "cell_2"]
        assert [float(row["foreground_fraction"]) for row in rows] == [round(mask.mean(), 6) for mask in MASKS]
        assert [int(row["components"]) for row in rows] == [5, 5, 5]
        assert all(0 <= float(row["seconds"]) < 5 for row in rows)
        assert [str(row["components"]) for row in writer.rows] == [row["components"] for row in rows]

    def test_cells_that_touch_by_a_corner_are_one_component(self, tmp_path):
        mask = np.zeros((8, 10), bool)
        mask[2, 3] = mask[3, 4] = True
        writer = run(PredictionWriter(str(tmp_path)), [item(0, tmp_path)], [output(mask)])
        assert writer.rows[0]["components"] == 1

    def test_probability(self, tmp_path):
        self.predict(tmp_path, with_probability=True)
        written = tifffile.imread(tmp_path / "out" / "cell_0_probability.tif")
        assert written.dtype == np.float32
        np.testing.assert_allclose(written, MASKS[0] * 0.75 + 0.1, rtol=1e-6)

    def test_overlay_is_drawn_over_the_file_itself(self, tmp_path):
        drawn = {}
        for index in range(3):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[index], seed=index))
        self.predict(tmp_path, draw=lambda path, image, mask: drawn.setdefault(Path(path), (image, mask)))
        assert [path.name for path in drawn] == ["cell_0_overlay.png", "cell_1_overlay.png", "cell_2_overlay.png"]
        for index, (image, mask) in enumerate(drawn.values()):
            np.testing.assert_array_equal(image, picture_of(MASKS[index], seed=index))
            np.testing.assert_array_equal(mask, MASKS[index])

    @pytest.mark.parametrize("probability", [False, True])
    @pytest.mark.parametrize("overlay", [False, True])
    def test_writes_the_files_that_it_names_and_no_others(self, tmp_path, probability, overlay):
        for index in range(3):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[index]))
        draw = (lambda path, image, mask: path.touch()) if overlay else None
        writer = self.predict(tmp_path, with_probability=probability, draw=draw)
        expected = {name.format(name=f"cell_{index}") for index in range(3) for name in writer.files()}
        assert len(expected) == 3 * (1 + probability + overlay) + 1
        assert {path.name for path in (tmp_path / "out").iterdir()} == expected

    def test_an_image_is_written_while_the_next_one_is_worked_on(self, tmp_path):
        next_one_is_there, items = threading.Event(), [item(index, tmp_path) for index in range(2)]

        def draw(path, image, mask):
            if path.name.startswith("cell_0"):
                assert next_one_is_there.wait(timeout=30)

        def step(engine, index):
            if index == 1:
                next_one_is_there.set()
            engine.state.batch = [items[index]]
            return [output(MASKS[index])]

        for index in range(2):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[index]))
        writer, engine = PredictionWriter(str(tmp_path / "out"), draw=draw), Engine(step)
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
    def test_what_goes_wrong_in_writing_ends_the_run(self, tmp_path, which):
        def draw(path, image, mask):
            if path.name.startswith(f"cell_{which}"):
                raise OSError("no space left")

        for index in range(3):
            tifffile.imwrite(tmp_path / f"cell_{index}.tif", picture_of(MASKS[index]))
        with pytest.raises(OSError, match="no space left"):
            self.predict(tmp_path, draw=draw)

    def test_no_folder_where_there_is_no_result(self, tmp_path):
        writer = PredictionWriter(str(tmp_path / "out"))
        writer.finish()
        assert not (tmp_path / "out").exists()

    def test_a_row_of_elsewhere_is_on_disk_with_the_others(self, tmp_path):
        writer = self.predict(tmp_path)
        row = {"image": "large", "foreground_fraction": 0.5, "components": 7, "seconds": 1.0}
        writer.add(row)
        assert [found["image"] for found in read_table(tmp_path / "out" / "summary.csv")][-2:] == ["cell_2", "large"]


class TestScoreWriter:
    TRUTH = some_cells(seed=9)

    def score(self, folder):
        outputs = [output(mask, self.TRUTH) for mask in MASKS]
        return run(ScoreWriter(str(folder)), [item(index, folder) for index in range(3)], outputs)

    def of(self, mask, tolerance=2.0):
        return replace(score_mask(mask, self.TRUTH), surface_dice=measure_surface_dice(mask, self.TRUTH, tolerance))

    def test_the_tolerance_of_the_outline_is_that_asked_for(self, tmp_path):
        outputs = [output(mask, self.TRUTH) for mask in MASKS]
        writer = run(ScoreWriter(str(tmp_path), tolerance_px=5.0), [item(index, tmp_path) for index in range(3)], outputs)
        assert writer.scores == [self.of(mask, 5.0) for mask in MASKS]
        assert writer.scores != [self.of(mask) for mask in MASKS]
        assert writer.summary["surface_tolerance_px"] == 5.0

    def test_rows_are_the_scores_of_each_mask(self, tmp_path):
        self.score(tmp_path)
        rows = read_table(tmp_path / "scores.csv")
        names = ["image", "iou", "dice", "accuracy", "precision", "recall", "surface_dice", "tp", "fp", "fn", "tn"]
        assert list(rows[0]) == names
        for index, (row, mask) in enumerate(zip(rows, MASKS, strict=True)):
            scores = self.of(mask)
            assert row["image"] == f"cell_{index}"
            assert {name: float(row[name]) for name in names[1:]} == {name: getattr(scores, name) for name in names[1:]}

    def test_summary_is_that_of_the_set(self, tmp_path):
        writer = self.score(tmp_path)
        assert writer.summary == {**summarise_scores([self.of(mask) for mask in MASKS]), "surface_tolerance_px": 2.0}
        assert json.loads((tmp_path / "scores.json").read_text()) == writer.summary

    def test_writes_the_files_that_it_names_and_no_others(self, tmp_path):
        writer = self.score(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == set(writer.files())
