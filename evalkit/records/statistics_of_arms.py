"""Statistics that compare two groups of phrasings:
seen with unseen, correct with controls, attacked with clean.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.records.statistic_entry import (
    NEVER,
    WIDEST,
    Statistic,
    difference,
    fraction,
    plain,
    positive,
)

__all__ = ["of_arms", "of_drops"]


def of_arms() -> Iterator[Statistic]:
    """Yield what compares seen with unseen phrasings, or correct ones with controls."""
    yield from _of_seen()
    yield from _of_controls()


def _of_seen() -> Iterator[Statistic]:
    """Yield what compares seen with unseen phrasings."""
    for arm in ("seen", "unseen"):
        yield fraction(
            f"{arm}_mean",
            f"mean of a[p] over {arm} phrasings",
            words=f"mean, {arm} wording",
            harm="falls",
            shown=("summary", "comparison", *(("candidates",) if arm == "unseen" else ())),
            gate=f"mean over {arm} phrasings",
        )
        yield positive(f"{arm}_std", f"std over {arm} phrasings", high=WIDEST)
    yield difference(
        "gap",
        "seen mean - unseen mean, paired on instances; positive: unseen wording is worse",
        words="gap (seen - unseen)",
        harm="rises",
        shown=("summary", "analyse", "comparison", "candidates"),
        gate="seen mean minus unseen mean",
    )
    yield difference(
        "gap_matched",
        "gap over as many seen as unseen phrasings of every form (layout, label space, position, "
        "wrapper, stratum), for these phrasings; only where the arms differ in one of them",
        words="gap, forms matched",
    )
    yield difference(
        "gap_worst",
        "the same for the worst phrasing, at the smaller number of phrasings of the two arms",
    )
    yield plain("gap_std", "std of seen - std of unseen phrasings")


def _of_controls() -> Iterator[Statistic]:
    """Yield what compares correct phrasings with controls."""
    yield plain(
        "reliance",
        "mean of correct phrasings - mean of controls; also reliance_KIND for each kind of control",
        words="correct - control instruction, all controls",
        harm="falls",
        gate="mean of correct phrasings minus mean of controls",
        needs="controls",
        shown=("candidates",),
    )
    yield fraction(
        "accident",
        "share of items on which obeying a control is right by accident: a guess, "
        "but 0 for opposite and negated; also accident_KIND. "
        "Reliance of a perfect reader is 1 minus it",
        words="obeying a control is right by accident",
        needs="controls",
    )
    yield difference(
        "seen_wrong",
        "mean of wrong controls in words that the model has seen - mean of unseen correct "
        "phrasings; above 0: familiar words beat the right ones",
        words="seen but wrong - unseen but right",
        needs="controls",
    )
    yield fraction(
        "seen_wrong_p",
        "two-sided exact p that seen_wrong is 0: what an instance, or a group of them, adds to it "
        "changes its sign (10,000 draws where scores are not 0 and 1)",
        words="p of seen but wrong",
        needs="controls",
        pooled=NEVER,
    )


def of_drops() -> Iterator[Statistic]:
    """Yield drop rates and effect sizes."""
    yield plain(
        "pdr",
        "mean over pairs of 1 - a[attacked] / a[reference]; undefined where the reference is 0; "
        "also pdr_NAME for each perturbation",
        words="lost under perturbation, % of the clean score",
        high=1.0,
    )
    yield plain("pdr_std", "population standard deviation of the same over pairs")
    yield plain(
        "robust_drop", "(a[reference] - worst_instance) / a[reference]", needs="reference", high=1.0
    )
    yield plain("cohen_h", "2 (asin sqrt m2 - asin sqrt m1) / pi of attacked and reference mean")
    yield plain(
        "hedges_g",
        "Hedges' g of attacked and reference scores as unitxt has it, g / 5 in [-1, 1]",
        needs="reference",
    )
