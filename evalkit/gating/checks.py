"""What a gate says: every check, and the decision that rests on them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.gating.cause import Causes
from evalkit.records.policy import Policy

__all__ = ["CEILINGS", "EXIT_CODES", "Check", "Decision", "OfCheck", "Outcome"]

Outcome = Literal["pass", "regression", "inconclusive"]


OfCheck = Literal["pass", "regression", "inconclusive", "skipped"]


EXIT_CODES: Mapping[str, int] = {"pass": 0, "regression": 1, "inconclusive": 3}
"""Exit code of every outcome."""


CEILINGS = frozenset({"collateral_damage"})
"""Metrics whose margin is a ceiling, not a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule on one scope, judged. Numbers are fractions; harm above 0 is worse."""

    metric: str
    """Metric."""
    scope: str
    """``suite``, a benchmark, or a task id."""
    margin: float
    """Harm that must be excluded."""
    outcome: OfCheck
    """What this check says by itself."""
    counts: bool
    """Whether it takes part in the decision."""
    why: str
    """One sentence."""
    informational: bool = False
    """Shown only."""
    alarm: bool = False
    """Whether short evidence lets it pass."""
    waiver: str = ""
    """Reason of the waiver in force, empty for none."""
    old: float = math.nan
    """Baseline."""
    new: float = math.nan
    """Candidate."""
    harm: float = math.nan
    """How much worse, after - before in the harmful direction."""
    low: float = math.nan
    """Lower one-sided bound of the harm."""
    high: float = math.nan
    """Upper one-sided bound of the harm."""
    p_none: float = math.nan
    """p of no harm (of the ceiling or less), uncorrected."""
    p_corrected: float = math.nan
    """The same, corrected over the deciding checks."""
    p_margin: float = math.nan
    """p of a harm of the margin or more."""
    detectable: float = math.nan
    """Smallest harm that would be noticed with the policy's power."""
    power: float = math.nan
    """Chance that a harm of the margin would be noticed."""
    instances_needed: int | None = None
    """Instances at which the same estimate would decide; None when it decides, or no realistic
    number would."""
    phrasings_needed: int | None = None
    """Phrasings at which it would decide on the present instances; None when none would, or it is
    not known."""
    n_tasks: int = 0
    """Tasks."""
    n_phrasings: int = 0
    """Phrasings over all tasks."""
    n_instances: int = 0
    """Instances over all tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome and everything it rests on."""

    outcome: Outcome
    """Pass, regression, or inconclusive."""
    why: str
    """One sentence."""
    policy: Policy
    """The policy."""
    checks: tuple[Check, ...]
    """Every check, in the order of the policy."""
    notes: tuple[str, ...] = ()
    """What a reader must know besides."""
    candidate: Mapping[str, Any]
    """Candidate: ``model``, ``run``, ``fingerprint``."""
    baseline: Mapping[str, Any]
    """Baseline likewise."""
    suite: Mapping[str, Any]
    """Suite: ``name``, ``digest``."""
    causes: Causes | None = None
    """What changed, and where."""

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return EXIT_CODES[self.outcome]

    def of(self, outcome: str) -> list[Check]:
        """Return the deciding checks with an outcome."""
        return [check for check in self.checks if check.counts and check.outcome == outcome]
