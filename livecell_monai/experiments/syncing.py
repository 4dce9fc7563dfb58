"""Sends later what MLflow lacks of trainings, because the store did not answer or the training was killed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livecell_monai.errors import SettingError, mask_secrets
from livecell_monai.experiments.outbox import END, Outbox, find_outboxes, open_outbox
from livecell_monai.experiments.store import SilentStoreError, choose_uri, find_reason, open_store, quiet_mlflow
from livecell_monai.experiments.uploader import OutboxRun

ANSWER_S = 60  # seconds that a server has for each answer
TRIES, PAUSE_S = 3, 1.0  # for an entry that fails
#: any of these marks the folder of a training or a study
SIGNS = ("configs/metadata.json", "models", "crossval.json", "learning_curve.json", "sweep.json")


@dataclass(frozen=True)
class Synced:
    """What was sent of one run; each epoch and each file is an entry, and so are the run's start and end."""

    folder: Path
    run_id: str
    uri: str
    sent: int


def sync(folder: str | Path, uri: str | None = None) -> Iterator[Synced]:
    """Send what MLflow lacks of a training, or of a study and its parts, each entry once and in order.

    The run of a killed training ends as KILLED at the time of its last entry; a training that resumes in the folder later
    continues it. If this call is killed, the next one resumes it.

    The URI is that of a store that has moved; `auto` as for `choose_uri`. A store without the run receives all of it.

    Raises a LiveCellError if it is no such folder, a training runs in it, or the store does not answer.
    """
    root = Path(folder)
    paths = find_outboxes(root)
    if not paths and not any((root / sign).exists() for sign in SIGNS):
        raise SettingError(f"{root}: must be the folder of a training or of a study, it is not; name what --output named")
    for path in paths:
        with open_outbox(path) as outbox:
            if not outbox.entries:  # its first line was never completed
                continue
            if not outbox.is_ended:
                times = [entry["time"] for entry in outbox.entries if "time" in entry]
                outbox.append(END, status="KILLED", time=max(times))
            before = len(outbox.waiting())
            if before:
                store = choose_uri(outbox.first["uri"] if uri is None else uri)
                _send(outbox, store)
                yield Synced(path.parent, outbox.run_id, mask_secrets(store), before)


def _send(outbox: Outbox, uri: str) -> None:
    from mlflow.exceptions import MlflowException

    with quiet_mlflow(ANSWER_S):
        outbox_run = OutboxRun(outbox, open_store(uri, answer_s=ANSWER_S), uri)
        failures = 0
        while failures < TRIES:
            try:
                if not outbox_run.send_next():
                    return
                failures = 0
            except (MlflowException, SilentStoreError, OSError) as error:
                failures += 1
                fault = error
                time.sleep(PAUSE_S)
        raise SettingError(
            f"{outbox.root}: the store {uri} must accept the remaining {len(outbox.waiting())} entries, it does not: "
            f"{find_reason(fault)}; correct that and call again, or give up on them: remove {outbox.path}"
        ) from fault
