"""A stream of procedural fields of cells, drawn as a training goes: image and instance label, no files.

`layout` places cells, `thickness` and `fluorescence` give them matter, `optics` and `camera` make an image of it, `fields`
joins these. Every function takes a `numpy` generator and draws its parameters from `ranges`; planes are (Y, X) float32.
"""
