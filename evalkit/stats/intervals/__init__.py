"""Intervals of statistics."""
