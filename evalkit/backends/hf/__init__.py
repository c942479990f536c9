"""Transformers models, causal and encoder-decoder: from a prompt to log-probabilities and greedy text."""
