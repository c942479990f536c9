"""Which relation an answer names, for precision, recall and F1 without "no relation"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import nan

from evalkit.catalog.procedural.relations import NO_RELATION
from evalkit.scoring.metric import Answered, Verdict

__all__ = ["relation"]


def relation(answered: Answered, verdict: Verdict) -> Mapping[str, float]:
    """Whether a relation that is there was named, and whether a named one is there,
    as TACRED's scorer counts.

    The field ``relations`` of the instance says which relation each choice stands for; an instance
    without it (a claim that is true or false) is not spoken of. Over cells, the means are recall
    and precision, micro-averaged. An answer that could not be read names no relation.
    """
    told = answered.instance.fields.get("relations", "")
    target = answered.instance.target
    if not told or target is None:
        return {}
    relations = json.loads(told)
    choices = answered.instance.choices
    said = NO_RELATION
    if verdict.prediction in choices:
        said = relations[choices.index(verdict.prediction)]
    true = relations[target]
    hit = float(said == true)
    return {
        "relation_recall": hit if true != NO_RELATION else nan,
        "relation_precision": hit if said != NO_RELATION else nan,
    }
