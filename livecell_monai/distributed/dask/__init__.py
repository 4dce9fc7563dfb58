"""Images, movies and bands of mosaics handed to Dask: to processes of this machine, or to the workers of any scheduler.

`cluster` starts or finds the workers, `worker` is what runs on one, `sharing` says how the work is cut, `seeing` asks
whether they see the same folders, `predicting` hands the work out and gathers the rows. A worker runs the engine of the
bundle's YAML over its part, so that there is no second pipeline.
"""

from livecell_monai.distributed.dask.cluster import Workers, check_workers, connect
from livecell_monai.distributed.dask.predicting import predict_distributed, run_distributed
from livecell_monai.distributed.dask.worker import Job

__all__ = ["Job", "Workers", "check_workers", "connect", "predict_distributed", "run_distributed"]
