"""What is said of the phrasings of a run beside its numbers: whose population they are,
which are left out, how the arms differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from evalkit.records import Estimate
from evalkit.records.manifest import Wordings
from evalkit.report.text import bracket, estimate_text, points, signed

__all__ = [
    "WORDS",
    "familiar",
    "of_repeats",
    "population",
    "unlike",
    "unseen_verdict",
    "without_doubtful",
]

WORDS = {"mean": "mean", "min": "worst phrasing", "gap": "gap"}
"""Statistics whose change is told."""
SURE = 0.05
"""Largest adjusted p that names a task."""
TRAITS = {"label_space": "label space"}
"""Traits whose name is not their column."""


def population(wordings: Wordings | None) -> str:
    """Return which phrasings "new phrasings" means; empty where no stratum is known.

    Examples
    --------
    >>> population(Wordings(strata={"plain": 80, "styled": 10}))
    'New phrasings: more like those asked, 80 plain, 10 styled (counted per task).'
    """
    if wordings is None or not wordings.strata:
        return ""
    parts = ", ".join(
        f"{number:,} {name or 'of no stratum'}" for name, number in wordings.strata.items()
    )
    return f"New phrasings: more like those asked, {parts} (counted per task)."


def of_repeats(estimates: Iterable[Estimate]) -> str:
    """Return which statistics are over the first of several answers per cell;
    empty where cells have one.
    """
    if not any(row.metric == "var_repeat" for row in estimates):
        return ""
    from evalkit.scoring import FIRST_OF_REPEATS

    return FIRST_OF_REPEATS


def without_doubtful(wordings: Wordings | None) -> str:
    """Return how many doubtful phrasings are left out and what they would change; empty for none.

    Examples
    --------
    >>> without_doubtful(
    ...     Wordings(doubtful=2, doubtful_tasks=1, change={"mean": 0.013, "gap": -0.002})
    ... )
    'Left out of the headline: 2 phrasings of doubtful meaning, in 1 task; with them: mean +1.3, gap −0.2 points.'
    """  # noqa: E501
    if wordings is None:
        return ""
    parts = []
    if wordings.doubtful:
        changes = ", ".join(
            f"{words} {signed(wordings.change[name])}"
            for name, words in WORDS.items()
            if name in wordings.change
        )
        parts.append(
            (
                f"Left out of the headline: {_counted(wordings.doubtful, 'phrasing')} of doubtful "
                f"meaning, in {_counted(wordings.doubtful_tasks, 'task')}"
            )
            + (f"; with them: {changes} points." if changes else ".")
        )
    if wordings.doubtful_copies:
        number = _counted(wordings.doubtful_copies, "perturbed phrasing")
        parts.append(f"Left out of the drop rates: {number} of doubtful meaning or origin.")
    if wordings.only_doubtful:
        names = ", ".join(wordings.only_doubtful[:3])
        more = ", ..." if len(wordings.only_doubtful) > 3 else ""
        parts.append(f"Only phrasings of doubtful meaning, so kept: {names}{more}.")
    return " ".join(parts)


def _sign(row: Estimate) -> int:
    """1 where the interval of a gap lies above 0, -1 below, 0 where it holds 0 or is none."""
    return (row.low > 0) - (row.high < 0)


def unseen_verdict(values: Mapping[str, Estimate]) -> tuple[str, str]:
    """Return whether unseen wording is worse, in words, and their tone.

    Where the arms differ in more than words, the gap between like forms decides: a gap of which
    that leaves nothing is no answer about wording.

    Parameters
    ----------
    values
        Metric -> estimate over a run, with a ``gap``.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "all", "task": "all"}
    >>> gap = Estimate(**of, metric="gap", value=0.089, low=0.04, high=0.13)
    >>> unseen_verdict({"gap": gap})
    ('Yes: 8.9 points lower on unseen wording.', 'bad')
    >>> like = Estimate(**of, metric="gap_matched", value=0.033, low=-0.008, high=0.075)
    >>> unseen_verdict({"gap": gap, "gap_matched": like})
    ('Not shown: 8.9 points lower, but the arms differ in form; between like forms 3.3 [−0.8, 7.5].', 'open')
    """  # noqa: E501
    gap, like = values["gap"], values.get("gap_matched")
    side = _sign(gap)
    if math.isnan(gap.low):
        return (f"No interval: {gap.note}." if gap.note else "No interval."), "open"
    said = f"{points(abs(gap.value))} points {'lower' if gap.value > 0 else 'higher'}"
    if like is None or (side == 0 and _sign(like) == 0):
        if side == 0:
            return "No clear difference: the interval includes 0.", "plain"
        word, tone = ("Yes", "bad") if side > 0 else ("No", "good")
        return f"{word}: {said} on unseen wording.", tone
    if math.isnan(like.low):
        return f"Not shown: {said}, but no form of wording is on both arms.", "open"
    part = "" if like.n_tasks == gap.n_tasks else f" in {like.n_tasks} of {gap.n_tasks} tasks"
    found = f"between like forms{part} {points(like.value)} {bracket(like.low, like.high)}"
    if _sign(like) == 0:
        return f"Not shown: {said}, but the arms differ in form; {found}.", "open"
    word, tone = ("Yes", "bad") if _sign(like) > 0 else ("No", "good")
    return f"{word}: {found}; {said} over all wordings.", tone


def unlike(wordings: Wordings | None, matched: Estimate | None = None) -> str:
    """Return in what seen and unseen phrasings differ beside words; empty where they do not.

    Parameters
    ----------
    wordings
        Of the run.
    matched
        The gap between matched forms; None where there is none.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "all", "task": "all"}
    >>> like = Estimate(**of, metric="gap_matched", value=0.01, low=-0.002, high=0.018)
    >>> unlike(Wordings(differ={"label_space": 3}), like)
    'Seen and unseen phrasings differ in label space (3 tasks), so the gap is not of wording alone; over as many of every form on both arms it is 1.0 [−0.2, 1.8], interval for these phrasings (gap_matched), which includes 0.'
    """  # noqa: E501
    if wordings is None or not wordings.differ:
        return ""
    parts = ", ".join(
        f"{TRAITS.get(name, name)} ({_counted(number, 'task')})"
        for name, number in wordings.differ.items()
    )
    rest = (
        (
            f"; over as many of every form on both arms it is {estimate_text(matched)}, "
            "interval for these phrasings (gap_matched)"
            + (", which includes 0." if matched.low <= 0 <= matched.high else ".")
        )
        if matched is not None and matched.value == matched.value
        else "; no form is on both arms in as many phrasings, so no matched gap can be given."
    )
    return f"Seen and unseen phrasings differ in {parts}, so the gap is not of wording alone{rest}"


def familiar(rows: Iterable[Estimate]) -> str:
    """Return the tasks where wrong instructions in seen words beat right ones in unseen words;
    empty for none.

    Parameters
    ----------
    rows
        Estimates of a run. A task is named when its p, adjusted by Holm over the tasks tested, is
        at most 0.05; where a file has no p, when its interval lies above 0.

    Examples
    --------
    >>> row = Estimate(
    ...     model="m", benchmark="b", task="b/t", metric="seen_wrong", value=0.2, low=0.1, high=0.3
    ... )
    >>> familiar([row])
    'Familiar words beat the right ones: seen but wrong scores above unseen but right in 1 task (b/t).'
    """  # noqa: E501
    found: dict[str, dict[str, Estimate]] = {"seen_wrong": {}, "seen_wrong_p": {}}
    for row in rows:
        if row.metric in found and row.task != "all" and not row.group:
            found[row.metric][row.task] = row
    tested = sorted(task for task, row in found["seen_wrong_p"].items() if row.value == row.value)
    adjusted: dict[str, float] = {}
    if tested:
        from evalkit.stats import holm

        p = np.array([found["seen_wrong_p"][task].value for task in tested])
        adjusted = dict(zip(tested, holm(p).tolist(), strict=True))
    names = [
        task
        for task, row in sorted(found["seen_wrong"].items())
        if (row.value > 0 and adjusted[task] <= SURE if task in adjusted else row.low > 0)
    ]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    tests = f"; sign flip, Holm over {_counted(len(tested), 'task')}" if tested else ""
    return (
        "Familiar words beat the right ones: seen but wrong scores above unseen but right in "
        f"{_counted(len(names), 'task')} ({shown}{tests})."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
