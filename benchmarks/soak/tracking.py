"""Tracking servers that are dead, die, are slow or cut connections, kills, and trainings at once on one SQLite store."""

import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fuzz.tried import Tried
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.errors import LiveCellError
from livecell_monai.experiments import tracking, uploader
from livecell_monai.experiments.outbox import ENTRIES, FOLDER
from livecell_monai.experiments.store import open_store
from livecell_monai.experiments.syncing import sync
from livecell_monai.tasks import train
from soak.noting import count_told, drain, find_losses, note
from soak.proxy import Fault, Proxy, draw_faults, proxied
from soak.server import serving

EPOCHS = 24
SLOW_S = 5.0
SMALL = {
    **{"accelerator": "cpu", "show_progress": False, "scale": 1.0, "epochs": 3, "samples_per_epoch": 8},
    **{"batch_size": 4, "filters": [4, 8], "patch_size": [64, 64], "window": [64, 64]},
}
Harm = Callable[[int], None]


@dataclass
class Place:
    """Where the rounds are played.

    Attributes:
        root: folder for all of it.
        uri: of the server, past the proxy.
        proxy: what harms.
        rng: draws.
        seed: that `rng` was made from.
        rounds: how many were played, for names that nothing else has.
    """

    root: Path
    uri: str
    proxy: Proxy
    rng: random.Random
    seed: int
    rounds: int = 0
    processes: multiprocessing.context.ForkServerContext = field(
        default_factory=lambda: multiprocessing.get_context("forkserver")
    )

    def name_next(self, kind: str) -> str:
        """The name of the next round, which is that of its experiment and folder."""
        self.rounds += 1
        self.proxy.choose = Fault
        return f"{kind}-{self.seed}-{self.rounds}"


def run(seconds: float, seed: int) -> list[Tried]:
    """Harm what is noted of trainings for some seconds, and count what is lost or doubled.

    Args:
        seconds: at most.
        seed: of the harm.
    """
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        store = f"sqlite:///{root / 'mlflow.db'}"
        open_store(store)
        with serving(root, store) as uri, proxied(int(uri.rpartition(":")[2])) as proxy:
            place = Place(root, uri, proxy, random.Random(seed), seed)
            place.processes.set_forkserver_preload(
                ["mlflow", "livecell_monai.experiments.syncing", "livecell_monai.experiments"]
            )
            trained = play_trainings(place)
            before = uploader.FIRST_PAUSE_S, tracking.SERVER_S
            uploader.FIRST_PAUSE_S, tracking.SERVER_S = 0.1, 2.0  # more rounds in the time: the rules stay the same
            try:
                left = ends - time.monotonic()
                tried = [repeat(partial(play, place), play.__doc__ or "", share * left) for play, share in SHARES.items()]
            finally:
                uploader.FIRST_PAUSE_S, tracking.SERVER_S = before
    return [*tried, trained]


def repeat(play: Callable[[], list[str]], what: str, seconds: float) -> Tried:
    """Play rounds for some seconds, as many as are likely to end in time; one at least."""
    started, longest, times = time.monotonic(), 0.0, 0
    lost: list[str] = []
    while not times or time.monotonic() - started + longest < seconds:
        begun = time.monotonic()
        lost += play()
        longest = max(longest, time.monotonic() - begun)
        times += 1
    return Tried(what.splitlines()[0].rstrip("."), times, tuple(lost))


def play_harm(place: Place) -> list[str]:
    """Trainings of 24 epochs with a server that is dead, dies, returns, is slow or cuts connections; sync afterwards."""
    name = place.name_next("harm")
    harm, what = _draw_harm(place)
    where = f"{name} ({what})"
    try:
        note(place.proxy.uri, place.root / name, name, EPOCHS, place.rng.choice((0.0, 0.005, 0.02)), harm)
        return [*_sync(place, name), *find_losses(place.uri, name, EPOCHS, "FINISHED", where)]
    except LiveCellError as error:
        return [f"{where}: {error}"]


def play_kill(place: Place) -> list[str]:
    """Trainings killed at a random moment with such a server, resumed or not; sync, also killed."""
    name = place.name_next("kill")
    place.proxy.choose = draw_faults(place.rng, 0.2, 0.3)
    arguments = (place.proxy.uri, place.root / name, name, EPOCHS, 0.03)
    _kill(place, note, arguments, place.rng.uniform(0.2, 1.5))
    folder = place.root / name
    if place.rng.random() < 0.5 and count_told(folder) < EPOCHS:
        place.proxy.choose = Fault
        note(*arguments)
    status = "FINISHED" if _has_finished(folder) else "KILLED"
    _kill(place, drain, (folder,), place.rng.uniform(0.05, 0.6))
    lost = _sync(place, name) if (folder / FOLDER / ENTRIES).exists() else []
    told = count_told(folder)
    return [*lost, *(find_losses(place.uri, name, told, status, name) if told else [])]


