"""One training: session, loader, pseudo-labels, learning-rate schedule, time budget, checkpoints, bundle and figures."""
