"""Metrics for choice tasks: the answer is the choice with the highest log-probability,
or the one named in the text.

Ties go to the choice shown first, in every metric. Log-probabilities that are not finite make the
cell missing: an argmax over NaN is nobody's answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evalkit.records import Instance, Task
from evalkit.scoring.metric import MISSING, Answered, Verdict
from evalkit.scoring.text import find_label

__all__ = ["choice_accuracy", "choice_accuracy_apart", "choice_accuracy_norm", "guess_of"]


def choice_accuracy(answered: Answered) -> Verdict:
    """Return 1 when the choice with the highest summed log-probability is the target (``acc`` of
    lm-eval), else 0.
    """
    return _pick(answered, answered.response.logprobs)


def choice_accuracy_norm(answered: Answered) -> Verdict:
    """Return 1 when the choice with the highest log-probability per byte of its text is the target
    (``acc_bytes`` of lm-eval), else 0.

    Notes
    -----
    The length is that of the answer in UTF-8 bytes, without the space before it, as in lm-eval:
    tokens would make the score depend on the tokenizer.
    """
    lengths = [max(1, len(label.encode("utf-8", "surrogatepass"))) for label in answered.labels]
    return _pick(
        answered,
        tuple(
            value / length
            for value, length in zip(answered.response.logprobs, lengths, strict=False)
        ),
    )


def choice_accuracy_apart(answered: Answered) -> Verdict:
    """Return 1 when the choice most probable as a whole answer is the target,
    where one choice may begin another, else 0.

    Notes
    -----
    The log-probability of "1" is that of all that begins so, "10" among them, so "10" can never
    win. Here the probability of the choices that go on from it is taken off: p(1) - p(10), and of
    these only the shortest, since p(10) holds p(100). A choice goes on from another when its text
    does, it has more tokens, and is not more probable; without token counts nothing is taken off.
    """
    values, counts = answered.response.logprobs, answered.response.token_counts
    if len(counts) != len(values) or len(values) != len(answered.labels):
        return _pick(answered, values)
    return _pick(
        answered,
        tuple(_apart(place, answered.labels, values, counts) for place in range(len(values))),
    )


def _apart(
    place: int, labels: Sequence[str], values: Sequence[float], counts: Sequence[int]
) -> float:
    """Log-probability of a choice without those that go on from it."""
    longer = [
        other
        for other, label in enumerate(labels)
        if label.startswith(labels[place])
        and counts[other] > counts[place]
        and values[other] <= values[place]
    ]
    first = [
        other
        for other in longer
        if not any(
            labels[other].startswith(labels[one]) and counts[one] < counts[other] for one in longer
        )
    ]
    share = sum(math.exp(values[other] - values[place]) for other in first)
    return values[place] + math.log1p(-min(share, 1 - 1e-12))


def _pick(answered: Answered, values: tuple[float, ...]) -> Verdict:
    response, instance = answered.response, answered.instance
    if not response.logprobs:
        return _from_text(answered)
    if len(values) != len(instance.choices) or not all(map(math.isfinite, values)):
        return MISSING
    best = values.index(max(values))
    top = max(response.logprobs)
    weights = [math.exp(value - top) for value in response.logprobs]
    total = sum(weights)
    chosen = answered.choice_index(best)
    target = (
        answered.order.index(instance.target)
        if answered.order and instance.target is not None
        else instance.target
    )
    return Verdict(
        score=float(_is_right(answered, chosen)),
        prediction=instance.choices[chosen],
        probability=weights[best] / total,
        target_probability=None if target is None else weights[target] / total,
    )


def _is_right(answered: Answered, chosen: int) -> bool:
    """Whether a choice is the target; a second choice with the target's own text is right too."""
    instance = answered.instance
    if instance.target is not None:
        return (
            chosen == instance.target
            or instance.choices[chosen] == instance.choices[instance.target]
        )
    return instance.choices[chosen] in instance.references


def _from_text(answered: Answered) -> Verdict:
    """Score a choice request that an engine without log-probabilities answered by text."""
    if answered.text is None:
        return MISSING
    shown = find_label(answered.text, answered.labels, texts=_texts(answered))
    if shown is None:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    chosen = answered.choice_index(shown)
    return Verdict(
        score=float(_is_right(answered, chosen)), prediction=answered.instance.choices[chosen]
    )


def _texts(answered: Answered) -> tuple[str, ...]:
    return tuple(
        answered.instance.choices[answered.choice_index(shown)]
        for shown in range(len(answered.instance.choices))
    )


def guess_of(task: Task, instances: Sequence[Instance]) -> float:
    """Return the score of guessing: the task's own, or the mean of one over the number of choices;
    NaN without choices.

    Parameters
    ----------
    task, instances
        What is asked.
    """
    if task.chance is not None:
        return task.chance
    shares = [1 / len(instance.choices) for instance in instances if instance.choices]
    whole = bool(shares) and len(shares) == len(instances)
    return math.fsum(shares) / len(shares) if whole else math.nan
