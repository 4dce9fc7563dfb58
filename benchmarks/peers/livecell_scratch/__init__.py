"""Our own default from random weights."""
