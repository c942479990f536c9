"""The leaderboard: one row per model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.records import Estimate

__all__ = ["COLUMNS", "leaderboard_csv", "leaderboard_row"]

_STATISTICS = (
    ("mean", "mean"),
    ("seen_mean", "seen_mean"),
    ("unseen_mean", "unseen_mean"),
    ("gap", "gap"),
    ("spread", "spread"),
    ("std", "std"),
    ("sensitivity", "sensitivity"),
    ("worst_phrasing", "min"),
    ("consistency", "consistency"),
)
"""Column of the leaderboard -> metric of ``estimates.csv``."""

COLUMNS: tuple[str, ...] = (
    "rank",
    "rank_low",
    "rank_high",
    "model",
    *(name for column, _ in _STATISTICS for name in (column, f"{column}_low", f"{column}_high")),
    "n_tasks",
    "n_phrasings",
    "n_instances",
    "n_cells",
    "n_missing",
    "n_unparsed",
    "suite",
    "suite_digest",
    "evalkit",
    "schema",
)
"""Columns in order."""

SCHEMA = 1


def leaderboard_row(manifest: Mapping[str, Any], estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return the row of one run; ranks are filled in when runs are put together."""
    benchmarks = {row.benchmark for row in estimates if row.benchmark != "all"}
    whole = "all" if len(benchmarks) != 1 else benchmarks.pop()
    values = {row.metric: row for row in estimates if row.task == "all" and row.benchmark in {whole, "all"} and not row.group}
    row: dict[str, Any] = {"rank": 1, "rank_low": 1, "rank_high": 1, "model": manifest["model"]["label"]}
    for column, metric in _STATISTICS:
        estimate = values.get(metric)
        row[column] = None if estimate is None else estimate.value
        row[f"{column}_low"] = None if estimate is None else estimate.low
        row[f"{column}_high"] = None if estimate is None else estimate.high
    mean, counts = values.get("mean"), manifest["counts"]
    row.update(
        n_tasks=mean.n_tasks if mean else 0,
        n_phrasings=mean.n_phrasings if mean else 0,
        n_instances=mean.n_instances if mean else 0,
        n_cells=counts["cells"],
        n_missing=counts["missing"],
        n_unparsed=counts["unparsed"],
        suite=manifest["suite"]["name"],
        suite_digest=manifest["suite"]["digest"],
        evalkit=manifest["evalkit"],
        schema=SCHEMA,
    )
    return row


def leaderboard_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV: fractions at full precision, empty where undefined, text guarded against formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.lstrip(" \"'")[:1] in {"=", "+", "-", "@", "\t", "\r"} or value[:1] in {"\t", "\r"} else value
    return repr(value) if isinstance(value, float) else str(value)
