"""Otsu's threshold."""
