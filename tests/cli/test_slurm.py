"""The script for SLURM in `docs/scale.md`, run by the installed SLURM."""

import filecmp
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.commands import livecell
from tests.support.worlds import write_folder

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
OURS = {  # what the page says is the reader's own
    "cores=32": "cores=1",
    "processes=32": "processes=1",
    'memory="120GB"': 'memory="4GB"',
    'interface="ib0"': 'interface="lo"',
    "jobs=20": "jobs=2",
    "/shared/livecell/.venv": sys.prefix,
}


def has_slurm():
    found = all(shutil.which(name) for name in ("sbatch", "sinfo")) and find_spec("dask_jobqueue") is not None
    return found and subprocess.run(["sinfo", "-h", "-p", "cpu", "-t", "idle"], capture_output=True).stdout != b""


def read_script(**paths):
    (script,) = re.findall(r"### SLURM.*?```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for theirs, ours in {**OURS, **{f"/shared/{name}": str(path) for name, path in paths.items()}}.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    return script


@pytest.mark.slow
@pytest.mark.skipif(not has_slurm(), reason="needs SLURM with an idle partition named cpu, and dask-jobqueue")
@pytest.mark.parametrize("cancelled", [False, True], ids=["as it is", "a job is cancelled"])
def test_masks_are_those_of_one_process(trained, tmp_path, cancelled):
    images = write_folder(tmp_path / "many", train=0, test=24) / "test" / "images"
    livecell("predict", str(trained[1]), str(images), "--output", str(tmp_path / "plain"))
    script = read_script(**{"model": trained[1], "images/plate_001": images, "masks/plate_001": tmp_path / "masks"})
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) as running:
        while cancelled and not list(tmp_path.glob("masks/*.tif")):
            assert running.poll() is None
        if cancelled:
            jobs = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=True).stdout.split()
            subprocess.run(["scancel", jobs[0]], check=True)
    assert running.returncode == 0
    plain = sorted(path.name for path in (tmp_path / "plain").glob("*.tif"))
    assert len(plain) == 24
    assert filecmp.cmpfiles(tmp_path / "plain", tmp_path / "masks", plain, shallow=False) == (plain, [], [])
