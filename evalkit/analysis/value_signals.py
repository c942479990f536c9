"""Which wordings are worth training on, by signals that stored runs give, each held against chance.

A signal is one number per wording, larger for more worth. What it is worth is measured here:
wordings are chosen by half of the instances, and what they lose is read from the other half, beside
as many wordings drawn at random.

References
----------
``uncertainty``: Kung and others, "Active Instruction Tuning", arXiv 2311.00288, with other wordings
in place of perturbed copies. ``learning``: Mekala and others, "Smaller Language Models are capable
of selecting Instruction-Tuning Training Data for Larger Language Models", arXiv 2402.10430: (P0 -
P1) / (P0 - Pn) with P the perplexity of the answers; a wording that is learned late is worth more,
so the signal is 1 less that. ``golden``: Li and others, "One-Shot Learning as Instruction Data
Prospector", arXiv 2312.10302: share of answers that a worked instance makes likelier. ``utility``:
by how much, nats, as in Agarwal and others, "DELIFT", arXiv 2411.04425. ``length``: Zhao and
others, "Long Is More for Alignment", arXiv 2402.04833. ``recoverable`` is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evalkit.scoring import Block, ScoreTable

__all__ = ["SIGNALS", "Material", "Worth", "materials", "signals_of", "worth"]

Floats = npt.NDArray[np.float64]
DRAWS = 2000
"""Random choices of wordings that a choice is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One task of a model in its headline wordings."""

    task: str
    phrasing_ids: tuple[str, ...]
    scores: Floats
    """(P, N)."""
    labels: npt.NDArray[np.int32]
    """(P, N) codes of what was answered; -1 where nothing usable was."""
    confidence: Floats
    """(P, N) probability of the given answer; NaN where none is known."""
    target: Floats
    """(P, N) probability of the right answer; NaN where none is known."""
    words: Floats
    """(P,) words of the wording; NaN where its text is not known."""
    later: tuple[Floats, ...] = ()
    """`target` of the same model after some and after all of a training."""
    shot: Floats | None = None
    """`target` when a worked instance stands before."""

    def part(self, kept: npt.NDArray[np.bool_]) -> Material:
        """Return the instances that a mask keeps."""
        names = ("scores", "labels", "confidence", "target")
        cut = {name: getattr(self, name)[:, kept] for name in names}
        return replace(
            self,
            **cut,
            later=tuple(one[:, kept] for one in self.later),
            shot=None if self.shot is None else self.shot[:, kept],
        )


def _mean(values: Floats) -> Floats:
    """Return the mean over instances, NaN where nothing is known."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    found: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return found


def _uncertainty(one: Material) -> Floats:
    """Return the mean distance of the right answer's probability from its mean under the other
    wordings.
    """
    return _mean(np.abs(one.target - _others(one.target)))


