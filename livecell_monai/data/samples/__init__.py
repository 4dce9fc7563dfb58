"""The synthetic sample set: cells, their labels and border weights."""
