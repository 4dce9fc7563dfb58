"""nnU-Net v2, configuration 2d: its own fingerprint, plan, preprocessing, trainer and sliding window, on the CPU.

Its planner is told of 1 GB of graphics memory instead of 8: for 8 it plans patches of 1024 x 1024, of which a few minutes
on some cores see no more than a dozen batches. Fold `all`: its five folds need five images, and of three each would leave
out a third of what there is to learn from. Its trainer makes 1,000 epochs of 250 steps; here its steps end with the clock,
and its polynomial learning rate falls with the time that has gone instead of with the epochs. Validation is of the training
images and decides nothing, so it is cut to one step an epoch. Prediction is its own, with mirroring.
Run: `run.py DATA RESULTS --minutes M`.

Source: Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation", Nature
Methods 18, 2021.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from peers.interface import Annotated, Clock, OutOfTime, Pace, Pixels, Segment, require_steps, serve

DATASET = "Dataset001_Cells"
FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")  # names of environment variables, as is the next
PROCESSES = "nnUNet_def_n_proc"
FOLD = "all"
MEMORY_GB = 1.0  # that the planner is told of
SAVING_S = 5.0  # kept for writing the last checkpoint


def lay_folders(work: Path) -> None:
    """Make the folders that nnU-Net takes from the environment, and allow it as many processes as there are cores."""
    for name in FOLDERS:
        (work / name).mkdir()
        os.environ[name] = str(work / name)
    os.environ[PROCESSES] = str(os.cpu_count() or 1)


def write_raw(pairs: Sequence[Annotated], folder: Path) -> None:
    """Write the training images as nnU-Net's raw data set."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for pair in pairs:
        tifffile.imwrite(folder / "imagesTr" / f"{pair.name}_0000.tif", pair.image)
        tifffile.imwrite(folder / "labelsTr" / f"{pair.name}.tif", (pair.cells > 0).astype(np.uint8))
    description = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "cell": 1},
        "numTraining": len(pairs),
        "file_ending": ".tif",
    }
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")


def plan_and_preprocess() -> str:
    """Let nnU-Net measure, plan and preprocess; the name of its plan."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    processes = os.cpu_count() or 1
    extract_fingerprints([1], num_processes=processes)
    name: str = plan_experiments([1], gpu_memory_target_in_gb=MEMORY_GB)
    preprocess([1], name, configurations=["2d"], num_processes=[processes])
    return name


def paced(trainer: Any, step: Callable[[Any], Any], pace: Pace, clock: Clock) -> Callable[[Any], Any]:
    """A step of the trainer that keeps to the clock, at the learning rate of its time."""

    def inner(batch: Any) -> Any:
        pace.begin_step()
        trainer.lr_scheduler.step(clock.part * trainer.num_epochs)
        return step(batch)

    return inner


def fit(plan: str, clock: Clock) -> str:
    """Train until the clock stops; the folder with the model."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    trainer = get_trainer_from_args(DATASET, "2d", FOLD, plans_identifier=plan, device=torch.device("cpu"))
    trainer.num_val_iterations_per_epoch = 1
    pace = Pace(clock, reserve=SAVING_S)
    trainer.train_step = paced(trainer, trainer.train_step, pace, clock)
    try:
        trainer.run_training()
    except OutOfTime:
        print(f"stopped after {pace.steps} steps")
        trainer.on_train_end()
    require_steps(pace.steps)
    return str(trainer.output_folder_base)


def train(pairs: Sequence[Annotated], clock: Clock) -> Segment:
    """Train on all images, with a plan of nnU-Net's own."""
    with tempfile.TemporaryDirectory() as work:
        lay_folders(Path(work))
        write_raw(pairs, Path(work) / FOLDERS[0] / DATASET)
        model = fit(plan_and_preprocess(), clock)

        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(model, (FOLD,))

    def segment(image: Pixels) -> Pixels:
        planes = image.astype(np.float32)[None, None]  # (C, Z, Y, X), as its reader of 2-D images has them
        mask: Pixels = predictor.predict_single_npy_array(planes, {"spacing": (999, 1, 1)})[0]
        return mask

    return segment


if __name__ == "__main__":
    serve(train)
