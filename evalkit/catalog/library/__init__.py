"""What is done to phrasing collections, away from any run.

Import, meaning check, seen or not, lint.

Sits beside `evalkit.catalog`, whose files it reads and writes.
"""
