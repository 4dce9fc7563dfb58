"""Windows of half the area, and an image that is given up so that the others go on."""

from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from livecell_monai.errors import DataError, TooLargeError
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.out_of_memory import SkipOutOfMemory, halve_window, name_of
from livecell_monai.sample import IMAGE


@pytest.mark.parametrize(
    ("window", "multiple", "smaller"),
    [
        ((2048, 2048), 32, (1024, 2048)),
        ((1024, 2048), 32, (1024, 1024)),
        ((224, 96), 32, (96, 96)),  # a half is rounded down to a multiple
        ((96, 96), 32, (64, 96)),  # and no less than 64
        ((64, 96), 32, (64, 64)),
        ((64, 64), 32, None),
        ((32, 64), 32, None),
        ((32, 32), 4, None),
        ((256, 256), 48, (96, 256)),
        ((96, 96), 96, None),
        ((192, 96), 96, (96, 96)),
    ],
)
def test_half_the_area_and_never_too_small(window, multiple, smaller):
    assert halve_window(window, multiple) == smaller


def test_every_window_comes_to_an_end():
    for multiple in (1, 8, 32, 80):
        window, steps = (4000 // multiple * multiple, 3000 // multiple * multiple), 0
        while (smaller := halve_window(window, multiple)) is not None:
            assert smaller[0] * smaller[1] < window[0] * window[1]
            window, steps = smaller, steps + 1
        assert steps < 16
        assert all(edge % multiple == 0 for edge in window)


@pytest.mark.parametrize(
    "error", [TooLargeError("a.tif: too large"), MemoryError("8 GiB"), RuntimeError("CUDA out of memory")]
)
def test_an_image_that_does_not_fit_is_noted_and_passed_over(error):
    dataset = ReadableDataset([], lambda item: item)
    engine = SimpleNamespace(state=SimpleNamespace(batch=1, output={"image": 2}))
    image = MetaTensor(torch.rand(1, 1, 8, 8), meta={"filename_or_obj": ["in/a.tif"]})

    def fail(engine, batch):
        raise error

    engine._iteration = fail
    assert SkipOutOfMemory(dataset)(engine, {IMAGE: image}) == []
    assert (engine.state.batch, engine.state.output) == ([], [])
    ((path, words),) = dataset.failures.items()
    assert path == name_of(image)
    assert words.startswith("a.tif: too large" if isinstance(error, TooLargeError) else "in/a.tif: must fit into memory")


@pytest.mark.parametrize("error", [DataError("a.tif: no room"), RuntimeError("a fault"), KeyboardInterrupt()], ids=repr)
def test_anything_else_is_raised(error):
    engine = SimpleNamespace(state=SimpleNamespace(batch=1, output={}))

    def fail(engine, batch):
        raise error

    engine._iteration = fail
    with pytest.raises(type(error)):
        SkipOutOfMemory(ReadableDataset([], lambda item: item))(engine, {IMAGE: torch.rand(1, 1, 8, 8)})
