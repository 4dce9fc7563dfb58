"""Files that are broken on purpose, what is tried with them, and what must come of it.

`seeds` are valid files of every flavour, the mutations break them, `truth` reads the same bytes by means of its own,
`reading` and `commands` hold the tool against both, and `watch` stands beside it with a clock and a scale.
"""
