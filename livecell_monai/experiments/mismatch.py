"""Why the scores of some runs cannot be compared: different data, images or labels, or a leak."""

from collections.abc import Callable, Hashable, Sequence

from livecell_monai.experiments.compared_run import ComparedRun

SHOWN = 3  # runs or groups named in one line


def find_mismatches(runs: Sequence[ComparedRun]) -> list[str]:
    """One line for each reason, for runs with a score."""
    lines = []
    leaking = [run.name for run in runs if run.leaks]
    if leaking:
        lines.append(
            f"split original and none score what was trained on, not to be compared with the others: {_shorten(leaking)}"
        )
    by_data = _group([run for run in runs if run.data], lambda run: run.data)
    if len(by_data) > 1:
        lines.append(f"trained on different data: {_list(by_data, lambda run: run.data[:8])}")
    by_images = _group_by_images([run for run in runs if not run.leaks])
    if len(by_images) > 1:
        lines.append(f"scored on different images: {_list(by_images, _name_images)}")
    return lines


def find_common(first: ComparedRun, other: ComparedRun) -> tuple[list[str], list[str]]:
    """The images that both have scored against the same labels, and those of the same name with different labels."""
    before, after = _measure_labels(first), _measure_labels(other)
    same = [name for name, label in before.items() if after.get(name) == label]
    return same, [name for name, label in before.items() if after.get(name, label) != label]


def _group_by_images(runs: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    # a run without scores by image counts as scored on the images of the first one with the same split
    known = {run.scored_on: _identify_images(run) for run in reversed(runs) if run.images}
    return _group(runs, lambda run: _identify_images(run) or known.get(run.scored_on, run.scored_on))


def _identify_images(run: ComparedRun) -> Hashable:
    return frozenset(_measure_labels(run).items())


def _measure_labels(run: ComparedRun) -> dict[str, tuple[int, int]]:
    """(pixels, foreground pixels) of each image's label, which the counts give."""
    images = (run.images or {}).items()
    return {name: (each.tp + each.fp + each.fn + each.tn, each.tp + each.fn) for name, each in images}


def _name_images(run: ComparedRun) -> str:
    number = "" if not run.images else f", {len(run.images)} image{'s' if len(run.images) > 1 else ''}"
    return (run.scored_on or "unknown split") + number


def _group(runs: Sequence[ComparedRun], key: Callable[[ComparedRun], Hashable]) -> list[list[ComparedRun]]:
    groups: dict[Hashable, list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _list(groups: Sequence[Sequence[ComparedRun]], describe: Callable[[ComparedRun], str]) -> str:
    shown = [f"{_shorten([run.name for run in group])} ({describe(group[0])})" for group in groups[:SHOWN]]
    return "; ".join([*shown, *([f"and {len(groups) - SHOWN} more"] if len(groups) > SHOWN else [])])


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
