"""Room 4: engines behind one protocol, `evalkit.backends.base.Backend`."""
