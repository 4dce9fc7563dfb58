"""The command line: parse, call one function, print. Commands import what is heavy when they run."""

from livecell_monai.cli import data, machine, models, runs, studies, sweeps  # noqa: F401  each adds its commands, in the order of the help
from livecell_monai.cli.app import app, main

__all__ = ["app", "main"]
