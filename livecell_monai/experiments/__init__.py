"""Runs in MLflow: opened by id, ended by how they ended, compared side by side. The only room that imports mlflow."""

import os

from livecell_monai.experiments.tracking import RunTracker

# Ahead of the first import of mlflow, which else tells its makers by the network what it is used for.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

__all__ = ["RunTracker"]
