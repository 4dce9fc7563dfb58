"""MLflow runs, cross-validation, sweeps, comparison, registry and serving. Only this package imports mlflow."""

import os

from livecell_monai.experiments.tracking import RunTracker

# before mlflow is imported, which sends usage statistics otherwise
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

__all__ = ["RunTracker"]