def play_at_once(place: Place) -> list[str]:
    """Two to four trainings of 24 epochs at once that create one SQLite store."""
    name = place.name_next("at_once")
    uri = f"sqlite:///{place.root / name / 'mlflow.db'}"
    names = [f"{name}-{number}" for number in range(place.rng.randint(2, 4))]
    given = [(uri, place.root / name / one, one, EPOCHS, place.rng.choice((0.0, 0.01))) for one in names]
    all_ = [place.processes.Process(target=note, args=arguments) for arguments in given]
    for process in all_:
        process.start()
    for process in all_:
        process.join(120)
    lost = [f"{name}: a training ended by {process.exitcode}" for process in all_ if process.exitcode != 0]
    return [*lost, *(line for one in names for line in find_losses(uri, one, EPOCHS, "FINISHED", one))]


#: of the time that real trainings leave
SHARES: dict[Callable[[Place], list[str]], float] = {play_harm: 0.5, play_kill: 0.3, play_at_once: 0.2}


def play_trainings(place: Place) -> Tried:
    """Real trainings, untracked and with a server that takes seconds for each answer."""
    data = place.root / "cells"
    write_sample_set(data, test=1, shape=(128, 128))
    seconds: list[float] = []
    name = place.name_next("slow")
    for track in (False, False, True):  # what is imported on the way is the first one's
        place.proxy.choose = lambda: Fault(delay_s=SLOW_S)
        started = time.monotonic()
        settings = {**SMALL, "track": track, "tracking_uri": place.proxy.uri, "experiment": name}
        train(data, place.root / f"model_{len(seconds)}", settings=settings)
        seconds.append(time.monotonic() - started)
    _, without, slow = seconds
    bound = tracking.CHECK_S + tracking.SERVER_S
    what = f"A training with a server that takes {SLOW_S:.0f} s per answer: {slow:.1f} s; without tracking {without:.1f} s"
    lost = [] if slow < 2 * without + bound + 10 else [f"{name}: {slow:.1f} s, more than the check and the end may wait"]
    place.proxy.choose = Fault
    sent = list(sync(place.root / "model_2"))
    client = open_store(place.uri)
    (run,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    steps = [one.step for one in client.get_metric_history(run.info.run_id, "val_iou")]
    if (run.info.status, steps, len(sent)) != ("FINISHED", [1, 2, 3], 1):
        lost.append(f"{name}: {run.info.status}, epochs {steps}")
    return Tried(what, 1, tuple(lost))


def _draw_harm(place: Place) -> tuple[Harm, str]:
    """What happens to the server at each epoch, and how it is called; what begins at once has begun."""
    proxy, first = place.proxy, place.rng.randint(1, EPOCHS)
    last = place.rng.randint(first, EPOCHS)
    kind = place.rng.choice(("dead", "dies", "comes back", "slow", "cuts", "cuts and dies"))
    if kind == "dead":
        proxy.die()
    if kind == "slow":
        proxy.choose = partial(Fault, delay_s=place.rng.uniform(0.2, SLOW_S))
    if kind.startswith("cuts"):
        proxy.choose = draw_faults(place.rng, place.rng.uniform(0.1, 0.6), 0.1)

    def harm(epoch: int) -> None:
        if epoch == first and kind in ("dies", "comes back", "cuts and dies"):
            proxy.die()
        if epoch == last and kind == "comes back":
            proxy.come_up()

    return harm, f"{kind}, epochs {first} to {last}"


def _sync(place: Place, name: str) -> list[str]:
    """Send what is left by way of a proxy that means well, and see that nothing is left then."""
    place.proxy.die()
    place.proxy.choose = Fault
    place.proxy.come_up()
    try:
        list(sync(place.root / name))
        again = list(sync(place.root / name))
    except LiveCellError as error:
        return [f"{name}: {error}"]
    return [f"{name}: something was left"] if again else []


def _has_finished(folder: Path) -> bool:
    """Whether a training has come to its end, before what is left of it is sent."""
    left = folder / FOLDER / ENTRIES
    return count_told(folder) == EPOCHS and (not left.exists() or '"FINISHED"' in left.read_text(encoding="utf-8"))


def _kill(place: Place, target: Callable[..., None], arguments: tuple[object, ...], seconds: float) -> None:
    """Start a process and kill it after some seconds, unless it has come to its end."""
    process = place.processes.Process(target=target, args=arguments)
    process.start()
    process.join(seconds)
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
