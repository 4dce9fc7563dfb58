"""One training: session, loader, pseudo-labels, schedule, budget, checkpoints and resume."""
