"""What forbids to read two scores as one better than the other: other data, other images, other truth, a leak."""

from collections.abc import Callable, Hashable, Sequence

from livecell_monai.experiments.compared_run import ComparedRun

SHOWN = 3  # runs named in one line; a list of twenty would hide the point


def find_mismatches(runs: Sequence[ComparedRun]) -> list[str]:
    """One line for each reason why the scores of some runs are not to be set against each other.

    Args:
        runs: those with a score.
    """
    honest = [run for run in runs if not run.leaks]
    told = (_tell_leaks(runs), _tell_data(runs), _tell_images(honest))
    return [line for line in told if line]


def find_common(first: ComparedRun, other: ComparedRun) -> tuple[list[str], list[str]]:
    """The images that both have scored against the same truth, and those of the same name whose truth is another.

    The truth is told apart by its size and its foreground, which the counts of pixels give.
    """
    before, after = first.images or {}, other.images or {}
    both = {name: _truth(before[name]) == _truth(after[name]) for name in before if name in after}
    return [name for name, same in both.items() if same], [name for name, same in both.items() if not same]


def _tell_leaks(runs: Sequence[ComparedRun]) -> str:
    leaking = [run.name for run in runs if run.leaks]
    if not leaking:
        return ""
    return f"split original and none score what was trained on, not to be compared with the others: {_shorten(leaking)}"


def _tell_data(runs: Sequence[ComparedRun]) -> str:
    known = [run for run in runs if run.data]
    groups = _group(known, lambda run: run.data)
    if len(groups) < 2:
        return ""
    return f"trained on different data: {_list(groups, lambda run: run.data[:8])}"


def _tell_images(runs: Sequence[ComparedRun]) -> str:
    # a run without scores by image is taken to be scored on what the first one of its kind is
    known: dict[str, Hashable] = {}
    for run in runs:
        if run.images:
            known.setdefault(run.scored_on, _judged(run))
    groups = _group(runs, lambda run: _judged(run) if run.images else known.get(run.scored_on, run.scored_on))
    return f"scored on different images: {_list(groups, _name_images)}" if len(groups) > 1 else ""


def _judged(run: ComparedRun) -> Hashable:
    return frozenset((name, _truth(scores)) for name, scores in (run.images or {}).items())


def _truth(scores: object) -> tuple[int, int]:
    """(pixels, foreground) of the truth that an image was scored against."""
    counts = [int(getattr(scores, name)) for name in ("tp", "fp", "fn", "tn")]
    return sum(counts), counts[0] + counts[2]


def _name_images(run: ComparedRun) -> str:
    number = "" if not run.images else f", {len(run.images)} image{'s' if len(run.images) > 1 else ''}"
    return (run.scored_on or "unknown split") + number


def _group(runs: Sequence[ComparedRun], key: Callable[[ComparedRun], Hashable]) -> list[list[ComparedRun]]:
    groups: dict[Hashable, list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _list(groups: Sequence[Sequence[ComparedRun]], say: Callable[[ComparedRun], str]) -> str:
    shown = [f"{_shorten([run.name for run in group])} ({say(group[0])})" for group in groups[:SHOWN]]
    return "; ".join([*shown, *([f"and {len(groups) - SHOWN} more"] if len(groups) > SHOWN else [])])


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
