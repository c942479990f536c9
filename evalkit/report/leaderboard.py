"""The leaderboard: one row per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.analysis.standings import Standings
from evalkit.records import Estimate
from evalkit.records.manifest import Manifest
from evalkit.records.questions import WORDS
from evalkit.records.statistics import LEADERBOARD, statistic
from evalkit.report.escaping import markdown, markdown_table
from evalkit.report.text import number, state_counts
from evalkit.report.wordings import unlike
from evalkit.store.csv_file import csv_of

__all__ = [
    "COLUMNS",
    "leaderboard_csv",
    "leaderboard_html",
    "leaderboard_markdown",
    "leaderboard_notes",
    "leaderboard_row",
    "leaderboard_rows",
    "shown_cells",
]

_STATISTICS = tuple((statistic(name).alias or name, name) for name in LEADERBOARD)
"""Column of the leaderboard -> metric of ``estimates.csv``."""

STATE_COUNTS = ("refused", "cut", "unusable")
"""States of answers that are counted beside the score."""

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
    "p_best",
    "tied_with",
    "kendall_w",
    *(f"n_{state}" for state in STATE_COUNTS),
    "questions",
    "schema",
)
"""Columns in order."""

SCHEMA = 4
"""Version of the columns; 2 added ``p_best``, ``tied_with`` and ``kendall_w``, 3 ``n_refused``,
``n_cut`` and ``n_unusable``, 4 ``questions``."""


def leaderboard_row(manifest: Manifest, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return the row of one run; ranks are filled in when runs are put together."""
    benchmarks = {row.benchmark for row in estimates if row.benchmark != "all"}
    whole = "all" if len(benchmarks) != 1 else benchmarks.pop()
    values = {
        row.metric: row
        for row in estimates
        if row.task == "all" and row.benchmark in {whole, "all"} and not row.group
    }
    row: dict[str, Any] = {
        "rank": 1,
        "rank_low": 1,
        "rank_high": 1,
        "model": manifest.model.label,
    }
    for column, metric in _STATISTICS:
        estimate = values.get(metric)
        row[column] = None if estimate is None else estimate.value
        row[f"{column}_low"] = None if estimate is None else estimate.low
        row[f"{column}_high"] = None if estimate is None else estimate.high
    row["questions"] = {
        column: values[metric].question
        for column, metric in _STATISTICS
        if metric in values and values[metric].question
    }
    mean, counts = values.get("mean"), manifest.totals
    row.update(
        n_tasks=mean.n_tasks if mean else 0,
        n_phrasings=mean.n_phrasings if mean else 0,
        n_instances=mean.n_instances if mean else 0,
        n_cells=counts.cells,
        n_missing=counts.missing,
        n_unparsed=counts.unparsed,
        suite=manifest.suite.name,
        suite_digest=manifest.suite.digest,
        evalkit=manifest.evalkit,
        p_best=None,
        tied_with="",
        kendall_w=None,
        **{
            f"n_{state}": None if counts.states is None else counts.states.get(state, 0)
            for state in STATE_COUNTS
        },
        limited=manifest.limited,
        unlike=unlike(manifest.wordings, values.get("gap_matched")),
        letters="",
        schema=SCHEMA,
    )
    return row


def leaderboard_rows(
    runs: Sequence[tuple[str, Manifest, Sequence[Estimate]]], order: Standings
) -> list[dict[str, Any]]:
    """Return the rows of several runs, best first.

    Parameters
    ----------
    runs
        Name, manifest and estimates of each run.
    order
        Their standings.
    """
    rows = {name: leaderboard_row(manifest, estimates) for name, manifest, estimates in runs}
    for standing in order.rows:
        rows[standing.model]["questions"]["rank"] = WORDS[order.question]
        rows[standing.model].update(
            model=standing.model,
            rank=standing.rank,
            rank_low=standing.rank_low,
            rank_high=standing.rank_high,
            p_best=standing.p_best,
            tied_with="; ".join(standing.tied_with),
            kendall_w=order.kendall_w,
            letters=standing.letters,
        )
    return [rows[standing.model] for standing in order.rows]


