"""What a sweep improves: one of the validation scores of its trials."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livecell_monai.cells.decoder import CellDecoder
from livecell_monai.cells.distance import has_ids
from livecell_monai.data.readers.kinds import read_annotation
from livecell_monai.errors import DataError, SettingError
from livecell_monai.metrics import Metric, find_metric, list_cell_metrics
from livecell_monai.sample import Sample

PIXELS = ("iou", "accuracy")  # validated after each epoch; the loss is not: trials may differ in its kind


@dataclass(frozen=True)
class Objective:
    """A validation score."""

    metric: Metric

    @property
    def name(self) -> str:
        """Of the metric."""
        return self.metric.name

    @property
    def column(self) -> str:
        """The name in `history.csv`, MLflow and `sweep.csv`."""
        return f"val_{self.name}"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """In which Optuna searches."""
        return "maximize" if self.metric.higher_is_better else "minimize"

    def check(self, settings: Mapping[str, Any], samples: Iterable[Sample]) -> None:
        """Raise a LiveCellError if trainings with these settings and data do not measure the score."""
        if self.name in PIXELS:
            return
        if not CellDecoder(settings["maps"], settings["cells"]).is_on:
            raise SettingError(
                f"--objective {self.name} must be a score of a bundle that writes cells, got cells={settings['cells']} with "
                f"maps={list(settings['maps'])}; add --set cells=true"
            )
        for sample in samples:
            if sample.label is not None and not has_ids(read_annotation(sample)):
                raise DataError(
                    f"{sample.label}: --objective {self.name} must have labels with an id for each cell, got a binary one; "
                    f"use --objective {PIXELS[0]}"
                )

    def read(self, validation: Mapping[str, float], trial: str) -> float:
        """The score of a trained trial; a DataError if it was not measured."""
        if self.name not in validation:
            raise DataError(
                f"{trial}: its last validation must have {self.name}, it has {', '.join(validation)}: the validated part of "
                f"a label does not tell cells apart, or no time was left; use --objective {PIXELS[0]}, --set split=images, "
                "or more --minutes"
            )
        return float(validation[self.name])

    def rank(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The rows of trials, complete ones first, and the best first."""
        sign = -1 if self.metric.higher_is_better else 1

        def key(row: Mapping[str, Any]) -> tuple[bool, bool, float]:
            value = row[self.column]
            return row["state"] != "complete", value is None, sign * (value or 0.0)

        return sorted(map(dict, rows), key=key)


def find_objective(name: str) -> Objective:
    """The objective of a name; a SettingError if there is none."""
    metric, names = find_metric(name), [*PIXELS, *(metric.name for metric in list_cell_metrics())]
    if metric is None or name not in names:
        raise SettingError(f"--objective must be one of {', '.join(names)}, got {name!r}; correct it")
    return Objective(metric)
