"""Commands of the tool in this process, over a small data set and a bundle that is trained on it in seconds."""

import contextlib
import io
import json
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import tifffile

from livecell_monai import cli
from livecell_monai.data.samples.sample_set import write_sample_set

SMALL = {
    "accelerator": "cpu",
    "track": False,
    "show_progress": False,
    "epochs": 1,
    "samples_per_epoch": 8,
    "batch_size": 4,
    "filters": [4, 8],
    "patch_size": [64, 64],
    "window": [64, 64],
}  #: a training of a second
QUIET = ("--set", "show_progress=false", "--set", "window=[64,64]", "--set", "accelerator=cpu")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Studio:
    """What commands work on: a folder with room, a data folder, two bundles, a movie, a large image."""

    root: Path
    data: Path
    bundle: Path
    other: Path
    movie: Path
    large: Path


def call(*words: object) -> Outcome:
    """One call of the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["livecell", *map(str, words)]),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except Exception as error:  # a traceback, where it ran by itself
            return Outcome(1, out.getvalue(), f"{err.getvalue()}{type(error).__name__}: {error}")
    return Outcome(code, out.getvalue(), err.getvalue())


def small() -> list[str]:
    """The options of a training of a second."""
    return [part for name, value in SMALL.items() for part in ("--set", f"{name}={json.dumps(value)}")]


def build_studio(root: Path) -> Studio:
    """Draw the data and train the bundle; some seconds."""
    data = write_sample_set(root / "cells", train=3, test=2, shape=(96, 112))
    noise = np.random.default_rng(0).integers(0, 2**16, (5, 96, 112), np.uint16)
    (root / "more").mkdir()
    tifffile.imwrite(root / "more" / "movie.ome.tif", noise, metadata={"axes": "TYX"})
    tifffile.imwrite(root / "more" / "large.tif", np.tile(noise[0], (12, 10)), tile=(256, 256), metadata=None)
    trained = call("train", data, "--output", root / "model", *small())
    if trained.code != 0:
        raise RuntimeError(trained.err)
    shutil.copytree(root / "model", root / "other")
    return Studio(root, data, root / "model", root / "other", root / "more" / "movie.ome.tif", root / "more" / "large.tif")


class Command:
    """Words of a command that writes into a folder.

    Args:
        words: `{data}`, `{bundle}` and so on stand for the studio's paths, `{folder}` for that to write to.
        overwrites: whether it takes --overwrite.
        resumes: whether it takes --resume.
    """

    def __init__(self, *words: str, overwrites: bool = False, resumes: bool = False) -> None:
        self.words, self.overwrites, self.resumes = words, overwrites, resumes

    def __call__(self, studio: Studio, folder: Path, option: str | None = None) -> list[str]:
        """The words with their paths."""
        words = [word.format(folder=folder, **vars(studio)) if "{" in word else word for word in self.words]
        return [*words, *([] if option is None else [option])]


_PREDICTS = {"overwrites": True, "resumes": True}
COMMANDS = {
    "sample": Command("sample", "{folder}/set", "--size", "64", "--test", "2"),
    "plan": Command("plan", "{data}", "--output", "{folder}/plan.yaml"),
    "train": Command("train", "{data}", "--output", "{folder}/model", *small()),
    "predict": Command(
        *("predict", "{bundle}", "{data}/test/images", "-o", "{folder}", "--overlay", "--probability", *QUIET), **_PREDICTS
    ),
    "predict a movie": Command("predict", "{bundle}", "{movie}", "-o", "{folder}", "--probability", *QUIET, **_PREDICTS),
    "predict a mosaic": Command(
        *("predict", "{bundle}", "{large}", "-o", "{folder}", *QUIET, "--set", "tiling_min_megapixels=1"), **_PREDICTS
    ),
    "evaluate": Command("evaluate", "{bundle}", "{data}", "-o", "{folder}", *QUIET, overwrites=True),
    "report": Command("report", "{bundle}", "--data", "{data}", "-o", "{folder}/page.html", overwrites=True),
    "compare": Command(
        *("compare", "{bundle}", "{other}", "--csv", "{folder}/a.csv", "--html", "{folder}/a.html"), overwrites=True
    ),
    "crossval": Command("crossval", "{data}", "--output", "{folder}/folds", *small(), "--ensemble"),
}  #: by name
