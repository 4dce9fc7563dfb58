"""Opens the bundle and runs it: the engines' parts that MONAI does not bring, named by the bundle's YAML."""

from livecell_monai.workflow.accelerator import Accelerator
from livecell_monai.workflow.averaging import WeightAverage
from livecell_monai.workflow.batches import prepare_batch
from livecell_monai.workflow.best_weights import BestWeights
from livecell_monai.workflow.budget import Budget
from livecell_monai.workflow.compiling import compile_network
from livecell_monai.workflow.datasets import ReadableDataset, build_validation_dataset
from livecell_monai.workflow.draws import Draws
from livecell_monai.workflow.engine import choose_engine
from livecell_monai.workflow.inferers import PatchInferer, WindowInferer
from livecell_monai.workflow.judging import Judge
from livecell_monai.workflow.loader import PatchLoader
from livecell_monai.workflow.memory import PassingOver
from livecell_monai.workflow.mosaics import MosaicPredictor
from livecell_monai.workflow.outputs import refuse_overwriting
from livecell_monai.workflow.progress import ProgressBar
from livecell_monai.workflow.ranks import Ranks, refuse_undivided
from livecell_monai.workflow.resuming import Checkpoints, refuse_lost
from livecell_monai.workflow.schedule import build_lr_scheduler
from livecell_monai.workflow.session import TrainingSession
from livecell_monai.workflow.teacher import Teacher
from livecell_monai.workflow.weights import load_weights
from livecell_monai.workflow.writers import PredictionWriter, ScoreWriter

__all__ = [
    "Accelerator",
    "BestWeights",
    "Budget",
    "Checkpoints",
    "Draws",
    "Judge",
    "MosaicPredictor",
    "PassingOver",
    "PatchInferer",
    "PatchLoader",
    "PredictionWriter",
    "ProgressBar",
    "Ranks",
    "ReadableDataset",
    "ScoreWriter",
    "Teacher",
    "TrainingSession",
    "WeightAverage",
    "WindowInferer",
    "build_lr_scheduler",
    "build_validation_dataset",
    "choose_engine",
    "compile_network",
    "load_weights",
    "prepare_batch",
    "refuse_lost",
    "refuse_overwriting",
    "refuse_undivided",
]
