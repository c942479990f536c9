"""Score table -> estimates, by calling `evalkit.stats` with named axes; and ``estimates.csv``.

Names are imported on first use: reading estimates needs no statistics.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.analysis.aggregated import estimate_aggregated
    from evalkit.analysis.costs import Costs, Scored, costs_of, scored_phrasings
    from evalkit.analysis.estimates_file import read_estimates, write_estimates
    from evalkit.analysis.estimating import Known, estimate, headline_phrasings
    from evalkit.analysis.pairing import PairedTest, paired_tests, write_tests
    from evalkit.analysis.phrasings_file import phrasing_rows, write_phrasings
    from evalkit.analysis.sparse import curve_of, phrasing_estimates, phrasing_intervals
    from evalkit.analysis.wordings import wordings_of

__all__ = [
    "Costs",
    "Known",
    "PairedTest",
    "Scored",
    "costs_of",
    "curve_of",
    "estimate",
    "estimate_aggregated",
    "headline_phrasings",
    "paired_tests",
    "phrasing_estimates",
    "phrasing_intervals",
    "phrasing_rows",
    "read_estimates",
    "scored_phrasings",
    "wordings_of",
    "write_estimates",
    "write_phrasings",
    "write_tests",
]

_PLACES = {
    "aggregated": ("estimate_aggregated",),
    "costs": ("Costs", "Scored", "costs_of", "scored_phrasings"),
    "estimating": ("Known", "estimate", "headline_phrasings"),
    "estimates_file": ("read_estimates", "write_estimates"),
    "pairing": ("PairedTest", "paired_tests", "write_tests"),
    "phrasings_file": ("phrasing_rows", "write_phrasings"),
    "sparse": ("curve_of", "phrasing_estimates", "phrasing_intervals"),
    "wordings": ("wordings_of",),
}
"""Module -> the names that stand in it."""
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'evalkit.analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"evalkit.analysis.{_PLACE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
