"""What a judge came to, as words and rows: the same in the terminal, on the page and in
Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.analysis.judged import Judgement
from evalkit.report.terminal import counted
from evalkit.report.text import bracket, points, share, signed
from evalkit.stats import LEAST_LABELS, Interval
from evalkit.store.judgements import ALONE, Pass

__all__ = ["JudgeView", "judge_views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeView:
    """One pass of a judge."""

    title: str
    """What it judged."""
    lead: str
    """What it says, beside the metric and the people."""
    heads: Sequence[str]
    """Columns of the table of tasks."""
    tasks: Sequence[Sequence[str]]
    """Its rows."""
    trust: Sequence[tuple[str, str, str]]
    """What its word is worth: what is looked at, the number, how to read it."""


def judge_views(found: Iterable[tuple[Pass, Judgement]]) -> list[JudgeView]:
    """Return the passes of a run as they are shown."""
    return [_view(one, judged) for one, judged in found]


def _view(one: Pass, judged: Judgement) -> JudgeView:
    alone = one.name == ALONE
    word = "right" if alone else "better than the other run's"
    whole = judged.whole
    lead = (
        f"{one.judge} calls {_with(whole.judged)} of the answers {word}; "
        f"by the metric it is {_with(whole.metric)}."
    )
    if judged.n_labels:
        lead += (
            f" Corrected by {counted(judged.n_labels, 'human label')}: {_with(judged.corrected)}."
        )
        if judged.n_labels < LEAST_LABELS:
            lead += f" {LEAST_LABELS} labels are needed for an interval."
    else:
        lead += " No person has looked: how far the judge errs is not known."
    title = f"Judge {one.judge}" + ("" if alone else f", this run against {one.name}")
    return JudgeView(
        title=title,
        lead=lead + " The judge's word enters no score.",
        heads=("task", "answers" if alone else "pairs", "metric", "judge", "both on one side"),
        tasks=[
            [
                row.task,
                f"{row.n:,}",
                _with(row.metric),
                _with(row.judged),
                share(row.agreement),
            ]
            for row in judged.tasks
        ],
        trust=[*_trust(one, judged)],
    )


def _trust(one: Pass, judged: Judgement) -> Iterator[tuple[str, str, str]]:
    yield (
        "answers that are no verdict",
        f"{judged.unread:,} of {judged.n_questions:,}",
        "counted, left out of every rate, never a no",
    )
    if one.unanswered:
        yield ("questions without an answer", f"{one.unanswered:,}", "the same command asks again")
    if one.shortened:
        yield ("answers shown in part", f"{one.shortened:,}", "beginning and end of very long ones")
    yield (
        "same verdict in both orders",
        _with(judged.swap_consistency),
        "options, or the two answers, changed places",
    )
    yield ("for what stands first", _with(judged.first), "50 without a preference for a place")
    for name, value in judged.by_wording.items():
        yield (f"asked in the wording {name}", points(value), "mean verdict")
    if len(judged.by_wording) > 1:
        yield ("spread over its wordings", points(judged.wording_spread), "largest minus smallest")
        yield ("wordings on one side", _with(judged.wordings_agree), "of two wordings, per answer")
    if judged.pairs:
        yield ("for the longer answer", _with(judged.longer), "of two with one score; 50 is none")
    else:
        yield (
            "for twice the words",
            _with(judged.length_slope, sign=True),
            "change in the mean verdict at the same score",
        )
    yield ("kappa with the metric", _decimal(judged.kappa), "0 by chance, 1 the same")
    yield ("rank correlation with the metric", _decimal(judged.spearman), "Spearman, over answers")
    if judged.n_labels:
        yield (
            "people on the judge's side",
            share(judged.label_agreement),
            f"of {counted(judged.n_labels, 'labelled answer')}",
        )


def _with(found: Interval, *, sign: bool = False) -> str:
    value = signed(found.value) if sign else points(found.value)
    ends = bracket(found.low, found.high)
    return f"{value} {ends}" if ends else value


def _decimal(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
