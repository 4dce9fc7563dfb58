"""Fuzzing: files that are broken on purpose, what is tried with them, and what must come of it.

`driver` runs all of it (`make soak` does so). `seeds` are valid files of every flavour, the mutations break them, `truth`
reads the same bytes without the package's readers, `reading` and `commands` compare the tool with both, and `watch` limits
time and memory.
"""