def leaderboard_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV: fractions at full precision, empty where undefined, text guarded
    against formulas.
    """
    kept = ({**row, "questions": _questions(row.get("questions", {}))} for row in rows)
    return csv_of(COLUMNS, ([row[name] for name in COLUMNS] for row in kept))


def _questions(of: Mapping[str, str]) -> str:
    """Return which columns have intervals for what, in one text.

    >>> _questions({"mean": "q", "gap": "another", "seen_mean": "q"})
    'mean, seen_mean: q; gap: another'
    """
    found: dict[str, list[str]] = {}
    for column, words in of.items():
        found.setdefault(words, []).append(column)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in found.items())


def leaderboard_markdown(rows: Sequence[Mapping[str, Any]], order: Standings) -> str:
    """Return the leaderboard as a Markdown table with what it says and does not say.

    Parameters
    ----------
    rows
        From `leaderboard_rows`.
    order
        The standings they were made of.
    """
    heads, about = [head for head, _ in SHOWN], WORDS[order.question]
    right = [head != "model" for head in heads]
    table = markdown_table(heads, [shown_cells(row, about) for row in rows], title="", right=right)
    notes = [f"{markdown(said, limit=600)}  " for said in leaderboard_notes(rows, order)]
    return "\n".join([table, "", *notes]) + "\n"


SHOWN: tuple[tuple[str, str], ...] = (
    ("rank", "rank"),
    ("model", "model"),
    ("group", "letters"),
    ("mean", "mean"),
    ("seen", "seen_mean"),
    ("unseen", "unseen_mean"),
    ("gap", "gap"),
    ("std", "std"),
    ("spread", "spread"),
    ("worst phrasing", "worst_phrasing"),
    ("consistency", "consistency"),
    ("first", "p_best"),
)
"""Heading and column of the forms that people read."""


def shown_cells(row: Mapping[str, Any], asked: str) -> list[str]:
    """Return the cells of a row for a table.

    Percentage points with intervals, rank with its interval. A star where an interval answers
    another question than the one asked.
    """
    cells = []
    for _, column in SHOWN:
        if column == "rank":
            ends = (
                ""
                if row["rank_low"] == row["rank_high"]
                else f" [{row['rank_low']}, {row['rank_high']}]"
            )
            cells.append(f"{row['rank']}{ends}")
        elif column in {"model", "letters"}:
            cells.append(str(row[column]))
        elif column == "p_best":
            cells.append(
                number(row["p_best"], digits=0) + ("%" if row["p_best"] is not None else "")
            )
        else:
            low, high = row[f"{column}_low"], row[f"{column}_high"]
            known = low is not None and low == low
            star = "" if row.get("questions", {}).get(column, asked) == asked else "*"
            cells.append(
                number(row[column]) + (f" [{number(low)}, {number(high)}]{star}" if known else "")
            )
    return cells


def leaderboard_notes(rows: Sequence[Mapping[str, Any]], order: Standings) -> list[str]:
    """Return what a reader must know of a leaderboard, a sentence each."""
    about = WORDS[order.question]
    notes = [
        (
            f"Percentage points, {order.level:.0%} intervals for {about}; "
            f"unweighted means over tasks. Suite {rows[0]['suite']}, digest "
            f"{rows[0]['suite_digest']}."
        ),
        (
            "Models share a rank when the interval of their paired difference, "
            "for the same question, contains 0; brackets hold the interval of the rank."
        ),
    ]
    others: dict[str, dict[str, None]] = {}
    for row in rows:
        for column, words in row.get("questions", {}).items():
            if words != about:
                others.setdefault(words, {})[column] = None
    notes += [f"* {', '.join(names)}: interval for {words}." for words, names in others.items()]
    if order.kendall_w == order.kendall_w:
        notes.append(
            f"Agreement of the phrasings on the order: Kendall W {order.kendall_w:.2f} (1: "
            "every wording gives the same order)."
        )
    for row in rows:
        unused = {state: row.get(f"n_{state}") or 0 for state in STATE_COUNTS}
        if any(unused.values()):
            notes.append(
                f"Of {row['n_cells']:,} answers of {row['model']}: {state_counts(unused)}."
            )
        if row.get("unlike"):
            notes.append(f"{row['model']}: {row['unlike'][0].lower()}{row['unlike'][1:]}")
    if any(standing.tied_with for standing in order.rows):
        notes.append("Models that share a letter under group cannot be told apart.")
    if any(row["p_best"] is not None for row in rows):
        notes.append("First: the share of resamples in which a model has the highest mean.")
    if any(row.get("limited") for row in rows):
        notes.append("The runs were limited to a part of the suite, the same for all.")
    if order.n_dropped:
        notes.append(
            f"{order.n_dropped} cells that a model misses were left out for all models in ranks "
            "and differences."
        )
    return notes


def leaderboard_html(rows: Sequence[Mapping[str, Any]], order: Standings) -> str:
    """Return the leaderboard as a page that needs nothing else: a strip of means,
    and a table that sorts.

    Parameters
    ----------
    rows
        From `leaderboard_rows`.
    order
        The standings they were made of.
    """
    from jinja2 import DictLoader
    from markupsafe import Markup

    from evalkit.report.page import environment, policy, template_text

    about = WORDS[order.question]
    names = ("leaderboard.html.j2", "macros.html.j2")
    style, script = template_text("report.css"), template_text("sort.js")
    env = environment().overlay(loader=DictLoader({name: template_text(name) for name in names}))
    return env.get_template(names[0]).render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        suite=rows[0]["suite"],
        about=f"{order.level:.0%} intervals for {about}",
        heads=[head for head, _ in SHOWN],
        rows=[shown_cells(row, about) for row in rows],
        strips=[_strip(row) for row in rows],
        notes=leaderboard_notes(rows, order),
    )


def _strip(row: Mapping[str, Any]) -> dict[str, str]:
    """Places of a model's mean, its interval and its worst phrasing along the scale."""

    def place(name: str) -> str:
        value = row[name]
        return "" if value is None or value != value else f"{100 * min(1.0, max(0.0, value)):.2f}%"

    low, high = place("mean_low"), place("mean_high")
    return {
        "model": row["model"],
        "rank": str(row["rank"]),
        "letters": row["letters"],
        "mean": place("mean"),
        "points": number(row["mean"]),
        "low": low if high else "",
        "high": high if low else "",
        "worst": place("worst_phrasing"),
    }
