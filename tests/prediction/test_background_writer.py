"""Images that are written while the next one is predicted."""

import pytest
from ignite.engine import Engine

from livecell_monai.prediction.background_writer import BackgroundWriter


class Numbers(BackgroundWriter):
    """Its rows are the items; an item below 0 cannot be written."""

    discarded = 0

    def take(self, item, output, seconds):
        def write():
            if item < 0:
                raise OSError("disk full")
            return {"item": item, "output": output}

        return write

    def discard(self):
        self.discarded += 1


def run_batches(writer, batches):
    def update(engine, batch):
        return [10 * item for item in batch]

    engine = Engine(update)
    writer.attach(engine)
    engine.run(batches, max_epochs=1)


def test_rows_come_in_the_order_of_the_images(tmp_path):
    writer = Numbers(tmp_path / "new")
    run_batches(writer, [[1, 2], [3]])
    assert writer.rows == [{"item": item, "output": 10 * item} for item in (1, 2, 3)]
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize("batches", [[[1], [-1], [2]], [[1], [-1]]], ids=["with the next image", "at the end"])
def test_an_error_is_raised(tmp_path, batches):
    writer = Numbers(tmp_path)
    with pytest.raises(OSError, match="disk full"):
        run_batches(writer, batches)
    assert writer.rows == [{"item": 1, "output": 10}]
    assert writer.discarded
