"""StarDist 2D from scratch, as in its training example: 32 rays on a grid of 2, patches of 256, percentiles 1 and 99.8.

The example holds 15 % of the images out, which of three would be a third of what there is to learn from: here all images
train and validate as well, so the validation loss only chooses among epochs. Epochs are shorter than its 100 steps, so that
a best one is there when the clock stops; the two thresholds are then optimised by its own function, on a crop of each
training image. Run: `run.py DATA RESULTS --minutes M`.

Source: Schmidt et al., "Cell Detection with Star-convex Polygons", MICCAI 2018.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from csbdeep.utils import normalize
from keras.callbacks import Callback, LambdaCallback
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D

from peers.interface import Annotated, Clock, OutOfTime, Pace, Pixels, Segment, require_steps, serve

PATCH = 256
STEPS_PER_EPOCH = 20
EPOCHS = 100_000  # the clock ends the training
THRESHOLD_CROP = 512  # pixels of each side
THRESHOLD_PART = 0.15  # of all the time is kept for the thresholds

_generator = np.random.default_rng(0)


def augment(image: Pixels, cells: Pixels) -> tuple[Pixels, Pixels]:
    """A patch turned by quarters, mirrored, and changed in contrast and brightness, its label (Y, X) with it."""
    quarters, is_mirrored = int(_generator.integers(4)), bool(_generator.integers(2))
    image, cells = np.rot90(image, quarters), np.rot90(cells, quarters)
    if is_mirrored:
        image, cells = image[::-1], cells[::-1]
    return image * _generator.uniform(0.6, 2.0) + _generator.uniform(-0.2, 0.2), cells


def stop_in_time(model: Any, pace: Pace) -> Callback:
    """A callback that lets Keras end the training by itself."""

    def check(batch: int, logs: object = None) -> None:
        try:
            pace.begin_step()
        except OutOfTime:
            model.keras_model.stop_training = True

    return LambdaCallback(on_train_batch_end=check)


def fit(images: list[Pixels], cells: list[Pixels], clock: Clock, folder: str) -> Any:
    """A model with trained weights and optimised thresholds, in memory."""
    patch = min(PATCH, *(side // 16 * 16 for image in images for side in image.shape))
    config = Config2D(n_rays=32, grid=(2, 2), train_patch_size=(patch, patch), train_tensorboard=False)
    model = StarDist2D(config, name="trained", basedir=folder)
    model.prepare_for_training()
    pace = Pace(clock, reserve=THRESHOLD_PART * clock.seconds)
    model.callbacks.append(stop_in_time(model, pace))
    model.train(
        images,
        cells,
        validation_data=(images, cells),
        augmenter=augment,
        epochs=EPOCHS,
        steps_per_epoch=STEPS_PER_EPOCH,
    )
    require_steps(pace.steps)
    crop = np.s_[:THRESHOLD_CROP, :THRESHOLD_CROP]
    model.optimize_thresholds([image[crop] for image in images], [label[crop] for label in cells])
    return model


def train(pairs: Sequence[Annotated], clock: Clock) -> Segment:
    """Train from scratch on all images."""
    images = [normalize(pair.image, 1, 99.8) for pair in pairs]
    cells = [fill_label_holes(pair.cells) for pair in pairs]
    with tempfile.TemporaryDirectory() as folder:
        model = fit(images, cells, clock, folder)

    def segment(image: Pixels) -> Pixels:
        instances: Pixels = model.predict_instances(normalize(image, 1, 99.8))[0]
        return instances

    return segment


if __name__ == "__main__":
    serve(train, separates_cells=True)
