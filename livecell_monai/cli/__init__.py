"""The command line: parse, call one function, print. Commands import what is heavy when they run."""

# each module adds its commands, by the order of the help
from livecell_monai.cli import data, info, models, pages, registry, runs, settings, studies, sweeps  # noqa: F401
from livecell_monai.cli.app import app, main

__all__ = ["app", "main"]
