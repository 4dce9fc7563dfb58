"""Runs in MLflow: opened by id, ended by how they ended, compared side by side. The only room that imports mlflow."""

from livecell_monai.experiments.tracking import RunTracker

__all__ = ["RunTracker"]
