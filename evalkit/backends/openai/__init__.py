"""Servers with an OpenAI-like interface over HTTP."""
