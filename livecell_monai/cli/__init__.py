"""The command line: parse, call one function, print. Commands import what is heavy when they run."""

from livecell_monai.cli import data, machine, models, registry, runs, studies  # noqa: F401  each adds its commands, by order of the help
from livecell_monai.cli.app import app, main

__all__ = ["app", "main"]
