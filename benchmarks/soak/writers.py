"""Every kind of file that the tool writes, each by the function that writes it: from a folder and a seed, the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from livecell_monai.data.dataset.folds import Fold, crop_sample, write_fold
from livecell_monai.data.plane_files import write_mask, write_plane
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.outputs.base import Frame, Prediction
from livecell_monai.outputs.confluency import draw_confluency
from livecell_monai.outputs.figures import write_png
from livecell_monai.outputs.large.pyramid import PyramidBuilder, write_bigtiff
from livecell_monai.outputs.movie_file import MovieWriter
from livecell_monai.outputs.overlay import write_overlay
from livecell_monai.plan import Choice, write_plan
from livecell_monai.report.curves import draw_curves, draw_learning_curve
from livecell_monai.report.gallery import write_gallery
from livecell_monai.runs.atomic import write_table
from livecell_monai.runs.ledger import Ledger
from livecell_monai.sample import Sample

Write = Callable[[Path, int], None]
SHAPE = (96, 112)  # (Y, X) pixels
FRAMES = 4


def _noise(seed: int, dtype: type = np.uint16) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if dtype is np.uint16:
        return generator.integers(0, 2**16, SHAPE).astype(np.uint16)
    return generator.random(SHAPE, np.float32)


def _mask(seed: int) -> np.ndarray:
    return _noise(seed) > 40_000


def _write_movie(folder: Path, seed: int) -> None:
    movie = MovieWriter(".ome.tif")
    try:
        for number in range(FRAMES):
            plane, frame = _noise(seed + number), Frame(number, number, FRAMES, 15.0)
            movie.append(Prediction("movie", folder, plane, {}, (0.5, 0.5), 0.0, frame), plane, folder)
    finally:
        movie.discard()


def _write_bigtiff(folder: Path, seed: int) -> None:
    whole = np.tile(_mask(seed).astype(np.uint8) * np.uint8(255), (12, 10))
    levels = [PyramidBuilder([level]) for level in (whole, whole[::2, ::2])]
    shapes = [whole.shape, whole[::2, ::2].shape]
    write_bigtiff(folder / "mosaic.ome.tif", shapes, lambda level: levels[level].tiles(0), (0.5, 0.5))


def _write_table(folder: Path, seed: int) -> None:
    write_table(folder / "table.csv", [{"image": f"{row}", "iou": seed + row / 7} for row in range(400)])


def _write_history(folder: Path, seed: int) -> None:
    scores = ("train_loss", "val_loss", "train_iou", "val_iou", "train_accuracy", "val_accuracy")
    rows = [{"epoch": epoch, **dict.fromkeys(scores, 1 / (epoch + seed))} for epoch in (1, 2, 3)]
    write_png(folder / "curves.png", draw_curves(rows))


def _write_gallery(folder: Path, seed: int) -> None:
    write_gallery(folder / "gallery.png", [("a", _noise(seed), _mask(seed), _mask(seed + 1), None)])


def _write_confluency(folder: Path, seed: int) -> None:
    rows = [{"frame": frame, "time_min": 15.0 * frame, "foreground_fraction": 1 / (2 + seed + frame)} for frame in range(9)]
    write_png(folder / "confluency.png", draw_confluency("movie", rows))


def _write_learning_curve(folder: Path, seed: int) -> None:
    rows = [
        {"training_images": count, "scored_images": 3, "iou": 0.5 + count / 20 / (1 + seed), "low_95": None, "high_95": None}
        for count in (1, 2, 4)
    ]
    write_png(folder / "learning.png", draw_learning_curve(rows))


def _write_crop(folder: Path, seed: int) -> None:
    """Crops of a sample that lies elsewhere, of a place that hangs on the seed."""
    label = np.zeros(SHAPE, np.uint16)
    label[20:70, 20:90] = 1
    source = folder.with_name(f"{folder.name}-source")
    if not source.exists():
        source.mkdir()
        write_plane(source / "image.tif", _noise(3))
        write_plane(source / "label.tif", label)
    sample = Sample("a", source / "image.tif", source / "label.tif")
    crop_sample(sample, 0.5, folder, np.random.default_rng(seed))


def _write_fold(folder: Path, seed: int) -> None:
    samples = [Sample(f"{seed}-{index}", Path(f"/{index}.tif"), Path(f"/{index}_label.tif")) for index in range(60)]
    write_fold(folder / "fold.json", Fold("fold_1", tuple(samples[1:]), tuple(samples[:1])))


def _write_plan(folder: Path, seed: int) -> None:
    write_plan(folder / "plan.yaml", {f"setting_{index}": Choice(index + seed, "a reason") for index in range(200)}, "head")


def _write_sample_set(folder: Path, seed: int) -> None:
    write_sample_set(folder / f"set-{seed}", train=1, test=1, shape=(64, 64), seed=seed)


def _write_weights(folder: Path, seed: int) -> None:
    import torch

    from livecell_monai.bundle.weights import save_weights

    state = {f"layer.{index}": torch.full((50, 50), float(seed + index)) for index in range(4)}
    save_weights(state, folder / "model.pt")


def _write_bundle(folder: Path, seed: int) -> None:
    from livecell_monai.bundle.export import write_bundle

    write_bundle(folder, {"seed": seed, "lr": 0.5}, {"seed": seed}, f"# card {seed}\n", 32)


WRITERS: dict[str, Write] = {
    "mask": lambda folder, seed: write_mask(folder / "mask.tif", _mask(seed), (0.5, 0.5)),
    "probability": lambda folder, seed: write_plane(folder / "p.tif", _noise(seed, np.float32)),
    "image": lambda folder, seed: write_plane(folder / "image.tif", _noise(seed)),
    "overlay": lambda folder, seed: write_overlay(folder / "overlay.png", _noise(seed), _mask(seed)),
    "table": _write_table,
    "record": lambda folder, seed: Ledger(folder, "a run", "try again").start({str(key): key + seed for key in range(400)}),
    "movie": _write_movie,
    "mosaic": _write_bigtiff,
    "confluency": _write_confluency,
    "curves": _write_history,
    "gallery": _write_gallery,
    "learning curve": _write_learning_curve,
    "crop": _write_crop,
    "fold": _write_fold,
    "plan": _write_plan,
    "weights": _write_weights,
    "bundle": _write_bundle,
    "sample set": _write_sample_set,
}  #: by what a reader of the table would call it
