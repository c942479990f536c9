"""One statistic: what is said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = [
    "NEVER",
    "NO_INTERVAL",
    "WHOLE",
    "WIDEST",
    "Statistic",
    "Table",
    "difference",
    "fraction",
    "plain",
    "positive",
]

Table = Literal["summary", "analyse", "comparison", "candidates"]
INFINITY = math.inf
MEAN = "mean over tasks"
WIDEST = math.sqrt(0.5)
"""Largest sample deviation that fractions can have: two phrasings, one at 0 and one at 1."""
WHOLE = "needs every phrasing on the same instances"
"""Why a sparse run does not give it."""
NEVER = "never pooled"
"""Value over several tasks of what has none."""
NO_INTERVAL = "mean over tasks, no interval"
"""Value over several tasks of what is only averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One statistic."""

    name: str
    """Name in the column ``metric``."""
    means: str
    """What it is, with its formula: y[p, i] the score of phrasing p on instance i, a[p] the mean of
    a phrasing, P phrasings, N instances."""
    words: str = ""
    """What tables call it; empty for its name."""
    low: float = -INFINITY
    """Least value of what is estimated; an interval is cut there, which costs no coverage."""
    high: float = INFINITY
    """Largest value."""
    harm: Literal["", "falls", "rises", "its margin is a ceiling"] = ""
    """Direction in which it is harm; empty where neither is."""
    needs: Literal[
        "means",
        "cells",
        "reference",
        "controls",
        "answers",
        "vectors",
        "repeats",
        "groups",
        "models",
        "runs",
    ] = "means"
    """Least it is made from: phrasing means, one row per instance, these and a reference phrasing
    or controls, stored answers, representations, repeated cells, groups of instances, several
    models, or a pair of runs."""
    pooled: str = MEAN
    """Value over several tasks."""
    sparse: str = ""
    """Why a sparse run does not give it; empty when it does."""
    shown: tuple[Table, ...] = ()
    """Tables that show it."""
    alias: str = ""
    """What the leaderboard and gates call it, where that is another name."""
    measure: bool = False
    """Whether it is the mean of a measure of answers, see `evalkit.scoring.measures`."""
    gate: str = ""
    """What a gate says of it; empty when a gate does not check it."""

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.words or self.name.replace("_", " ")


def fraction(name: str, means: str, **more: Any) -> Statistic:
    """Return an entry of a statistic that lies in [0, 1]."""
    return replace(Statistic(name=name, means=means, low=0.0, high=1.0), **more)


def difference(name: str, means: str, **more: Any) -> Statistic:
    """Return an entry of a statistic that lies in [-1, 1]."""
    return replace(Statistic(name=name, means=means, low=-1.0, high=1.0), **more)


def positive(name: str, means: str, **more: Any) -> Statistic:
    """Return an entry of a statistic that is never negative."""
    return replace(Statistic(name=name, means=means, low=0.0), **more)


def plain(name: str, means: str, **more: Any) -> Statistic:
    """Return an entry of a statistic without ends."""
    return replace(Statistic(name=name, means=means), **more)
