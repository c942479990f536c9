"""Statistics of what answers are, and of how sure the model was of them; see `statistics`."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.records.statistic_entry import Statistic, difference, fraction

__all__ = ["of_states", "of_states_pooled"]


def of_states() -> Iterator[Statistic]:
    """Yield what answers are, and how sure the model was of them."""
    states = {
        "right": "with full score",
        "partial": "in the form asked for, with a part of the score",
        "wrong": "in the form asked for, without a score",
    }
    for state, means in states.items():
        yield fraction(f"{state}_rate", f"share of answered cells {means}", needs="cells")
    for name, words, means in (
        ("refusal_rate", "refused", "share of texts that refuse or abstain"),
        ("cut_rate", "cut by the limit", "share of answered cells that ended before an answer"),
        ("unusable_rate", "unusable by format", "share of answered cells in another form"),
    ):
        yield fraction(
            name, means, words=words, harm="rises", needs="cells", shown=("comparison",), gate=means
        )
    yield fraction(
        "answered_mean",
        "mean over p of the mean score of the answers given: refused and cut ones left out",
        words="mean of answers given",
        harm="falls",
        needs="cells",
        gate="mean score of the answers given, refused and cut ones left out",
    )
    yield fraction(
        "judged_mean",
        "mean verdict of a judge over the answers it was asked about: of evalkit judge only, "
        "and in no score",
        words="right by the judge",
        harm="falls",
        needs="cells",
        shown=("comparison",),
        gate="mean verdict of a judge, the same one in both runs",
    )
    yield fraction(
        "refusal_flip_rate",
        "share of (instance, unordered phrasing pair) of which one refuses and the other does not",
        needs="cells",
    )
    yield fraction(
        "adherence",
        "share of texts whose first line is in the form asked for: a label, a number, "
        "a short answer",
        words="first line in the form asked for",
        harm="falls",
        needs="cells",
        gate="share of texts whose first line is in the form asked for",
    )
    yield fraction(
        "ifs",
        "share of texts that are, as a whole, an answer in the form asked for",
        words="whole text in the form asked for",
        harm="falls",
        needs="cells",
        gate="share of texts that are an answer in the form asked for and nothing else",
    )
    yield from _of_confidence()


def of_states_pooled() -> Iterator[Statistic]:
    """Yield calibration over one list of the cells of all tasks."""
    for name, means in (
        ("ece", "calibration error"),
        ("ece_mass", "calibration error, bins of equally many"),
        ("brier_answer", "mean of (c - y)^2"),
        ("aurc", "mean risk over all coverages"),
        ("average_precision", "average precision of confidence"),
    ):
        yield fraction(
            f"{name}_pooled",
            f"{means} of one list of the cells of all tasks",
            needs="answers",
            pooled="only over tasks",
        )


def _of_confidence() -> Iterator[Statistic]:
    """Yield calibration: c the probability of the given answer, y its score, over cells."""
    yield fraction(
        "ece",
        "calibration error, ten bins of equal width",
        harm="rises",
        needs="answers",
        gate="calibration error of the given answers, ten bins of equal width",
    )
    yield fraction("ece_mass", "calibration error, ten bins of equally many", needs="answers")
    yield fraction(
        "brier_answer",
        "mean over cells of (c - y)^2, c the probability of the given answer",
        words="Brier score of the answers",
        harm="rises",
        needs="answers",
        gate="mean of (probability of the given answer - score) squared",
    )
    yield fraction("brier_reliability", "its part that is miscalibration", needs="answers")
    yield fraction("brier_resolution", "its part that tells right from wrong", needs="answers")
    yield fraction("brier_uncertainty", "mean y x (1 - mean y)", needs="answers")
    yield difference(
        "overconfidence",
        "mean over cells of c - y",
        harm="rises",
        needs="answers",
        gate="mean probability of the given answer minus mean score",
    )
    yield fraction(
        "sure_errors",
        "share of cells that are wrong with c of 0.99 or more: mean of (1 - y) [c >= 0.99]",
        words="wrong answers given for certain",
        harm="rises",
        needs="answers",
        gate="share of answers that are wrong with a probability of 0.99 or more",
    )
    yield from _of_tokens()
    yield fraction("aurc", "mean risk over all coverages, surest cells first", needs="answers")
    yield fraction("average_precision", "of confidence as a sign of being right", needs="answers")
    yield fraction(
        "confidence_shift",
        "mean over i and unordered pairs p, q of abs(c[p, i] - c[q, i])",
        needs="answers",
    )


def _of_tokens() -> Iterator[Statistic]:
    """Yield calibration of written answers, c the probability of their tokens
    (``--uncertainty``).
    """
    c = "c exp of the mean log-probability of a written answer's tokens"
    yield fraction("ece_tokens", f"as ece, {c}", needs="answers")
    yield fraction("brier_tokens", f"as brier_answer, {c}", needs="answers")
    yield difference("overconfidence_tokens", f"as overconfidence, {c}", needs="answers")
    yield fraction("aurc_tokens", f"as aurc, {c}", needs="answers")
    yield fraction("average_precision_tokens", f"as average_precision, {c}", needs="answers")
