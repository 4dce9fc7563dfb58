"""The command line: parse, call one function, print. Commands import heavy packages when they run."""

# each module adds its commands, in the order of the help
from livecell_monai.cli import data, exchange, models, tracks, head_start, runs, studies  # noqa: F401, I001
from livecell_monai.cli.app import app, main

__all__ = ["app", "main"]
