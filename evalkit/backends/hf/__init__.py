"""Transformers models, causal and encoder-decoder.

From a prompt to log-probabilities and greedy text.
"""
