"""Readers of phrasing collections published elsewhere, run on the user's own copy.

Nothing in them is executed.
"""
