"""Segment live cells from a handful of annotated images: a MONAI workflow from data folder to masks."""

__version__ = "0.2.0"
