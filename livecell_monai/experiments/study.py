"""An Optuna study: its shared storage, its sampler and pruner, and the importance of settings."""

import logging
import platform
import shutil
import sqlite3
import textwrap
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from filelock import FileLock
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from livecell_monai.errors import SettingError
from livecell_monai.runs.atomic import writing_errors
from livecell_monai.runs.ledger import STARTED_WITH, check_same

HEARTBEAT_S = 10  # seconds between the heartbeats of a running trial
GRACE_S = 60  # seconds without a heartbeat after which a trial is trained again
RETRIES = 2  # of a trial whose process dies, which may be its own fault
JOIN_S = 30.0  # seconds that the process that creates a study has to record its run
AT_RANDOM = 4  # trials before the sampler uses earlier results, and before any is pruned
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
Row = dict[str, Any]
Direction = Literal["maximize", "minimize"]


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Suppress Optuna's log and its warnings that heartbeats are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    for name in ("alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_storage(url: str | Path) -> RDBStorage:
    """Open or create the database of studies, by SQLAlchemy URL or file; a SettingError if it cannot be opened."""
    shown, own = "a URL", url
    if isinstance(url, Path):  # connects by itself, because in a URL `?`, `#`, `%` and braces have a meaning
        url = "sqlite:///sweep.db"
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
        options: dict[str, Any] = {"pool_pre_ping": True}
        lock: AbstractContextManager[Any] = nullcontext()
        if parsed.drivername.startswith("sqlite"):
            path = own if isinstance(own, Path) else Path(parsed.database or ":memory:")
            if path.name == ":memory:" or not path.parent.is_dir():
                raise FileNotFoundError("a file in a folder that exists is needed")
            # two processes that create the tables at once break each other; a write may take a while
            options, lock = {"connect_args": {"timeout": 60}}, FileLock(path.with_name(f".{path.name}.lock"))
            if isinstance(own, Path):
                options = {"creator": lambda: sqlite3.connect(own, timeout=60, check_same_thread=False)}
        # a trial whose process has died is trained again with the same settings by any process
        retry = RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
        with lock:
            return RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=HEARTBEAT_S,
                grace_period=GRACE_S,
                heartbeat_stale_trial_callback=retry,
            )
    except (SQLAlchemyError, sqlite3.Error, ImportError, OSError, ValueError, RuntimeError) as error:
        reason = textwrap.shorten(str(error.__cause__ or error) or type(error).__name__, 200, placeholder=" ...")
        raise SettingError(
            f"--storage must be a database that answers, got {shown}: {reason}; start or correct it, or leave --storage out"
        ) from error


def join_study(
    storage: RDBStorage,
    name: str,
    must_match: Mapping[str, Any],
    first: Mapping[str, Any],
    direction: Direction = "maximize",
) -> tuple[optuna.Study, str | None]:
    """The study of a name and the id of its run; None if the caller must start the run and record it as `parent_run`.

    A new study gets its direction and its first trial; a LiveCellError if it exists with other values of `must_match`.
    """
    try:
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        if (parent := _wait_for_parent(study, name)) is not None:
            check_same(f"study {name}", "a sweep", study.user_attrs[STARTED_WITH], must_match, "name another by --study")
            return study, parent
    study.set_user_attr(STARTED_WITH, dict(must_match))
    study.enqueue_trial(dict(first), skip_if_exists=True)
    return study, None


def _wait_for_parent(study: optuna.Study, name: str) -> str | None:
    until = time.monotonic() + JOIN_S
    while "parent_run" not in study.user_attrs:
        if STARTED_WITH not in study.user_attrs and study.get_trials(deepcopy=False):
            raise SettingError(f"study {name}: must be that of a sweep, it is not; name another by --study")
        if time.monotonic() > until:
            return None  # the process that created it has died
        time.sleep(0.2)
    return str(study.user_attrs["parent_run"])


def build_sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of a trial, seeded by its number, so that no two processes or calls draw the same settings."""
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    # a multivariate sampler would draw before the trial has its number
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=AT_RANDOM, multivariate=False, constant_liar=True)


def build_pruner(epochs: int) -> optuna.pruners.BasePruner:
    """Prunes a trial below the median of the others at the same epoch, after a third of its epochs."""
    return optuna.pruners.MedianPruner(n_startup_trials=AT_RANDOM, n_warmup_steps=max(1, epochs // 3))


def measure_importance(study: optuna.Study, seed: int) -> dict[str, float]:
    """The share of each setting in the variance of complete trials, greatest first, by fANOVA; empty if they do not differ.

    Source: Hutter, Hoos and Leyton-Brown, ICML 2014.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def make_row(trial: FrozenTrial, column: str) -> Row:
    """The row of a finished trial in the table; the score in `column` of a pruned one is that of its last epoch.

    A complete one `began_from` the start `auto` or of a name, or with random weights, `none`.
    """
    spent = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        column: trial.value,
        "seconds": trial.user_attrs.get("seconds", round(spent, 1)),
        **trial.params,
        "began_from": trial.user_attrs.get("began_from", ""),
        "bundle": trial.user_attrs.get("bundle", ""),
    }


def keep_bundle(target: Path, bundle: str) -> Path | None:
    """Copy a bundle, `host:path`, to a folder, in place of an earlier one; None if it is on another machine."""
    host, _, path = bundle.partition(":")
    partial = target.with_name(f"{target.name}.partial")
    # beside the target if the study was moved, or the machine has another name now
    places = [target.parent / Path(path).name, *([Path(path)] if host == platform.node() else [])]
    source = next((place for place in places if path and place.is_dir()), None)
    if source is None:
        shutil.rmtree(target, ignore_errors=True)
        return None
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with writing_errors(target):
            shutil.copytree(source, partial)  # if this fails, the previous best is kept
        shutil.rmtree(target, ignore_errors=True)
        return partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
