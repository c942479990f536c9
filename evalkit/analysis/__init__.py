"""Score table -> estimates, by calling `evalkit.stats` with named axes; and ``estimates.csv``."""

from evalkit.analysis.aggregated import estimate_aggregated
from evalkit.analysis.costs import Costs, Scored, costs_of, scored_phrasings
from evalkit.analysis.estimate import Known, estimate, headline_phrasings
from evalkit.analysis.estimates_file import read_estimates, write_estimates
from evalkit.analysis.paired_tests import PairedTest, paired_tests, write_tests
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
