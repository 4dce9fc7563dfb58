"""The tools that users compare us with, each behind the one interface of `interface.py`; `compare.py` runs them all."""
