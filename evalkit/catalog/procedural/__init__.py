"""The procedural benchmark: instances made from a seed,
with disjoint splits of rules and of instances.

Pure Python; imports nothing of evalkit but errors and records. `generate.generate` is the entrance.
"""
