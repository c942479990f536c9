"""Specification of a gate: which estimates may worsen by how much before a release is stopped.

A person writes it.

Margins are fractions: 0.02 is two percentage points. Metric names are those of ``estimates.csv``,
except the two that only a pair of runs has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Policy", "Rule", "Waiver"]

Scope = Literal["suite", "benchmark", "task"]
Short = Literal["report", "fail", "pass"]
Correction = Literal["holm", "benjamini_hochberg", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One metric that may not worsen by its margin or more."""

    metric: str
    """Name in `evalkit.records.statistics.gated`."""
    margin: float
    """Harm that must be excluded, a fraction: for ``collateral_damage`` the ceiling itself, else a
    change against the baseline, in points or, where `relative`, as a share of it."""
    relative: bool = False
    """Whether the margin is a share of what the baseline scored; in a file ``margin: 5 %``."""
    scope: Scope = "suite"
    """One check over all tasks, one per benchmark, or one per task."""
    tasks: tuple[str, ...] = ()
    """Task ids or patterns the rule is limited to; empty for all."""
    group: str = ""
    """Level of a factor that the rule is limited to, such as ``attack=none``; empty for all."""
    informational: bool = False
    """Whether it is shown only and decides nothing."""
    inconclusive: Short | None = None
    """What short evidence means for this rule; None: what the policy says."""
    absent: Literal["inconclusive", "skip"] = "inconclusive"
    """What it means when the metric cannot be measured (a gap without seen phrasings): short
    evidence, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A known and accepted failure of a check, until a day."""

    metric: str
    """Metric of the check."""
    scope: str = "*"
    """Pattern of the check's scope: ``suite``, a benchmark or a task id."""
    reason: str
    """Why it is accepted; shown wherever it is used."""
    expires: str
    """Last day it holds, ISO 8601; afterwards it is no waiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a release must hold."""

    name: str
    """Shown in every output."""
    description: str = ""
    """What it is for."""
    rules: tuple[Rule, ...]
    """What is checked."""
    waivers: tuple[Waiver, ...] = ()
    """Accepted failures."""
    level: float = 0.95
    """One-sided level: chance of a false alarm over all rules, and of passing a loss of the margin,
    at most 1 - level each."""
    correction: Correction = "holm"
    """How false alarms are kept rare over several checks."""
    power: float = 0.8
    """Power that plans ("how much more would decide") aim at."""
    min_power: float = 0.5
    """Least power to notice a loss of the margin that a pass needs, unless the candidate is shown
    not to be worse; 0 for none."""
    inconclusive: Short = "report"
    """What short evidence means: an outcome of its own (exit 3), a regression, or a pass."""
    missing: float = 0.0
    """Largest share of missing cells of a run that is tolerated."""
    allow_limited: bool = False
    """Whether runs limited to the same instances may be compared."""
