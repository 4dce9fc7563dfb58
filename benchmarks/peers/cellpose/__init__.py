"""Cellpose 3."""
