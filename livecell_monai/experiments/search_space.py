"""The search space of a sweep, read from YAML and checked before any work is done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecell_monai.bundle.plain_yaml import read_values
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import SettingError
from livecell_monai.experiments.locate import located
from livecell_monai.settings import SETTINGS, check_setting, check_settings
from livecell_monai.settings.prediction import Planes
from livecell_monai.training.start import AUTO, check_start, find_start

if TYPE_CHECKING:
    from optuna import Trial

#: a trial that chose its own epoch or threshold would look better than it is
HELD = {"checkpoint_selection": "last", "patience": 10**6}
#: with different values of these, the scores of trials could not be compared
COMPARED_BY = (*HELD, "split", "validation_fraction", "guard", "seed", "minutes", "epochs", "samples_per_epoch")
WIDTH, STRENGTH = "width", "strength"  #: factors on several settings
MULTIPLIED = ("brightness", "illumination", "shading", "blur", "noise", "shear", "elastic")  # at 0 without effect
RAISED = ("gamma", "contrast", "stretch")  # at 1 without effect; zoom is planned from the cell sizes
CHANNELS = 4  # divides the numbers of channels


@dataclass(frozen=True)
class Entry:
    """The values of one name: `choices`, or a range from `low` to `high`, optionally in steps or on a logarithmic scale."""

    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: "Trial", name: str) -> Any:
        """A value for a trial; Optuna stores a choice that is a list as JSON."""
        if self.low is None or self.high is None:
            label = trial.suggest_categorical(name, [_label(choice) for choice in self.choices])
            return next(choice for choice in self.choices if _label(choice) == label)
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def limits(self) -> list[Any]:
        """The values that must be valid for all to be valid."""
        return list(self.choices) if self.low is None else [self.low, self.high]

    def contains(self, value: Any) -> bool:
        """Whether a trial may have this value."""
        if self.low is None or self.high is None:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high and self.step is None


@dataclass(frozen=True)
class Space:
    """The entries by setting, `width` or `strength`, and the names that were removed because they are given."""

    entries: dict[str, Entry]
    fixed: tuple[str, ...] = ()

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """A value for each name."""
        return {name: entry.suggest(trial, name) for name, entry in self.entries.items()}

    def usual(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a training without a sweep that are in the space, as Optuna stores them."""
        values = {**base, WIDTH: 1.0, STRENGTH: 1.0}
        return {name: _label(values[name]) for name, entry in self.entries.items() if entry.contains(values[name])}

    def describe(self) -> dict[str, Any]:
        """As plain values."""
        return {name: vars(entry) | {"choices": list(entry.choices)} for name, entry in self.entries.items()}


def read_space(path: str | Path | None = None, given: Mapping[str, Any] | None = None) -> Space:
    """Read a search space from YAML, the bundle's own by default, and remove the given settings from it.

    Raises a SettingError if the file cannot be read, an entry is invalid, or none is left.
    """
    file = find_template() / "configs" / "sweep.yaml" if path is None else Path(path)
    content = read_values(file, "the search space")
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise SettingError(f"{file}: the search space must be a mapping of settings, got {content!r}"[:300] + "; correct it")
    entries = {name: _read_entry(f"{file}: {name}", name, entry) for name, entry in content.items()}
    covered = {WIDTH: ("filters",), STRENGTH: (*MULTIPLIED, *RAISED)}
    for name, parts in covered.items():
        both = [part for part in parts if part in entries]
        if name in entries and both:
            raise SettingError(f"{file}: {name} must stand alone, {both[0]} is a part of it; remove one of them")
    fixed = tuple(name for name in entries if set(given or {}).issuperset(covered.get(name, (name,))))
    if len(fixed) == len(entries):
        raise SettingError(f"{file}: the search space must have an entry that --set does not fix, there is none; add one")
    return Space({name: entry for name, entry in entries.items() if name not in fixed}, fixed)


def check_space(space: Space, base: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise a LiveCellError for a limit that no training could start with; see `to_settings`.

    A start that is named has one network. With `auto`, trials of another network begin from random weights.
    """
    read = cache(lambda name: find_start(name, located, str(base["tracking_uri"])))  # of MLflow: downloaded once

    def check_fit(settings: Mapping[str, Any]) -> None:
        found = None if settings["start"] == AUTO else read(settings["start"])
        if found is not None:
            check_start(found.start, settings)

    check_fit(base)
    starts = space.entries["start"].choices if "start" in space.entries else (base["start"],)
    for name, entry in space.entries.items():
        for value in entry.limits():
            settings = {**base, **to_settings({name: value}, base, given)}
            check_settings(settings, is_training=True)
            try:
                for start in (settings["start"],) if name == "start" else starts:
                    check_fit({**settings, "start": start})
            except SettingError as error:
                raise SettingError(f"search space, {name} {value}: {error}") from error


def to_settings(values: Mapping[str, Any], base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for values of the space, by those of a training without a sweep; no factor changes given settings."""
    settings = dict(values)
    if (width := settings.pop(WIDTH, None)) is not None:
        settings["filters"] = [max(CHANNELS, CHANNELS * round(width * count / CHANNELS)) for count in base["filters"]]
    if (strength := settings.pop(STRENGTH, None)) is not None:
        settings |= {name: round(strength * base[name], 4) for name in MULTIPLIED if name not in given}
        settings |= {name: round(base[name] ** strength, 4) for name in RAISED if name not in given}
    return settings


def _read_entry(where: str, name: str, entry: Any) -> Entry:
    setting = SETTINGS.get(name)
    is_method = setting is None or (setting.recorded and not setting.local and setting.group is not Planes)
    if not is_method or name in COMPARED_BY:
        raise SettingError(f"{where}: must not be searched, it must be the same for all trials; give it by --set instead")
    keys = set(entry) if isinstance(entry, dict) else set()
    if "low" in keys and keys <= {"low", "high", "step", "log"}:
        read = _read_range(where, entry, whole=setting is not None and type(setting.default) is int)
    elif keys != {"choices"}:
        raise SettingError(f"{where}: must have low and high (perhaps log or step), or choices, got {entry!r}; correct it")
    elif not isinstance(entry["choices"], list) or not entry["choices"]:
        raise SettingError(f"{where}: choices must be a list of one value or more, got {entry!r}; correct it")
    else:
        read = Entry(choices=tuple(entry["choices"]))
    for value in read.limits():
        if name not in (WIDTH, STRENGTH):
            check_setting(name, value, where)
        elif type(value) not in (int, float) or not 0 <= value < 10 or (value == 0 and name == WIDTH):
            raise SettingError(f"{where}: a factor must be above 0 and below 10, got {value!r}; correct it")
    return read


def _read_range(where: str, entry: Mapping[str, Any], whole: bool) -> Entry:
    low, high, step, log = entry["low"], entry.get("high"), entry.get("step"), entry.get("log", False)
    kinds, kind = ((int,), "whole numbers") if whole else ((int, float), "numbers")
    if any(type(number) not in kinds for number in (low, high, step or low)) or not low < high:
        raise SettingError(f"{where}: low and high must be {kind}, the lower one first, got {dict(entry)!r}; correct it")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)) or (step is not None and step <= 0):
        raise SettingError(
            f"{where}: log must be true or false, for values above 0 without step, got {dict(entry)!r}; correct it"
        )
    return Entry(low, high, step, log, whole)


def _label(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
