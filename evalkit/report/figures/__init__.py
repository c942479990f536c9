"""Figures: each ``plot_x(data, *, ax=None)`` draws on an Axes and returns it.

It computes, shows and saves nothing. `ax` is the caller's, or None for that of a new figure.

Scores come as fractions and are drawn in percentage points. Seen is a filled blue circle, unseen an
open orange diamond, unknown a grey square, in every figure.
"""
