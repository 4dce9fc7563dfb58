"""Samples of a data folder or datalist: findings, hashes, split, folds and groups, items for MONAI."""
