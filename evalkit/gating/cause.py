"""Why a candidate is worse: what its answers do that the baseline's do not,
and where the loss lies.

Every signal is one number per instance, paired, with equal weight of tasks, tested one-sided by
Student's distribution; p values are corrected by Holm over all signals, each already multiplied by
the number of tasks, phrasings, places or phrases it was the largest of. So a pair of releases
between which nothing changed names a cause in at most 1 - level of cases. A signal below its floor
is not named, however sure it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from evalkit.analysis.from_states import share_cells
from evalkit.gating.answered import Answered, Rows, answered_of
from evalkit.gating.cuts import cut_signals
from evalkit.gating.measures import Pair
from evalkit.gating.parts import Parts, parts_of
from evalkit.gating.signals import Changes, Floats, Signal, mean_of, per_instance, signal
from evalkit.gating.task_means import mean_over_tasks
from evalkit.gating.units import RIGHT
from evalkit.scoring import STATES
from evalkit.stats import holm

__all__ = ["Cause", "Causes", "causes"]

Answers: TypeAlias = tuple[Answered, Answered]
FLOOR = 0.005
"""Least size of a signal that is named, a fraction."""
HABITS = {
    "refused": "refusals",
    "cut": "answers cut off at the limit",
    "unusable": "answers that cannot be used",
}
"""State of an answer -> what more of it is called."""
MOST_CHOICES = 10
"""Choices among which two that are taken for each other are looked for."""
DEAF = ("wrong", "opposite", "negated")
"""Controls under which the right answer is the wrong one."""
KNOWS, LOST = 0.5, 0.2
"""Share of an instance's other wordings that the candidate gets right: from the first on it still
knows the answer and no longer follows this wording; up to the second it no longer knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that changed."""

    name: str
    """Its name, such as ``refused`` or ``task``."""
    how: bool
    """Whether it says what the answers do, rather than where the loss lies."""
    words: str
    """What it is, for a person; names in it are untrusted text."""
    size: float
    """How much, a fraction, mean over tasks."""
    p: float
    """p of none, corrected over all signals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """What is behind a decision."""

    change: float
    """Mean of the candidate minus that of the baseline, a fraction."""
    lost: int
    """Cells right before and wrong now."""
    gained: int
    """Cells wrong before and right now."""
    named: tuple[Cause, ...]
    """What changed beyond chance: what the answers do first, then where; most certain first."""
    follows: float
    """Share of the lost cells whose instance the candidate still gets right in most other wordings;
    NaN with fewer than three wordings or no lost cell."""
    knows: float
    """Share of the lost cells whose instance it gets right in hardly any other wording."""
    answers: bool
    """Whether stored answers were there to look at."""
    parts: Parts = field(default_factory=dict)
    """What the change is made of, in three ways that each add up to it."""


def causes(
    pairs: Sequence[Pair],
    controls: Sequence[Pair] = (),
    answers: tuple[Mapping[str, Rows], Mapping[str, Rows]] | None = None,
    *,
    level: float = 0.95,
) -> Causes:
    """Return what changed between two runs.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of the headline phrasings of every task.
    controls
        The same of the controls, where there are some.
    answers
        Rows of stored answers by task, of the baseline and of the candidate; None where one of them
        keeps none.
    level
        1 - the chance of naming anything when nothing changed.
    """
    cells = [
        None
        if answers is None
        else (
            answered_of(old, answers[0].get(old.task, {})),
            answered_of(new, answers[1].get(new.task, {})),
        )
        for old, new in pairs
    ]
    told = [one for one in cells if one]
    signals = [*_how(pairs, controls, told), *_where(pairs, told)]
    raw = np.array([one.p for one in signals])
    corrected = holm(raw) if raw.size else raw
    found = [
        Cause(
            name=one.name,
            how=one.how,
            words=one.words,
            size=mean_over_tasks(one.parts)[0],
            p=float(p),
        )
        for one, p in zip(signals, corrected, strict=True)
        if p < 1 - level and mean_over_tasks(one.parts)[0] >= FLOOR
    ]
    follows, knows, lost, gained = _split(pairs)
    change = float(np.mean([_mean_change(pair) for pair in pairs])) if pairs else float("nan")
    return Causes(
        change=change,
        lost=lost,
        gained=gained,
        named=tuple(sorted(found, key=lambda one: (not one.how, one.p, one.name))),
        follows=follows,
        knows=knows,
        answers=answers is not None,
        parts=parts_of(pairs),
    )


def _mean_change(pair: Pair) -> float:
    change = pair[1].values - pair[0].values
    rows = change[(~np.isnan(change)).any(axis=1)]
    return float(mean_of(rows, 1).mean()) if rows.size else float("nan")


