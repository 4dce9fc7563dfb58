"""Trainings that are killed, torn and interrupted, and resumed: the result is that of one without interruption.

Weights, optimiser, history and MLflow's metrics are compared to the bit. Some of the kills come in the middle of writing a
checkpoint: the folder is watched for the temporary file.
"""

import random
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.tried import Tried
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.experiments.store import open_store
from livecell_monai.tasks import is_unfinished
from soak.comparing import list_differences, list_tracking_faults
from soak.trainings import CASES, STORE, Case, Nursery

KILLS = 20  #: for each kind of training
STOPS = 6  #: by Ctrl-C or a polite kill
TORN = 3
SOON_S = 5.0  # in which an interrupted training is to end
WRITING = ".writing-*.pt"


@dataclass
class Trial:
    """One kind of training, what it comes to when it is not stopped, and what was lost of it.

    Attributes:
        seconds: from its record to its end.
        kills: how often one was killed.
        in_writing: how often of these in the middle of writing a checkpoint.
        torn: how often the newest checkpoint was truncated.
        longest_s: that an interrupted one took to end.
    """

    nursery: Nursery
    case: Case
    dice: random.Random
    whole: Path
    seconds: float
    kills: int = 0
    in_writing: int = 0
    torn: int = 0
    longest_s: float = 0.0
    lost: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, nursery: Nursery, case: Case, seed: int) -> "Trial":
        """Train once without a stop."""
        training = nursery.start(case, f"{case.recipe}_whole")
        training.wait_for("record.json")
        started = time.monotonic()
        code = training.wait()
        trial = cls(nursery, case, random.Random(f"{seed} {case.recipe}"), training.place, time.monotonic() - started)
        if code != 0:
            trial.lost.append(f"not stopped, it ended with {code}: {_last_words(training.place)}")
        return trial

    def kill(self, name: str, often: int, is_torn: bool = False) -> None:
        """Kill a training again and again, each time going on with it, and let it come to its end."""
        for stop in range(often):
            self._kill_once(name, resumes=stop > 0, in_writing=self.dice.random() < 0.5)
            place = self.nursery.root / name / "model"
            if (place / "configs" / "metadata.json").is_file() and not is_unfinished(place):
                break  # killed after its last file: there is nothing to resume
            if is_torn:
                self._tear(name)
        self._end(name)

    def interrupt(self, name: str) -> None:
        """End a training by SIGINT or SIGTERM, and resume it."""
        training = self.nursery.start(self.case, name)
        training.wait_for("record.json")
        time.sleep(self.dice.uniform(0.1, 0.7) * self.seconds)
        is_at_work = training.process.is_alive()
        started = time.monotonic()
        training.send(self.dice.choice([signal.SIGINT, signal.SIGTERM]))
        code, took = training.wait(), time.monotonic() - started
        if is_at_work and code == 130:  # else it was over by then
            self.longest_s = max(self.longest_s, took)
            if took > SOON_S:
                self.lost.append(f"{name}: interrupted, it ended after {took:.1f} s only")
        elif code != 0:
            self.lost.append(f"{name}: interrupted, it ended with {code}: {_last_words(training.place)}")
        self._end(name)

    def repeat(self) -> None:
        """The same seed once more."""
        self._compare(f"{self.case.recipe}_again", self.nursery.train(self.case, f"{self.case.recipe}_again"))

    def _kill_once(self, name: str, resumes: bool, in_writing: bool) -> None:
        training = self.nursery.start(self.case, name, resumes)
        training.wait_for("record.json")
        time.sleep(self.dice.uniform(0, 0.9 if not in_writing else 0.5) * self.seconds)
        if in_writing:
            training.wait_for(WRITING)
        training.send(signal.SIGKILL)
        code = training.wait()
        if code == -signal.SIGKILL:
            self.kills += 1
            self.in_writing += training.hidden.is_dir() and any(training.hidden.glob(WRITING))
        elif code != 0:  # else it was over by then
            self.lost.append(f"{name}: ended with {code} ahead of the kill: {_last_words(training.place)}")

    def _tear(self, name: str) -> None:
        checkpoints = sorted((self.nursery.root / name / "model" / ".training").glob("0*.pt"))
        if len(checkpoints) == 2:
            whole = checkpoints[-1].read_bytes()
            checkpoints[-1].write_bytes(whole[: self.dice.randrange(len(whole))])
            self.torn += 1

    def _end(self, name: str) -> None:
        self._compare(name, self.nursery.train(self.case, name, resumes=True))

    def _compare(self, name: str, place: Path) -> None:
        if not (place / "model" / "configs" / "metadata.json").is_file():
            self.lost.append(f"{name}: no bundle came out: {_last_words(place)}")
            return
        found = list_differences(self.whole / "model", place / "model")
        faults = [f"{len(found)} values are others, the first {found[0]}"] if found else []
        faults += list_tracking_faults(place / STORE, self.whole / STORE)
        self.lost += [f"{name}: {fault}" for fault in faults]


def run(seconds: float, seed: int) -> list[Tried]:
    """Stop trainings for at most so many seconds."""
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        nursery = prepare(root)
        rows: list[Tried] = []
        for number, case in enumerate(CASES):
            ends = time.monotonic() + (until - time.monotonic()) / (len(CASES) - number)
            rows += try_case(Trial.of(nursery, case, seed), ends)
    return rows


def prepare(root: Path, method: str = "forkserver") -> Nursery:
    """The data, an empty store, and what starts trainings."""
    write_sample_set(root / "data", test=2, shape=(128, 128))
    open_store(f"sqlite:///{root / 'empty' / STORE}")
    return Nursery(root, root / "empty" / STORE, method)


def try_case(trial: Trial, until: float, kills: int = KILLS, stops: int = STOPS, torn: int = TORN) -> list[Tried]:
    """Stop one kind of training in every way; what does not fit into the time is left out."""
    case, rows = trial.case, []

    def has_time(trainings: float = 4.0) -> bool:
        return time.monotonic() + trainings * (trial.seconds + 2) < until

    def add(what: str, times: int) -> None:
        rows.append(Tried(f"{case.name}: {what}", times, tuple(trial.lost)))
        trial.lost.clear()

    trial.repeat()
    add("the same seed twice", 1)
    done = 0
    while trial.kills < kills and has_time():
        trial.kill(f"{case.recipe}_killed_{done}", often=min(trial.dice.randint(1, 3), kills - trial.kills))
        done += 1
    add(f"SIGKILL at a random moment ({trial.in_writing} while a checkpoint was written), resumed", trial.kills)
    done = 0
    while trial.torn < torn and has_time():
        trial.kill(f"{case.recipe}_torn_{done}", often=1, is_torn=True)
        done += 1
    add("SIGKILL, then the newest checkpoint truncated, resumed", trial.torn)
    done = 0
    while done < stops and has_time():
        trial.interrupt(f"{case.recipe}_interrupted_{done}")
        done += 1
    add(f"Ctrl-C or SIGTERM at a random moment (ended within {trial.longest_s:.1f} s), resumed", done)
    return rows


def _last_words(place: Path) -> str:
    said = (place / "said").read_text(encoding="utf-8").split("\n") if (place / "said").is_file() else []
    return next((line for line in reversed(said) if line.strip()), "nothing was said")[:200]
