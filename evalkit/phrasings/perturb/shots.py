"""The same phrasing with worked instances before the instance; which, a run chooses.

This marks a copy; `evalkit.runs.demonstrations` chooses what it shows, because that depends on the
task's instances. Copies of one specification (``n``) differ in the draw, or in the order alone.

References
----------
Lu and others, "Fantastically Ordered Prompts", ACL 2022 (order). Min and others, "Rethinking the
Role of Demonstrations", EMNLP 2022 (answers shuffled). Robertson, Zaragoza, "The Probabilistic
Relevance Framework: BM25 and Beyond", 2009. Zhang, Wang, Charton, "Instruction Diversity Drives
Generalization To Unseen Tasks", 2024 (how many rules are shown).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation, parse_spec
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SHOTS", "ShotSpec", "shot_spec"]

SOURCES = ("random", "bm25", "fixed")
VARIES = ("draw", "order")
ANSWERS = ("true", "shuffled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSpec:
    """What worked instances a copy shows."""

    k: int
    """How many."""
    source: str
    """``random`` of the shot split, the nearest by ``bm25``, or ``fixed`` in a file."""
    vary: str
    """What copies differ in: the ``draw``, or only the ``order``."""
    answers: str
    """``true``, or ``shuffled`` among them."""
    file: str
    """File of fixed ones."""
    rules: int
    """How many different rules they execute; 0 for whatever is drawn."""


def shots(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing as it is: what it is shown with is chosen by the run."""
    del rng
    if (options["source"] == "fixed") != bool(options["file"]):
        raise UsageError(
            f"perturbation shots: source {options['source']!r} and file {options['file']!r} do "
            "not go together; source=fixed,file=PATH is accepted, or another source without a "
            "file."
        )
    if options["rules"] and (options["source"] != "random" or options["rules"] > options["k"]):
        raise UsageError(
            f"perturbation shots: rules={options['rules']} with source {options['source']!r} and "
            f"k={options['k']}; at most k rules of source=random are accepted. Lower rules."
        )
    return phrasing


SHOTS = Perturbation(
    edit=shots,
    doc=(
        "Worked instances before the instance: random ones, the nearest by BM25, "
        "or those of a file; in other orders, with true or shuffled answers."
    ),
    options={
        "k": Option(default=4, doc="How many.", low=1, high=64),
        "source": Option(default="random", doc="Where from.", accepted=SOURCES),
        "vary": Option(default="draw", doc="What copies differ in.", accepted=VARIES),
        "answers": Option(default="true", doc="Which answers they show.", accepted=ANSWERS),
        "file": Option(default="", doc="Worked instances of yours, for source=fixed."),
        "rules": Option(
            default=0,
            doc="How many different rules they execute, where instances have one; 0: any.",
            low=0,
            high=64,
        ),
    },
    acts_on="instance",
    keeps_words=True,
)


def shot_spec(phrasing: Phrasing) -> ShotSpec | None:
    """Return what worked instances a phrasing was marked for; None for none.

    >>> shot_spec(Phrasing(id="p", text="x", source="s", perturbation="shots:k=2")).k
    2
    """
    for part in reversed(phrasing.perturbation.split("+")):
        if part.partition(":")[0] == "shots":
            given = parse_spec(part).options
            values = {name: option.default for name, option in SHOTS.options.items()}
            return ShotSpec(**{**values, **given})
    return None
