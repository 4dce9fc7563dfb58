"""What every run needs: atomic writes, a ledger, processes, signals, progress bars."""
