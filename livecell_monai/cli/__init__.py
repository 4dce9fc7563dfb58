"""The command line: parse, call one function, print. Commands import heavy packages when they run."""

# each module adds its commands, in the order of the help
from livecell_monai.cli import data, models, runs, studies  # noqa: F401
from livecell_monai.cli.app import app, main

__all__ = ["app", "main"]
