from collections.abc import Callable

import numpy as np
import pytest

from livecell_monai.data.stream.fluorescence import show_cytoplasm, show_membrane, show_nuclei, show_stain
from livecell_monai.data.stream.layout import Layout, draw_layout
from livecell_monai.data.stream.noise import Plane

Show = Callable[[Layout, np.random.Generator], Plane]


@pytest.fixture(scope="module")
def layout() -> Layout:
    layouts = (draw_layout((128, 128), "nuclei", np.random.default_rng(seed)) for seed in range(20))
    return next(one for one in layouts if 0.2 < (one.label > 0).mean() < 0.6 and one.label.max() > 3)


@pytest.mark.parametrize("show", [show_nuclei, show_cytoplasm, show_membrane])
def test_cells_are_brighter_than_the_background(show: Show, layout: Layout) -> None:
    for seed in range(6):
        image = show(layout, np.random.default_rng(seed))
        assert image.dtype == np.float32
        assert (image > 0).all()
        assert image[layout.label > 0].mean() > 1.2 * np.median(image[layout.label == 0])


def test_labels_end_where_cells_fade(layout: Layout) -> None:
    """Annotators draw the outline of a nucleus near half of its brightness."""
    inner = layout.depth > 0.4 * layout.depth.max()
    rim = (layout.depth > 1) & (layout.depth <= 0.08 * layout.diameter + 1)
    parts = []
    for seed in range(12):
        image = show_nuclei(layout, np.random.default_rng(seed))
        dark = np.median(image[layout.label == 0])
        parts.append((np.median(image[rim]) - dark) / (np.median(image[inner]) - dark))
    assert 0.7 < np.median(parts) < 0.95


def test_membranes_are_brighter_than_what_they_enclose(layout: Layout) -> None:
    images = [show_membrane(layout, np.random.default_rng(seed)) for seed in range(6)]
    inner = layout.depth > 0.6 * layout.depth.max()
    rim = (layout.depth > 0) & (layout.depth <= 1.5)
    assert np.mean([image[rim].mean() / image[inner].mean() for image in images]) > 1.1


def test_stain_is_dark_on_bright(layout: Layout) -> None:
    for seed in range(6):
        image = show_stain(layout, np.random.default_rng(seed))
        assert 0 < image.min() < image.max() <= 1
        assert image[layout.label > 0].mean() < 0.9 * image[layout.label == 0].mean()


def test_every_seed_is_another_image(layout: Layout) -> None:
    one, again, other = (show_nuclei(layout, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
