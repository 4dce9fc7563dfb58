"""From maps to cells: instances, their measurements and their scores; works on plain arrays, without torch."""
