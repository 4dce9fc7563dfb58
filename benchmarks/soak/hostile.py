"""Hostile bundles, opened by every door: nothing of them is run, and they open or are refused in one line; then mutated."""

import contextlib
import io
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz.tried import Tried
from livecell_monai import cli
from livecell_monai.data.samples.sample_set import write_sample_set
from soak.hostile_bundles import ATTACKS, CONFIG, MODEL, PLAIN, SETTINGS, expression, note_weights

USER_ERROR = 2
TINY = {
    "accelerator": "cpu",
    "track": False,
    "show_progress": False,
    "scale": 1.0,
    "epochs": 1,
    "samples_per_epoch": 4,
    "batch_size": 4,
    "filters": [4, 8],
    "patch_size": [64, 64],
    "window": [64, 64],
}


@dataclass(frozen=True)
class World:
    """What an attack is tried in.

    Attributes:
        root: folder for everything.
        data: a data folder.
        good: a trained bundle.
    """

    root: Path
    data: Path
    good: Path


@dataclass(frozen=True)
class Outcome:
    """How a call of the command ended."""

    code: int
    out: str
    err: str


def call(*words: object) -> Outcome:
    """One call of the command line in this process; an exception that it lets through is code 1."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ["livecell", *map(str, words)]
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except Exception:
            traceback.print_exc(file=err)
            code = 1
        finally:
            sys.argv = before
    return Outcome(code, out.getvalue(), err.getvalue())


def doors(world: World, bundle: Path, out: Path) -> dict[str, Callable[[], Outcome]]:
    """The ways to open a bundle, by name."""
    quiet = ("--set", "show_progress=false")
    store = f"sqlite:///{world.root / 'mlflow.db'}"
    images = world.data / "test" / "images"
    return {
        "predict": lambda: call("predict", bundle, images, "-o", out / "masks", *quiet),
        "evaluate": lambda: call("evaluate", bundle, world.data, "-o", out / "scores", *quiet),
        "report": lambda: call("report", bundle, "--data", world.data, "-o", out / "page.html"),
        "register": lambda: call("register", bundle, "--name", "cells", "--uri", store),
        "serve": lambda: serve(bundle),
    }


def serve(bundle: Path) -> Outcome:
    """The bundle loaded as `mlflow models serve` loads it."""
    from livecell_monai.errors import find_user_error
    from livecell_monai.experiments.serving import _load_pyfunc

    try:
        _load_pyfunc(str(bundle))
    except Exception as error:
        known = find_user_error(error)
        return Outcome(1, "", traceback.format_exc()) if known is None else Outcome(USER_ERROR, "", f"error: {known}\n")
    return Outcome(0, "", "")


def open_by_monai(world: World, bundle: Path, out: Path) -> None:
    """The bundle run as `python -m monai.bundle run` does, which evaluates what its YAML says."""
    from monai.bundle import ConfigWorkflow

    paths = {"dataset_dir": str(world.data / "test" / "images"), "output_dir": str(out / "by_monai")}
    files = {"config_file": str(bundle / CONFIG), "meta_file": str(bundle / "configs" / "metadata.json")}
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        workflow = ConfigWorkflow(
            **files, logging_file=False, workflow_type="infer", bundle_root=str(bundle), show_progress=False, **paths
        )
        workflow.initialize()
        workflow.run()


def plant(world: World, name: str) -> tuple[Path, Path]:
    """A copy of the good bundle with an attack in it, and the canary that the attack would touch."""
    bundle, canary = world.root / "hostile", world.root / "canary"
    shutil.rmtree(bundle, ignore_errors=True)
    canary.unlink(missing_ok=True)
    shutil.copytree(world.good, bundle)
    ATTACKS[name].plant(bundle, f"touch {canary}")
    return bundle, canary


def find_harm(outcome: Outcome, canary: Path, out: Path, may_open: bool = False) -> str | None:
    """What went wrong where a call had to be refused, or may have done its work; None where nothing did."""
    if canary.exists():
        return "the payload ran"
    if may_open and outcome.code == 0:
        return None
    if outcome.code != USER_ERROR or outcome.out:
        return f"not refused: exit code {outcome.code}, {outcome.err[-200:]!r}"
    if outcome.err.count("\n") != 1 or not outcome.err.startswith("error: "):
        return f"more than a line: {outcome.err[-200:]!r}"
    left = [path.name for path in out.iterdir()] if out.is_dir() else []
    return f"something was written: {left}" if left else None


def make_world(root: Path) -> World:
    """Draw data and train a bundle of a second on them."""
    from livecell_monai.tasks import train

    data = write_sample_set(root / "data", train=2, test=1, shape=(96, 112))
    train(data, root / "model", settings=TINY)
    return World(root, data, root / "model")


def run(seconds: float, seed: int) -> list[Tried]:
    """Every attack by every door, then mutations for what is left of the time."""
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        out = world.root / "out"
        out.mkdir()
        lost, times = [], 0
        for name in ATTACKS:
            bundle, canary = plant(world, name)
            shutil.rmtree(out)
            out.mkdir()
            for door, opened in doors(world, bundle, out).items():
                if time.monotonic() > until:
                    break
                times += 1
                if harm := find_harm(opened(), canary, out, ATTACKS[name].is_ignored):
                    lost.append(f"{name} by {door}: {harm}")
        rows = [
            Tried(
                f"{len(ATTACKS)} hostile bundles opened by predict, evaluate, report, register and serving",
                times,
                tuple(lost),
            )
        ]
        return [*rows, _mutate(world, until, seed)]


def _mutate(world: World, until: float, seed: int) -> Tried:
    generator, times, lost = random.Random(seed), 0, []
    out = world.root / "out"
    while time.monotonic() < until:
        name, harmless = mutate(world, generator)
        bundle, canary = world.root / "hostile", world.root / "canary"
        outcome = doors(world, bundle, out)["predict"]()
        if harm := find_harm(outcome, canary, out, harmless):
            lost.append(f"seed {seed}, number {times}, {name}: {harm}")
        shutil.rmtree(out)
        out.mkdir()
        times += 1
    return Tried("the good bundle with payloads and bytes in random places of configs and weights", times, tuple(lost))


def mutate(world: World, generator: random.Random) -> tuple[str, bool]:
    """Change one place of a copy of the good bundle; what was done, and whether it may do no harm."""
    bundle, canary = world.root / "hostile", world.root / "canary"
    shutil.rmtree(bundle, ignore_errors=True)
    canary.unlink(missing_ok=True)
    shutil.copytree(world.good, bundle)
    if generator.random() < 0.6:
        file = generator.choice((CONFIG, SETTINGS))
        return _mutate_config(bundle / file, f"touch {canary}", generator), file == CONFIG
    path = bundle / generator.choice((MODEL, PLAIN))
    content = bytearray(path.read_bytes())
    place = generator.randrange(len(content))
    content[place] ^= 1 << generator.randrange(8)
    path.write_bytes(bytes(content))
    is_noted = generator.random() < 0.5
    if is_noted:
        note_weights(bundle)
    harmless = is_noted or path.name == MODEL.name
    return f"byte {place} of {path.name}, hash {'noted' if is_noted else 'left'}", harmless


def _mutate_config(path: Path, command: str, generator: random.Random) -> str:
    """A payload in place of a random value, or in a line of its own."""
    lines = path.read_text(encoding="utf-8").splitlines()
    run = expression(command)
    payloads = [run, f"[{run}]", f"{{ _target_: os.system, command: '{command}' }}", f"{{ _disabled_: {run} }}"]
    payload = generator.choice(payloads)
    at = generator.choice([index for index, line in enumerate(lines) if ":" in line and not line.lstrip().startswith("#")])
    if generator.random() < 0.7:
        lines[at] = f"{lines[at].partition(':')[0]}: {payload}"
    else:
        indent = len(lines[at]) - len(lines[at].lstrip(" -"))
        lines.insert(at, f"{' ' * indent}{generator.choice(('extra', '_requires_', '_disabled_', '+handlers'))}: {payload}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"line {at + 1}: {lines[at].strip()}"
