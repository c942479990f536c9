"""Every statistic of ``estimates.csv``, one entry each: what it is, where it ends, where it is shown.

Tables, gates, the leaderboard and the page about metrics are queries over these entries. Numbers
are made in `evalkit.stats` and `evalkit.analysis`; here stands what is said of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from evalkit.records.statistic_entry import Statistic, Table, fraction, plain, positive
from evalkit.records.statistics_of_dimensions import of_dimensions
from evalkit.records.statistics_of_several import of_many_tasks, of_models
from evalkit.records.statistics_of_states import of_states, of_states_pooled

__all__ = [
    "LEADERBOARD",
    "PASS_AT",
    "RELIABLE_AT",
    "STATISTICS",
    "gated",
    "needing",
    "shown_in",
    "statistic",
]

RELIABLE_AT = (2, 5, 10)
"""Wordings that an item has to be right under, for reliable@k."""
PASS_AT = (1, 2, 5, 10, 100)
"""Answers one would look at, for pass@k."""
WIDEST = math.sqrt(0.5)
"""Largest sample deviation that fractions can have: two phrasings, one at 0 and one at 1."""
WHOLE = "needs every phrasing on the same instances"
NEVER = "never pooled"
NO_INTERVAL = "mean over tasks, no interval"


def _of_phrasing_scores() -> Iterator[Statistic]:
    """Yield what is made from a[p]."""
    everywhere: tuple[Table, ...] = ("summary", "analyse", "comparison", "candidates")
    yield fraction(
        "mean",
        "mean over p of a[p]",
        words="mean score",
        harm="falls",
        shown=everywhere,
        gate="mean score over phrasings",
    )
    yield fraction("median", "median of a[p]", words="typical wording (median)", shown=("summary",))
    yield positive(
        "std",
        "sample standard deviation of a[p] (ddof 1)",
        words="std over phrasings",
        high=WIDEST,
        harm="rises",
        shown=everywhere,
        gate="standard deviation over phrasings without the noise of the instances, "
        "root mean square over tasks",
    )
    yield positive("std0", "population standard deviation of a[p] (ddof 0)", high=0.5)
    yield fraction(
        "spread",
        "max - min of a[p]; grows with P",
        words="spread (max - min)",
        harm="rises",
        shown=("summary", "analyse", "comparison"),
        gate="best minus worst phrasing",
    )
    yield fraction(
        "min",
        "least a[p]; falls with P",
        words="worst phrasing",
        harm="falls",
        shown=everywhere,
        alias="worst_phrasing",
        gate="score of the worst phrasing (min), mean over tasks",
    )
    yield fraction("max", "largest a[p]; grows with P")
    for level in (5, 25, 75, 95):
        yield fraction(f"q{level:02d}", f"{level} % quantile of a[p], linear interpolation")
    yield fraction("worst_3", "mean of the three least a[p]")
    yield fraction("cvar10", "mean of the lowest tenth of a[p], at least one")
    yield positive("sensitivity", "std0 / mean of a[p]; undefined where the mean is 0")
    yield fraction("saturation", "1 - (max - mean) of a[p]")
    yield fraction("cps", "saturation x max of a[p]")
    yield fraction(
        "proven_share",
        "share of phrasings like these that score min or more, shown with the confidence of level "
        "whatever the distribution: (1 - level)^(1 / P)",
        pooled=NEVER,
    )
    yield plain(
        "accuracy_norm",
        "(mean - chance) / (1 - chance)",
        harm="falls",
        gate="mean score above chance, as a share of what is above chance",
    )


def _of_arms() -> Iterator[Statistic]:
    """Yield what compares seen with unseen phrasings, or correct ones with controls."""
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
    yield plain(
        "gap",
        "seen mean - unseen mean, paired on instances; positive: unseen wording is worse",
        words="gap (seen - unseen)",
        low=-1.0,
        high=1.0,
        harm="rises",
        shown=("summary", "analyse", "comparison", "candidates"),
        gate="seen mean minus unseen mean",
    )
    yield plain(
        "gap_matched",
        "gap over as many seen as unseen phrasings of every form (layout, label space, position, "
        "wrapper, stratum), for these phrasings; only where the arms differ in one of them",
        words="gap, forms matched",
        low=-1.0,
        high=1.0,
    )
    yield plain(
        "gap_worst",
        "the same for the worst phrasing, at the smaller number of phrasings of the two arms",
        low=-1.0,
        high=1.0,
    )
    yield plain("gap_std", "std of seen - std of unseen phrasings")
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
    yield plain(
        "seen_wrong",
        "mean of wrong controls in words that the model has seen - mean of unseen correct "
        "phrasings; above 0: familiar words beat the right ones",
        words="seen but wrong - unseen but right",
        needs="controls",
        low=-1.0,
        high=1.0,
    )
    yield fraction(
        "seen_wrong_p",
        "two-sided exact p that seen_wrong is 0: what an instance, or a group of them, adds to it "
        "changes its sign (10,000 draws where scores are not 0 and 1)",
        words="p of seen but wrong",
        needs="controls",
        pooled=NEVER,
    )


def _of_drops() -> Iterator[Statistic]:
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


def _of_cells() -> Iterator[Statistic]:
    """Yield what needs one row per instance."""
    yield positive(
        "std_excess",
        "standard deviation over phrasings with endless instances: wording without their noise",
        high=WIDEST,
        needs="cells",
        pooled=NO_INTERVAL,
        sparse=WHOLE,
    )
    yield plain("var_phrasing", "variance component of phrasings", needs="cells", sparse=WHOLE)
    yield positive("var_instance", "variance component of instances", needs="cells", sparse=WHOLE)
    yield positive(
        "var_interaction",
        "variance component of what a phrasing does to an instance beyond both",
        needs="cells",
        sparse=WHOLE,
    )
    yield positive(
        "design_effect",
        "variance of the mean with instances in groups over that with independent ones",
        needs="groups",
    )
    yield plain("var_repeat", "variance between repeats of one cell", needs="repeats")
    for k in PASS_AT:
        yield fraction(
            f"pass_at_{k}",
            f"mean over cells of 1 - C(n - c, {k}) / C(n, {k}), c of n repeats right",
            words=f"pass@{k}",
            harm="falls",
            needs="repeats",
            gate=f"pass@{k} of repeated answers that are right or wrong",
        )
    yield fraction(
        "g_coefficient",
        "share of a cell's variance that is not wording",
        needs="cells",
        sparse=WHOLE,
    )
    yield plain(
        "required_phrasings",
        "fewest phrasings for a half-width of the mean of one point",
        needs="cells",
        sparse=WHOLE,
    )
    for end in ("low", "high"):
        yield plain(
            f"new_phrasing_{end}",
            f"{end} end of the prediction interval for one more phrasing on these instances",
            pooled=NO_INTERVAL,
            sparse=WHOLE,
        )
    yield fraction(
        "worst_instance",
        "mean over i of min over p of y[p, i]",
        words="right under every phrasing",
        harm="falls",
        needs="cells",
        sparse=WHOLE,
        shown=("summary",),
        gate="share of instances right under every phrasing",
    )
    for k in RELIABLE_AT:
        yield fraction(
            f"reliable_at_{k}",
            f"mean over i of C(c, {k}) / C(P, {k}), c of P phrasings right: "
            f"the share of items right under all of {k} wordings drawn",
            words=f"reliable@{k}",
            harm="falls",
            needs="cells",
            sparse=WHOLE,
            gate=f"share of items right under all of {k} wordings drawn",
        )
    yield fraction(
        "best_instance", "mean over i of max over p of y[p, i]", needs="cells", sparse=WHOLE
    )
    yield fraction(
        "pss", "mean over i and unordered pairs p, q of abs(y[p, i] - y[q, i])", needs="cells"
    )


def _of_answers() -> Iterator[Statistic]:
    """Yield what is made from predictions, status, probabilities and texts."""
    yield fraction(
        "consistency",
        "share of (instance, unordered phrasing pair) with the same answer",
        words="same answer, two phrasings",
        harm="falls",
        needs="cells",
        shown=("summary", "analyse", "comparison", "candidates"),
        gate="share of phrasing pairs with the same answer",
    )
    yield fraction("flip_rate", "1 - consistency", needs="cells")
    yield plain("krippendorff_alpha", "1 - Do / De, nominal, phrasings as coders", needs="cells")
    yield plain("fleiss_kappa", "Fleiss' kappa of phrasings as raters", needs="cells")
    yield fraction(
        "label_entropy",
        "entropy of the answers over phrasings, mean over i, / log(number of labels)",
        needs="cells",
    )
    yield fraction(
        "unparsed_rate",
        "share of answered cells whose answer could not be used",
        words="unparsed answers",
        harm="rises",
        needs="cells",
        shown=("comparison",),
        gate="share of answers that could not be used, refusals among them",
    )
    yield fraction("truncated_rate", "share of answered cells whose prompt was cut", needs="cells")
    yield fraction(
        "missing_rate", "share of cells that were asked and have no score", needs="cells"
    )
    yield positive(
        "posix",
        "mean over pairs p, q of abs(log P(r | p) - log P(r | q)) / length of r, in nats per token",
        needs="answers",
    )
    yield fraction(
        "prompt_uncertainty",
        "mean change in probability of the model's own answer",
        needs="answers",
    )
    yield fraction("confidence", "mean probability of the model's own answer", needs="answers")
    yield positive("brier", "Brier score over the choices, 0 to 2", needs="answers")
    yield fraction(
        "label_adherence",
        "share of texts whose first line is a label asked for",
        harm="falls",
        needs="answers",
        gate="share of texts whose first line is a label asked for, of tasks that ask for one",
    )
    for name, means in (
        ("corpus_bleu", "corpus BLEU of sacrebleu"),
        ("corpus_chrf", "corpus chrF of sacrebleu"),
    ):
        yield fraction(
            name,
            f"{means} over the answers of a phrasing, mean over p; "
            "of tasks scored by sentence_bleu or chrf",
            needs="answers",
            pooled=NO_INTERVAL,
        )
    yield fraction(
        "label_meant",
        "share of texts that mean a label asked for, however it is spelled",
        needs="answers",
    )
    yield plain(
        "distance_rho",
        "Spearman, over unseen phrasings, of distance to the seen ones with a[p] - mean seen",
        needs="vectors",
        pooled=NEVER,
    )
    yield plain("distance_p", "permutation p of distance_rho", needs="vectors", pooled=NEVER)


def _of_runs() -> Iterator[Statistic]:
    """Yield what only a pair of runs has."""
    yield fraction(
        "collateral_damage",
        "share of cells right before that are wrong now",
        harm="its margin is a ceiling",
        needs="runs",
        gate="share of what the baseline had right that the candidate has wrong",
    )


STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {
        entry.name: entry
        for family in (
            *(_of_phrasing_scores, _of_arms, _of_drops, _of_cells, _of_answers, of_states),
            *(of_models, of_many_tasks, of_states_pooled, _of_runs, of_dimensions),
        )
        for entry in family()
    }
)
"""Name -> statistic, in the order in which tables show them."""
LEADERBOARD = (
    *("mean", "seen_mean", "unseen_mean", "gap", "spread", "std", "sensitivity", "min"),
    "consistency",
)
"""Statistics of the leaderboard in the order of its columns, which is that of its files."""


def statistic(name: str) -> Statistic:
    """Return the entry of a metric; that of `reliance` or `accident` for one kind of control, of `pdr` for one perturbation.

    That of `delta` for one measure; of one position of a composed answer, that of a fraction.

    Raises
    ------
    KeyError
        When there is none.

    Examples
    --------
    >>> statistic("min").words, statistic("reliance_wrong").words
    ('worst phrasing', 'correct - wrong instruction')
    """
    if name not in STATISTICS:
        for family, words in (
            ("reliance", "correct - {} instruction"),
            ("accident", "obeying {} is right by accident"),
            ("pdr", "lost under {}, % of the clean score"),
        ):
            if name.startswith(f"{family}_"):
                rest = name.removeprefix(f"{family}_")
                return replace(STATISTICS[family], name=name, words=words.format(rest))
    measure = name.removeprefix("delta_")
    if measure != name:
        return replace(
            STATISTICS["delta"], name=name, words=f"change of: {statistic(measure).title}"
        )
    if name.startswith("position_"):
        return replace(STATISTICS["parts_right"], name=name, words=name.replace("_", " "))
    return STATISTICS[name]


def shown_in(table: Table) -> tuple[Statistic, ...]:
    """Return the statistics that a table shows, in order."""
    return tuple(entry for entry in STATISTICS.values() if table in entry.shown)


def needing(what: str) -> tuple[str, ...]:
    """Return the names of the statistics that need `what`."""
    return tuple(name for name, entry in STATISTICS.items() if entry.needs == what)


def gated() -> dict[str, str]:
    """Return name in a policy -> what it is and in which direction it is harm.

    Examples
    --------
    >>> gated()["spread"]
    'best minus worst phrasing; rises'
    """
    return {
        entry.alias or entry.name: f"{entry.gate}; {entry.harm}"
        for entry in STATISTICS.values()
        if entry.gate
    }