def _others(values: Floats) -> Floats:
    """Return for every cell the mean of the same instance under the other wordings."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    count = known.sum(axis=0) - known
    total = filled.sum(axis=0) - filled
    found: Floats = np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)
    return found


def _confidence(one: Material) -> Floats:
    """Return 1 less the mean probability of the given answer."""
    return 1 - _mean(one.confidence)


def _consistency(one: Material) -> Floats:
    """Return the share of instances answered otherwise than most wordings answer them."""
    found = np.full(one.labels.shape, np.nan)
    for column in range(one.labels.shape[1]):
        given = one.labels[:, column]
        known = given >= 0
        if known.sum() > 1:
            values, counts = np.unique(given[known], return_counts=True)
            found[:, column] = given != values[counts.argmax()]
    return _mean(found)


def _length(one: Material) -> Floats:
    return one.words


def _score(one: Material) -> Floats:
    """Return what is lost: 1 less the mean score."""
    return 1 - _mean(one.scores)


def _recoverable(one: Material) -> Floats:
    """Return the share of instances lost here that at least half of the other wordings get
    right.
    """
    others = _others(one.scores)
    lost = (one.scores < 0.5) & (others >= 0.5)
    return _mean(np.where(np.isnan(one.scores) | np.isnan(others), np.nan, lost))


def _nats(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.log(values)


def _learning(one: Material) -> Floats:
    """Return 1 - (P0 - P1) / (P0 - Pn), P the mean perplexity;
    NaN where the training changed nothing.
    """
    if len(one.later) != 2:
        return np.full(len(one.scores), np.nan)
    first, some, every = (np.exp(_mean(_nats(v))) for v in (one.target, *one.later))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(first - every == 0, np.nan, 1 - (first - some) / (first - every))
    return found


def _golden(one: Material) -> Floats:
    if one.shot is None:
        return np.full(len(one.scores), np.nan)
    known = ~(np.isnan(one.shot) | np.isnan(one.target))
    return _mean(np.where(known, one.shot > one.target, np.nan))


def _utility(one: Material) -> Floats:
    if one.shot is None:
        return np.full(len(one.scores), np.nan)
    return _mean(_nats(one.target) - _nats(one.shot))


SIGNALS: Mapping[str, Callable[[Material], Floats]] = {
    "recoverable": _recoverable,
    "score": _score,
    "uncertainty": _uncertainty,
    "confidence": _confidence,
    "consistency": _consistency,
    "length": _length,
    "learning": _learning,
    "golden": _golden,
    "utility": _utility,
}
"""Name -> one number per wording; NaN where the runs do not tell."""


def materials(
    table: ScoreTable,
    *,
    texts: Mapping[str, str] | None = None,
    later: Sequence[ScoreTable] = (),
    shot: ScoreTable | None = None,
) -> list[Material]:
    """Return the tasks of a table of one model, with what other runs of the same cells add.

    Parameters
    ----------
    table
        The run that wordings are chosen from.
    texts
        Phrasing id -> its text.
    later
        After some and after all of a training: two tables, or none.
    shot
        The same model with a worked instance before.
    """
    found = []
    model = table.models[0]
    for task in table.tasks(model):
        whole = table.block(model, task)
        kept = whole.headline
        block = whole.limited(kept)

        def target(other: ScoreTable, block: Block = block, task: str = task) -> Floats:
            return _placed(other, task, block)

        found.append(
            Material(
                task=task,
                phrasing_ids=block.phrasing_ids,
                scores=block.values,
                labels=block.labels,
                confidence=block.confidence,
                target=target(table),
                words=np.array(
                    [
                        float(len(text.split())) if (text := (texts or {}).get(name)) else math.nan
                        for name in block.phrasing_ids
                    ]
                ),
                later=tuple(target(one) for one in later),
                shot=None if shot is None else target(shot),
            )
        )
    return found


def _placed(table: ScoreTable, task: str, like: Block) -> Floats:
    """Return the right answer's probability in the cells of a block;
    NaN where the table lacks one.
    """
    found = np.full(like.values.shape, np.nan)
    model = table.models[0]
    if task not in table.tasks(model):
        return found
    other = table.block(model, task, value="target_probability")
    rows = {name: place for place, name in enumerate(other.phrasing_ids)}
    columns = {name: place for place, name in enumerate(other.instance_ids)}
    for i, name in enumerate(like.phrasing_ids):
        for j, instance in enumerate(like.instance_ids):
            if name in rows and instance in columns:
                found[i, j] = other.values[rows[name], columns[instance]]
    return found


def signals_of(one: Material) -> dict[str, Floats]:
    """Return every signal of the wordings of a task, shape (P,)."""
    return {name: rule(one) for name, rule in SIGNALS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What wordings chosen by a signal lose on other instances, beside as many at random."""

    signal: str
    chosen: float
    """Mean loss (1 - score) of the chosen wordings, mean over tasks and halves."""
    random: float
    """The same of all wordings, which is that of random ones on average."""
    p: float
    """Share of random choices that lose as much or more, one counted twice;
    NaN without a signal.
    """
    n_tasks: int
    """Tasks in which the signal is known."""

    @property
    def gain(self) -> float:
        """Return how much more the chosen ones lose: what training on them could win."""
        return self.chosen - self.random


def worth(found: Sequence[Material], signal: str, k: int, *, seed: int = 0) -> Worth:
    """Return what a signal is worth for choosing `k` wordings per task.

    Parameters
    ----------
    found
        Tasks.
    signal
        A name of `SIGNALS`.
    k
        Wordings per task: the budget, the same for chance.
    seed
        Of the halves and of chance.
    """
    rng = np.random.default_rng(seed)
    chosen, every, drawn = [], [], []
    tasks = 0
    for one in found:
        n, size = one.scores.shape[1], len(one.phrasing_ids)
        if size <= k or n < 2:
            continue
        half = rng.permutation(n) < n // 2
        told = 0
        for mask in (half, ~half):
            values = SIGNALS[signal](one.part(mask))
            losses = _score(one.part(~mask))
            known = np.flatnonzero(~(np.isnan(values) | np.isnan(losses)))
            if len(known) <= k:
                continue
            order = known[np.argsort(-values[known], kind="stable")]
            chosen.append(losses[order[:k]].mean())
            every.append(losses[known].mean())
            drawn.append([losses[rng.choice(known, k, replace=False)].mean() for _ in range(DRAWS)])
            told = 1
        tasks += told
    if not chosen:
        return Worth(signal=signal, chosen=math.nan, random=math.nan, p=math.nan, n_tasks=0)
    mean = float(np.mean(chosen))
    chance = np.mean(drawn, axis=0)
    p = (1 + int((chance >= mean - 1e-12).sum())) / (DRAWS + 1)
    return Worth(signal=signal, chosen=mean, random=float(np.mean(every)), p=p, n_tasks=tasks)
