"""Segment live cells from a handful of annotated images: a MONAI workflow from data folder to masks.

`train`, `evaluate`, `predict`, `export_model` and `Segmenter` are those of `livecell_monai.api`, imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from livecell_monai.surroundings import complete_environment

if TYPE_CHECKING:
    from livecell_monai.api import Predictions, Segmenter, evaluate, export_model, predict, train

__version__ = "0.2.0"
__all__ = ["Predictions", "Segmenter", "__version__", "evaluate", "export_model", "predict", "train"]

complete_environment()  # before any library asks


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("livecell_monai.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
