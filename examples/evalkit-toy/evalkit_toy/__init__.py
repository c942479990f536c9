"""A backend and a metric for evalkit, as small as can be."""
