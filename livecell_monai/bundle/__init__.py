"""A bundle opened, exported and joined; its weights loaded."""
