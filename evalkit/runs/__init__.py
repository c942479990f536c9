"""One run, in the order of its life: options, choosing, asking, finishing, reading."""
