"""What every run needs: atomic writes, processes, progress."""
