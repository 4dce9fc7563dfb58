"""Our own default."""
