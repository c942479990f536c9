"""Room 1: read and validate tasks, phrasings, suites, models and instances."""
