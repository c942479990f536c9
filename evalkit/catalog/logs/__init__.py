"""Logs of other harnesses as score tables: a row per answer,
with what plays the part of a phrasing.

A reader per format yields `LogRow`; `evalkit.catalog.logs.find` tells formats apart. Logs are data:
nothing in them is run, and files are read within the limits of `evalkit.catalog.opening`.
"""

from evalkit.catalog.logs.find import FORMATS, is_log, read_log
from evalkit.catalog.logs.rows import Asked, LogRow

__all__ = ["FORMATS", "Asked", "LogRow", "is_log", "read_log"]
