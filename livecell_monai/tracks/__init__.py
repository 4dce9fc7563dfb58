"""Cells of a movie followed over time: label images read frame by frame, objects measured, linked into tracks, scored."""