def _how(
    pairs: Sequence[Pair], controls: Sequence[Pair], cells: Sequence[Answers]
) -> Iterator[Signal]:
    both = list(zip(pairs, cells, strict=True)) if cells else []
    for state, words in HABITS.items():
        found = [
            (pair, share_cells(pair[1], state) - share_cells(pair[0], state)) for pair in pairs
        ]
        yield from signal(state, words, True, found)
    surer = [(pair, pair[1].confidence - pair[0].confidence) for pair in pairs]
    words = "confidence without being right more often"
    yield from signal("confidence", words, True, surer)
    copied = [(pair, new.copied - old.copied) for pair, (old, new) in both]
    words = "the prompt's last word as the answer"
    yield from signal("copied", words, True, copied)
    yield from _positions(both)
    yield from _swapped(both)
    yield from _phrase(both)
    heard = [(pair, pair[1].values - pair[0].values) for pair in controls]
    words = "right answers although the instruction asks for something else"
    yield from signal("instruction", words, True, heard)


def _positions(both: Sequence[tuple[Pair, Answers]]) -> Iterator[Signal]:
    """The place that is leant to, the first or the last, whichever choice is left out of sight."""
    most = max((cell[0].choices for _, cell in both), default=0)
    for name in ("first", "last"):

        def leaning(name: str = name, without: int = -1) -> Changes:
            found = []
            for pair, (old, new) in both:
                place = 0 if name == "first" else max(old.choices, 1) - 1
                target = _targets(pair, old)
                if without != place and old.choices > 2:
                    target = np.where(target == without, np.nan, target)
                found.append((pair, _leaning(new, target, place) - _leaning(old, target, place)))
            return found

        words = f"the {name} choice chosen whatever is right"
        # without any one choice: else two that are taken for each other would look like it
        others = [leaning(without=k) for k in range(min(most, MOST_CHOICES))] if most > 2 else []
        yield from signal("position", words, True, leaning(), times=2, all_of=others)


def _leaning(one: Answered, target: Floats, place: int) -> Floats:
    """Return numbers whose mean is 0 when mistakes fall on all wrong choices alike,
    and above it when they lean to a place.

    Where the place is wrong: 1 when it is chosen. Where it is right: minus the mistake, divided
    among the others. Both kinds of instance weigh the same.
    """
    known = ~np.isnan(target)
    share = float((target[known] == place).mean()) if known.any() else 0.0
    if not 0 < share < 1:
        return np.full(one.picked.shape, np.nan)
    mistaken = (one.picked != target) / max(one.choices - 1, 1)
    leaning: Floats = np.where(
        target == place, -mistaken / (2 * share), (one.picked == place) / (2 * (1 - share))
    )
    leaning[np.isnan(one.picked) | ~known] = np.nan
    return leaning


