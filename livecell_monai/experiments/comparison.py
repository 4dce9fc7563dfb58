"""Runs side by side."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from livecell_monai.errors import SettingError
from livecell_monai.experiments.store import choose_uri, open_store

SCORES = ("best_val_iou", "best_val_accuracy", "best_val_loss")
UNINTERESTING = ("version_", "computed_on", "data_sha256")


@dataclass(frozen=True)
class ComparedRun:
    """One run as the table shows it.

    Attributes:
        name: the run's name.
        status: FINISHED, FAILED, KILLED or RUNNING.
        scores: best validation scores by name, in `SCORES`.
        seconds: how long it took, None while it runs.
        leaks: whether its validation score is of a split that leaks.
        data: digest of the data it was trained on.
        settings: its parameters.
    """

    name: str
    status: str
    scores: dict[str, float]
    seconds: float | None
    leaks: bool
    data: str
    settings: dict[str, str] = field(repr=False)


def list_runs(uri: str = "auto", experiment: str = "livecell", limit: int = 20) -> list[ComparedRun]:
    """The runs of an experiment, best validation IoU first; those without a score come last.

    Raises:
        SettingError: where the store cannot be reached or has no such experiment.
    """
    client = open_store(choose_uri(uri), create=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = ", ".join(entry.name for entry in client.search_experiments()) or "none"
            raise SettingError(f"--experiment must be one of the store's ({names}), got {experiment!r}; correct it")
        runs = client.search_runs([found.experiment_id], max_results=1000)
    compared = [
        ComparedRun(
            name=run.info.run_name,
            status=run.info.status,
            scores={name: run.data.metrics[name] for name in SCORES if name in run.data.metrics},
            seconds=(run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None,
            leaks=run.data.params.get("split_used") in ("original", "none"),
            data=run.data.params.get("data_sha256", "")[:8],
            settings=dict(run.data.params),
        )
        for run in runs
    ]
    return sorted(compared, key=lambda run: -run.scores.get(SCORES[0], -1.0))[:limit]


def find_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """The settings in which the runs differ, sorted."""
    # `split` may be auto: `split_used` says what came of it
    names = {name for run in runs for name in run.settings if not name.startswith(UNINTERESTING) and name != "split"}
    return sorted(name for name in names if len({run.settings.get(name, "") for run in runs}) > 1)
