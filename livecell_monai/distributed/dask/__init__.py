"""Prediction on Dask workers: processes of this machine, or the workers of a scheduler.

Each worker runs the engine of the bundle's YAML on its part of the images.
"""

from livecell_monai.distributed.dask.cluster import Workers, check_workers, connect
from livecell_monai.distributed.dask.predicting import predict_distributed, run_distributed
from livecell_monai.distributed.dask.worker import Job

__all__ = ["Job", "Workers", "check_workers", "connect", "predict_distributed", "run_distributed"]
