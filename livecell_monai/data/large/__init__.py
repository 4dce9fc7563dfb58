"""Images larger than the memory, read block by block: the source, the survey of the whole, memory kept apart."""
