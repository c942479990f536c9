"""Room 4c: how requests reach backends: in this process, or over workers of a Ray cluster."""
