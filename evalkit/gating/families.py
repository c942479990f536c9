"""Which checks are corrected together, and their p after it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evalkit.gating.measures import Measured
from evalkit.records.policy import Policy
from evalkit.stats import benjamini_hochberg, holm

__all__ = ["corrected_p", "families_of", "weights_of"]

INFORMATIONAL = "informational"


def families_of(measured: Sequence[Measured], policy: Policy) -> list[str]:
    """Return in which family each check is corrected.

    Checks that must be shown to hold are one, alarms (short evidence lets them pass) another, so
    that an alarm per task costs the first no power; informational ones stand apart.
    """
    return [
        INFORMATIONAL
        if one.rule.informational
        else "alarms"
        if (one.rule.inconclusive or policy.inconclusive) == "pass"
        else "shown"
        for one in measured
    ]


def weights_of(families: Sequence[str]) -> dict[str, float]:
    """Return each family's part of the chance of a false alarm;
    alarms get a tenth where there are others.
    """
    both = {"shown", "alarms"} <= set(families)
    return {INFORMATIONAL: 1.0, "shown": 0.9 if both else 1.0, "alarms": 0.1 if both else 1.0}


def corrected_p(measured: Sequence[Measured], policy: Policy) -> list[float]:
    """Return the p of no harm, corrected within each family, and over the families that decide."""
    p = np.array([math.nan if one.harm is None else one.harm.p_none for one in measured])
    families = np.array(families_of(measured, policy), dtype=object)
    if policy.correction != "none":
        correct = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}[policy.correction]
        for name, weight in weights_of(list(families)).items():
            p[families == name] = np.minimum(1.0, correct(p[families == name]) / weight)
    return [float(x) for x in p]
