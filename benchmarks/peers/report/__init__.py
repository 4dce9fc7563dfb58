"""The recipe of the report."""
