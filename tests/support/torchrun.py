"""configs/multi_gpu_train.yaml as a cluster runs it: real launchers, each of which starts its processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livecell_monai.bundle.template import find_template
from livecell_monai.plan import write_plan
from livecell_monai.training.setup import plan

CONFIGS = [f"configs/{name}.yaml" for name in ("inference", "train", "multi_gpu_train", "plan")]


def copy_template(folder: Path, data: Path, settings: Mapping[str, Any]) -> None:
    """The bundle that trainings are run from, with the plan of these data among its configs."""
    shutil.copytree(find_template(), folder)
    write_plan(folder / "configs" / "plan.yaml", *plan(data, settings=settings))


def start_torchrun(
    bundle: Path, where: Sequence[str], data: Path, output: Path, settings: Mapping[str, Any], *more: str, count: int = 1
) -> subprocess.Popen[str]:
    """One launcher with so many processes; what it and they say comes by one pipe.

    Args:
        bundle: as `copy_template` leaves it.
        where: options by which launchers find each other.
        data: data folder.
        output: folder of the trained bundle.
        settings: of the training.
        more: options of MONAI's own.
        count: of processes.
    """
    launcher = ["-m", "torch.distributed.run", *where, f"--nproc_per_node={count}"]
    files = ["--config_file", str(CONFIGS), "--dataset_dir", str(data), "--output_dir", str(output)]
    given = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *launcher, "-m", "monai.bundle", "run", "training", *files, *given, *more],
        cwd=bundle,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
