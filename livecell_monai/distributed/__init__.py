"""Several processes: DDP for training, Dask for prediction."""
