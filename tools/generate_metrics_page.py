"""Writes the tables of statistics in docs/metrics.md from the entries in
evalkit/records/statistics.py.

Type: python tools/generate_metrics_page.py (``--check`` exits with 1 when the page is out of date).
What stands above the mark is written by hand.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from evalkit.records.statistics import STATISTICS, Statistic

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
MARK = "<!-- Below: made by tools/generate_metrics_page.py from evalkit/records/statistics.py -->"
HEAD = """
## From scores to estimates

These are the values of the column `metric` of `estimates.csv`.
y[p, i] is the score of phrasing p on instance i, a[p] the mean of phrasing p, P the number of phrasings, N that of instances.
Undefined is empty, never 0, and the column `note` says why.
Which interval each one gets stands in [statistics](statistics.md).
"""  # noqa: E501
NEEDS = {
    "means": "Made from the scores of phrasings: a table of one row per phrasing is enough",
    "cells": "Needs one row per instance",
    "reference": "Needs one row per instance and a reference phrasing: `--reference`",
    "controls": "Needs one row per instance and control phrasings",
    "repeats": "Needs repeated cells: a column `repeat`",
    "groups": "Needs instances in groups: a column `group`",
    "answers": "Needs the answers that a run stores",
    "vectors": "Needs representations: `--representations`",
    "models": "Places several models of one table",
    "runs": "Needs a pair of runs: only `evalkit gate` has it",
}


def escaped(text: str) -> str:
    """Return text that may stand in a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("*", "\\*")


def ends(entry: Statistic) -> str:
    """Return the range of a statistic.

    >>> ends(Statistic(name="x", means="", low=0.0))
    'from 0'
    """
    low, high = (f"{end:.3g}" for end in (entry.low, entry.high))
    if math.isinf(entry.low):
        return "any" if math.isinf(entry.high) else f"to {high}"
    return f"from {low}" if math.isinf(entry.high) else f"{low} to {high}"


def row(entry: Statistic) -> str:
    """Return the line of one statistic."""
    name = f"`{entry.name}`" + (f" (`{entry.alias}`)" if entry.alias else "")
    harm = entry.harm if entry.gate else ""
    cells = (name, escaped(entry.means), ends(entry), harm, entry.pooled)
    return f"| {' | '.join(cells)} |"


def page(by_hand: str) -> str:
    """Return the whole page: what was written by hand, then the tables."""
    lines = [by_hand.partition(MARK)[0].rstrip("\n"), "", MARK, HEAD.rstrip("\n")]
    for needs, heading in NEEDS.items():
        lines += [
            "",
            f"### {heading}",
            "",
            "| metric | what it is | range | a gate calls it harm when it | over tasks |",
            "|---|---|---|---|---|",
            *(row(entry) for entry in STATISTICS.values() if entry.needs == needs),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or say whether it is current."""
    current = PAGE.read_text(encoding="utf-8")
    text = page(current)
    if "--check" in sys.argv[1:]:
        print(
            f"{PAGE.name} is "
            f"{'current' if current == text else 'out of date; type: python tools/generate_metrics_page.py'}"  # noqa: E501
        )
        sys.exit(0 if current == text else 1)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {len(STATISTICS)} statistics")


if __name__ == "__main__":
    main()
