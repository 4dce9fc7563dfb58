"""What MLflow lacks of trainings, sent later: what was logged while the store did not answer, and what a kill left over."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.errors import SettingError
from livecell_monai.experiments.outbox import END, Outbox, find_outboxes, open_outbox
from livecell_monai.experiments.outbox_run import OutboxRun
from livecell_monai.experiments.store import SilentStoreError, choose_uri, find_reason, open_store, patient, without_bars

ANSWER_S = 60  # that a server has for each answer: nothing waits but the user
TRIES, PAUSE_S = 3, 1.0  # at what fails: a connection may be cut once
#: what tells the folder of a training or a study from any other
SIGNS = ("configs/metadata.json", "models", "crossval.json", "learning_curve.json", "sweep.json")


@dataclass(frozen=True)
class Synced:
    """What was sent of one run.

    Attributes:
        folder: of the training.
        run_id: in the store.
        uri: of the store.
        sent: number of entries: an epoch, a file, the run's beginning and end count as one each.
    """

    folder: Path
    run_id: str
    uri: str
    sent: int


def sync(folder: str | Path, uri: str | None = None) -> Iterator[Synced]:
    """Send what MLflow lacks of a training, or of a study and its parts, each entry once and in order.

    The run of a training that was killed ends as KILLED, at the time of its last entry; a training that
    resumes in the folder later continues that run. A call that was killed is continued by the next.

    Args:
        folder: of the training, or of the study.
        uri: of the store, where it is not that of the training any more; `auto` as for `choose_uri`. A store that does not
            know the run gets all of it.

    Yields:
        What was sent, run by run; nothing where nothing was left.

    Raises:
        LiveCellError: where it is no such folder, a training is at work in it, or the store does not answer.
    """
    root = Path(folder)
    paths = find_outboxes(root)
    if not paths and not any((root / sign).exists() for sign in SIGNS):
        raise SettingError(f"{root}: must be the folder of a training or of a study, it is not; name what --output named")
    for path in paths:
        with open_outbox(path) as outbox:
            if not outbox.is_ended:
                times = [entry["time"] for entry in outbox.entries if "time" in entry]
                outbox.append(END, status="KILLED", time=max(times))
            before = len(outbox.waiting())
            if before:
                where = outbox.first["uri"] if uri is None else choose_uri(uri)
                _send(outbox, where, is_other=where != outbox.first["uri"])
                yield Synced(path.parent, outbox.run_id, where, before)


def _send(outbox: Outbox, uri: str, is_other: bool) -> None:
    from mlflow.exceptions import MlflowException

    with warnings.catch_warnings(), patient(ANSWER_S), without_bars():
        warnings.simplefilter("ignore")
        outbox_run = OutboxRun(outbox, open_store(uri, answer_s=ANSWER_S), uri)
        failures = 0
        while failures < TRIES:
            try:
                if is_other and outbox.run_id and not outbox_run.knows(outbox.run_id):
                    outbox.forget()
                is_other = False
                if not outbox_run.send_next():
                    return
                failures = 0
            except (MlflowException, SilentStoreError, OSError) as error:
                failures += 1
                fault = error
                time.sleep(PAUSE_S)
        raise SettingError(
            f"{outbox.root}: the store {uri} must take what is left, {len(outbox.waiting())} entries, it does not: "
            f"{find_reason(fault)}; mend that and call again, or give up on them: remove {outbox.path}"
        ) from fault
