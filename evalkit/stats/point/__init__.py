"""Point values of statistics."""
