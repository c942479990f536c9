"""One reader per upstream format: (task, data location) -> instances."""
