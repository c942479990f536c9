"""Room 8: statistics on arrays; NumPy and SciPy only."""
