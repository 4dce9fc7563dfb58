"""Reads files on disk into checked records: readers return one plane (Y, X), data sets are split without leaks. No torch."""
