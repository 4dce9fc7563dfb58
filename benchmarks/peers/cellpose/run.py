"""Cellpose 3 from scratch: its own network, flows and augmentation, with no pretrained weights.

Settings are those of its command line for training from scratch: SGD, learning rate 0.2, weight decay 1e-5, batches of 8,
cells rescaled to a mean diameter of 30 pixels in training; images are rescaled in prediction by the mean diameter of the
training cells, as Cellpose does where no diameter is given. An epoch is one batch of 8 crops, since three images alone would
not fill one. Its schedule of the learning rate asks for the number of epochs ahead: a few on a copy of the network tell how
many fit, and what overruns the clock all the same is stopped. Run: `run.py DATA RESULTS --minutes M`.

Source: Stringer and Pachitariu, "Cellpose3: one-click image restoration for improved cellular segmentation", Nature
Methods 22, 2025.
"""

import copy
import statistics
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from cellpose import dynamics, models, train

from peers.interface import Annotated, Clock, OutOfTime, Pace, Pixels, Segment, require_steps, serve

CROPS = 8  # by batch, and by epoch
TRIAL_EPOCHS = 5
TRIAL_PART = 0.97  # of the time left is planned for: saving takes some
SETTINGS = {"SGD": True, "learning_rate": 0.2, "weight_decay": 1e-5, "batch_size": CROPS, "nimg_per_epoch": CROPS}


def fit(network: Any, images: list[Pixels], flows: list[Pixels], epochs: int, folder: Path) -> Path:
    """Train a network for a number of epochs; where its weights lie."""
    path, *_ = train.train_seg(
        network,
        train_data=images,
        train_labels=flows,
        channels=[0, 0],
        min_train_masks=1,
        n_epochs=epochs,
        save_path=folder,
        model_name="trained",
        **SETTINGS,
    )
    return Path(path)


def fit_in_time(network: Any, images: list[Pixels], flows: list[Pixels], clock: Clock, folder: Path) -> Path:
    """Train a network for as many epochs as fit; where its weights lie."""
    trial = copy.deepcopy(network)
    begun: list[float] = []  # seconds left at the beginning of each epoch
    trial.register_forward_pre_hook(lambda *_: begun.append(clock.left))
    fit(trial, images, flows, TRIAL_EPOCHS, folder)
    spans = [before - after for before, after in pairwise(begun)]
    seconds = statistics.median(spans[1:])  # the first epoch also prepares the network's kernels
    epochs = int(TRIAL_PART * clock.left / seconds)
    require_steps(epochs)
    print(f"{seconds:.2f} s an epoch, {epochs} epochs")
    pace = Pace(clock)
    network.register_forward_pre_hook(lambda *_: pace.begin_step())
    try:
        return fit(network, images, flows, epochs, folder)
    except OutOfTime:
        print(f"stopped in epoch {pace.steps} of {epochs}")
        require_steps(pace.steps - 1)  # at the first the learning rate is 0
        path = folder / "models" / "stopped"
        network.save_model(path)
        return path


def train_cellpose(pairs: Sequence[Annotated], clock: Clock) -> Segment:
    """Train from scratch on all images."""
    model = models.CellposeModel(gpu=False, pretrained_model=False)
    images = [pair.image for pair in pairs]
    flows = dynamics.labels_to_flows([pair.cells for pair in pairs], device=model.device)
    with tempfile.TemporaryDirectory() as folder:
        path = fit_in_time(model.net, images, flows, clock, Path(folder))
        trained = models.CellposeModel(gpu=False, pretrained_model=str(path))

    def segment(image: Pixels) -> Pixels:
        instances: Pixels = trained.eval(image, channels=[0, 0])[0]
        return instances

    return segment


if __name__ == "__main__":
    serve(train_cellpose, separates_cells=True)
