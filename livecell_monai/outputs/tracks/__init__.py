"""The files of a movie whose cells are linked into tracks, one file of code each: label stack, tables, CTC, GEFF, napari."""
