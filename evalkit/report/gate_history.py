"""One candidate against several baselines, in a table and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from evalkit.gating import Decision
from evalkit.report.gate_formats import HEADLINES
from evalkit.report.text import number

__all__ = ["HISTORY", "history_rows", "slow_loss"]

HISTORY = ("baseline", "outcome", "mean worse by", "at most", "fails")


def history_rows(decisions: Sequence[Decision]) -> list[list[str]]:
    """Return the decisions against each baseline as the cells of `HISTORY`; names are untrusted."""
    rows = []
    for one in decisions:
        mean = next((c for c in one.checks if (c.metric, c.scope) == ("mean", "suite")), None)
        sizes = ["-", "-"] if mean is None else [number(mean.harm, sign=True), number(mean.high)]
        failed = Counter(check.metric for check in one.of("regression"))
        fails = ", ".join(name if n == 1 else f"{name} ({n})" for name, n in failed.items())
        rows.append([_name(one), HEADLINES[one.outcome], *sizes, fails or "-"])
    return rows


def slow_loss(decisions: Sequence[Decision]) -> str:
    """Return since when losses have added up that the latest baseline does not show; empty where
    it shows them, or none is.

    Parameters
    ----------
    decisions
        The same candidate against each baseline; the order is that in which these were asked.
    """
    ordered = sorted(decisions, key=lambda one: str(one.baseline.get("started", "")))
    lost = [_name(one) for one in ordered if one.outcome == "regression"]
    held = [_name(one) for one in ordered if one.outcome != "regression"]
    if not lost or ordered[-1].outcome == "regression":
        return ""
    return (
        f"Slow loss since {lost[-1]}: a regression against {', '.join(lost)}, none against "
        f"{', '.join(held)}. Losses that each step let through have added up."
    )


def _name(decision: Decision) -> str:
    return Path(str(decision.baseline.get("run", "?"))).name
