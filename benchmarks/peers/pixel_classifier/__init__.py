"""A random forest on pixel features."""
