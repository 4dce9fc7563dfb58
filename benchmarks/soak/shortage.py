"""A prediction whose process gets less memory than its windows take."""

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from soak.commands import Studio, call, small

EDGES = (1400, 1500)  # (Y, X) pixels of the image
LEAST_MB, MOST_MB = 100, 500  # of memory beyond what the program takes before it predicts
_QUIET = ("--set", "show_progress=false", "--set", "accelerator=cpu-fp32")
#: everything is imported and loaded ahead of the limit, which is on what comes on top
_START = """
import resource, sys
from livecell_monai import cli
from livecell_monai.prediction import window_inferer as inferers
extra = int(sys.argv.pop(1))
infer = inferers.WindowInferer.whole
def cramped(self, *given, **named):
    if not hasattr(self, "limited") and extra:
        self.limited = True
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + extra, resource.RLIM_INFINITY))
    return infer(self, *given, **named)
inferers.WindowInferer.whole = cramped
cli.main()
"""


def predict_cramped(studio: Studio, rng: random.Random) -> list[str]:
    """Predict in one window of the whole image with less memory than that takes; what was lost by it."""
    image = studio.root / "more" / "cramped.tif"
    bundle = studio.root / "greedy"
    if not image.exists():
        trained = call("train", studio.data, "-o", bundle, *small(), "--set", "filters=[32,64]")
        if trained.code != 0:
            return [f"a training fails: {trained.err[-300:]}"]
        tifffile.imwrite(image, np.random.default_rng(1).integers(0, 2**16, EDGES, np.uint16))
    extra = int(rng.uniform(LEAST_MB, MOST_MB) * 2**20)
    with tempfile.TemporaryDirectory(dir=studio.root) as place:
        out = Path(place)
        cramped = _predict(bundle, image, out / "cramped", extra, "[1504,1504]")
        if cramped.returncode in (2, 3) and "must fit into memory" in cramped.stderr and "Traceback" not in cramped.stderr:
            return []  # a clear line; 3 where the other images would go on
        if cramped.returncode != 0:
            return [f"{extra >> 20} MB: exit code {cramped.returncode}, {cramped.stderr[-300:]!r}"]
        found = re.search(r"continuing with (\d+) x (\d+)", cramped.stderr)
        window = "[1504,1504]" if found is None else f"[{found[1]},{found[2]}]"
        plain = _predict(bundle, image, out / "plain", 0, window)
        if plain.returncode != 0:
            return [f"windows of {window} fail: {plain.stderr[-300:]!r}"]
        masks = [tifffile.imread(out / name / "cramped.tif") for name in ("cramped", "plain")]
        differing = float((masks[0] != masks[1]).mean())  # smaller windows lie inside of the large ones: other rims
        return [] if differing < 0.02 else [f"{extra >> 20} MB: {differing:.3f} of the mask that windows of {window} give"]


def _predict(bundle: Path, image: Path, output: Path, extra: int, window: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _START, str(extra), "predict", str(bundle), str(image), "-o", str(output)]
    single = {**os.environ, "OMP_NUM_THREADS": "1"}  # a thread takes address space of its own
    words = [*command, "--set", f"window={window}", *_QUIET]
    return subprocess.run(words, capture_output=True, text=True, env=single, check=False)
