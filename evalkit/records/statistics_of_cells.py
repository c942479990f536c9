"""Statistics that need more than the scores of phrasings: every cell,
or what was answered in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.records.statistic_entry import (
    NEVER,
    NO_INTERVAL,
    WHOLE,
    WIDEST,
    Statistic,
    fraction,
    plain,
    positive,
)

__all__ = ["PASS_AT", "RELIABLE_AT", "of_answers", "of_cells"]

RELIABLE_AT = (2, 5, 10)
"""Wordings that an item has to be right under, for reliable@k."""
PASS_AT = (1, 2, 5, 10, 100)
"""Answers one would look at, for pass@k."""


def of_cells() -> Iterator[Statistic]:
    """Yield what needs one row per instance."""
    yield from _of_variance()
    yield from _of_repeats()
    yield from _of_planning()
    yield from _of_instances()


def _of_variance() -> Iterator[Statistic]:
    """Yield where the variance of cells comes from."""
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


def _of_repeats() -> Iterator[Statistic]:
    """Yield what needs repeated cells."""
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


def _of_planning() -> Iterator[Statistic]:
    """Yield what one more phrasing, or more of them, would show."""
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


def _of_instances() -> Iterator[Statistic]:
    """Yield what phrasings do to single instances."""
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


def of_answers() -> Iterator[Statistic]:
    """Yield what is made from predictions, status, probabilities and texts."""
    yield from _of_predictions()
    yield from _of_probabilities()
    yield from _of_texts()


def _of_predictions() -> Iterator[Statistic]:
    """Yield agreement of predictions, and shares of what became of the cells."""
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


def _of_probabilities() -> Iterator[Statistic]:
    """Yield what needs the probabilities of answers."""
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


def _of_texts() -> Iterator[Statistic]:
    """Yield what needs the texts of answers, or vectors of phrasings."""
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
