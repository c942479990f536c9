"""engines behind one protocol, `evalkit.backends.base.Backend`."""
