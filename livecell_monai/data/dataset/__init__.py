"""Samples of a data folder or datalist: checks, hashes, splits, folds and groups, items for MONAI."""