def _swapped(both: Sequence[tuple[Pair, Answers]]) -> Iterator[Signal]:
    """Two choices taken for each other, both ways, where three or more are offered:
    against the other mistakes.
    """
    several = [(pair, cell, _targets(pair, cell[0])) for pair, cell in both if cell[0].choices > 2]
    count = min(max((cell[0].choices for _, cell, _ in several), default=0), MOST_CHOICES)
    best: Sequence[Changes] = ()
    top = 0.0
    for a in range(count):
        for b in range(a):
            ways = [
                [
                    (pair, _mistaken(new, target, *way) - _mistaken(old, target, *way))
                    for pair, (old, new), target in several
                ]
                for way in ((a, b), (b, a))
            ]
            rise = min(sum(float(np.nansum(change)) for _, change in way) for way in ways)
            if rise > top:
                best, top = ways, rise
    if best:
        times = max(1, count * (count - 1) // 2)
        words = "two choices taken for each other"
        yield from signal("swapped", words, True, best[0], times=times, all_of=best[1:])


def _targets(pair: Pair, old: Answered) -> Floats:
    """Return the place of the right choice per instance,
    as far as some right answer of a run tells it.
    """
    right = (pair[0].values >= RIGHT) & ~np.isnan(old.picked)
    places = np.where(right, old.picked, np.nan)
    found = np.where(right, places, -1.0).max(axis=0)
    return np.where(right.any(axis=0), found, np.nan)


def _mistaken(one: Answered, target: Floats, right: int, taken: int) -> Floats:
    """Return 1 where one choice is right and the other taken, minus what equal mistakes among
    all wrong choices would give.
    """
    chance = (one.picked != target) / max(one.choices - 1, 1)
    there = (target == right) & ~np.isnan(one.picked)
    return np.where(there, (one.picked == taken) - chance, np.nan)


def _phrase(both: Sequence[tuple[Pair, Answers]]) -> Iterator[Signal]:
    """The last words that came up: those whose share of answers rose most."""
    counts: Counter[str] = Counter()
    for _, cell in both:
        for one, sign in zip(cell, (-1, 1), strict=True):
            for line in one.phrases:
                for phrases in line:
                    counts.update(dict.fromkeys(phrases, sign))
    codes = [STATES.index(state) for state in HABITS]
    risen = [phrase for phrase, rise in counts.most_common(1) if rise > 0]
    for phrase in risen:
        found = [
            (pair, _holding(new, phrase) - _holding(old, phrase))
            for pair, (old, new) in both
            if not np.isnan(new.copied).all()
        ]
        habit = any(
            _holding(new, phrase)[np.isin(pair[1].state, codes)].any() for pair, (_, new) in both
        )
        if not habit:  # what refusals and answers without end say is named as such
            yield from signal(
                "phrase", f"answers that end '... {phrase}'", True, found, times=len(counts)
            )


def _holding(one: Answered, phrase: str) -> Floats:
    return np.array([[phrase in phrases for phrases in line] for line in one.phrases], dtype=float)


def _where(pairs: Sequence[Pair], cells: Sequence[Answers]) -> Iterator[Signal]:
    losses = [(pair, pair[0].values - pair[1].values) for pair in pairs]
    yield from _unseen(losses)
    yield from _one_task(losses)
    yield from _wordings(losses)
    forgot = [(pair, _forgotten(pair)) for pair in pairs if len(pair[0].phrasing_ids) > 2]
    yield from signal("instances", "instances lost under every wording", False, forgot)
    old = [one for one, _ in cells]
    places = [
        _targets(pair, one) if one.choices > 2 else np.full(pair[0].values.shape[1], np.nan)
        for pair, one in zip(pairs, old, strict=False)
    ]
    yield from cut_signals(losses, old, places)


def _unseen(losses: Changes) -> Iterator[Signal]:
    found = []
    for pair, loss in losses:
        seen, unseen = (np.array(pair[0].seen) == name for name in ("seen", "unseen"))
        if seen.any() and unseen.any():
            change = mean_of(loss[unseen], 0) - mean_of(loss[seen], 0)
            found.append((pair, change[None, :]))
    words = "more lost under unseen wording than under seen"
    yield from signal("unseen", words, False, found)


def _one_task(losses: Changes) -> Iterator[Signal]:
    """The task that lost most, against the mean of all others."""
    if len(losses) < 3:
        return
    units = [per_instance(pair, loss) for pair, loss in losses]
    means = [float(one.mean()) if one.size else -1.0 for one in units]
    worst = int(np.argmax(means))
    others = float(np.median([mean for place, mean in enumerate(means) if place != worst]))
    name = losses[worst][0][0].task
    if units[worst].size > 1:
        words = f"more lost in {name} than in the other tasks"
        yield Signal("task", False, words, [units[worst] - max(others, 0.0)], len(losses))


def _wordings(losses: Changes) -> Iterator[Signal]:
    """The phrasing that lost most, against the others of its task."""
    best: tuple[float, str, Pair, Floats] | None = None
    count = 0
    for pair, loss in losses:
        means = mean_of(loss, 1)
        count += len(means)
        if len(means) < 3 or np.isnan(means).all():
            continue
        excess = means - np.nanmedian(means)
        place = int(np.nanargmax(excess))
        if best is None or excess[place] > best[0]:
            rest = mean_of(np.delete(loss, place, axis=0), 0)
            change = (loss[place] - rest)[None, :]
            best = float(excess[place]), pair[0].phrasing_ids[place], pair, change
    if best is not None:
        words = f"more lost under {best[1]} than under the other wordings"
        yield from signal("phrasing", words, False, [best[2:]], times=max(count, 1))


def _forgotten(pair: Pair) -> Floats:
    """Return per instance 1 where it was right nearly always and is nearly never, -1 the other
    way round.
    """
    there = ~(np.isnan(pair[0].values) | np.isnan(pair[1].values))
    count = np.maximum(there.sum(axis=0), 1)
    old, new = (np.where(there, one.values, 0.0).sum(axis=0) / count for one in pair)
    lost = (old >= 1 - LOST) & (new <= LOST)
    found = (old <= LOST) & (new >= 1 - LOST)
    return np.where(there.any(axis=0), lost * 1.0 - found, np.nan)[None, :]


def _split(pairs: Sequence[Pair]) -> tuple[float, float, int, int]:
    """Return the shares of lost cells that are still followed elsewhere,
    and not known anywhere, and what was lost and gained.
    """
    follows = knows = asked = lost = gained = 0
    for old, new in pairs:
        before, after = old.values >= RIGHT, new.values >= RIGHT
        there = ~(np.isnan(old.values) | np.isnan(new.values))
        gone = before & ~after & there
        lost, gained = lost + int(gone.sum()), gained + int((~before & after & there).sum())
        others = there.sum(axis=0)[None, :] - there
        with np.errstate(invalid="ignore", divide="ignore"):
            share = ((after & there).sum(axis=0)[None, :] - (after & there)) / others
        told = gone & (others >= 2)
        asked += int(told.sum())
        follows += int((told & (share >= KNOWS)).sum())
        knows += int((told & (share <= LOST)).sum())
    if not asked:
        return float("nan"), float("nan"), lost, gained
    return follows / asked, knows / asked, lost, gained
