"""Instances whose score depends on the wording, under the phrasings that serve them best and
worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.records import Instance, Job, Response
from evalkit.report.evidence.views import Flip, Side
from evalkit.scoring import STATUSES, Block, ScoreTable

__all__ = ["Answers", "flips_of"]

Answers: TypeAlias = Callable[[Sequence[str]], Mapping[str, Response]]


def flips_of(
    table: ScoreTable,
    block: Block,
    job: Job,
    *,
    headline: npt.NDArray[np.bool_],
    answers: Answers,
    limit: int,
) -> tuple[Flip, ...]:
    """Return the instances whose score differs most between two headline phrasings, at most
    `limit`.

    Parameters
    ----------
    table, block, job
        One task: its cells, dense and as rows, and what was stored.
    headline
        (P,) phrasings to choose from.
    answers
        Stored responses by request key.
    limit
        Most instances.

    Notes
    -----
    Ordered by the difference of the two scores, then by the difference in probability of the
    target, then by id. Among phrasings with the same score on an instance, the one with the highest
    (lowest) probability of the target stands for best (worst).
    """
    places = np.flatnonzero(headline)
    values = block.values[headline]
    if not limit or len(places) < 2 or not values.size:
        return ()
    target_probability = np.nan_to_num(
        table.block(block.model, block.task, value="target_probability").values[headline], nan=0.5
    )
    known = ~np.isnan(values)
    ranks = (
        values + target_probability * 1e-6
    )  # the score decides, the probability of the target breaks ties
    best = np.where(known, ranks, -np.inf).argmax(axis=0)
    worst = np.where(known, ranks, np.inf).argmin(axis=0)
    columns = np.arange(values.shape[1])
    apart = np.nan_to_num(values[best, columns] - values[worst, columns], nan=0.0)
    surer = target_probability[best, columns] - target_probability[worst, columns]
    order = [int(place) for place in np.lexsort((columns, -surer, -apart)) if apart[place] > 0][
        :limit
    ]
    wanted = [(place, int(places[best[place]]), int(places[worst[place]])) for place in order]
    return tuple(_Sides(table, block, job, answers, wanted).flips(headline))


class _Sides:
    """Looks up both sides of the chosen instances in one pass over the stored responses."""

    def __init__(
        self,
        table: ScoreTable,
        block: Block,
        job: Job,
        answers: Answers,
        wanted: Sequence[tuple[int, int, int]],
    ) -> None:
        self.block, self.wanted = block, wanted
        self.job = job
        self.rows = {phrasing.id: row for row, phrasing in enumerate(job.phrasings)}
        self.places = {instance.id: place for place, instance in enumerate(job.instances)}
        self.instances = {instance.id: instance for instance in job.instances}
        self.responses = answers(list(dict.fromkeys(key for key in self._keys() if key)))
        self.probability = table.block(block.model, block.task, value="probability").values

    def _key(self, phrasing: int, instance: int) -> str:
        row = self.rows.get(self.block.phrasing_ids[phrasing])
        place = self.places.get(self.block.instance_ids[instance])
        return "" if row is None or place is None else self.job.blocks[row].key(place)

    def _keys(self) -> list[str]:
        return [
            self._key(phrasing, instance)
            for instance, best, worst in self.wanted
            for phrasing in (best, worst)
        ]

    def flips(self, headline: npt.NDArray[np.bool_]) -> list[Flip]:
        found = []
        for place, best, worst in self.wanted:
            instance = self.instances.get(self.block.instance_ids[place])
            if instance is None:
                continue
            found.append(
                Flip(
                    task=self.block.task,
                    instance_id=instance.id,
                    fields=tuple(
                        sorted(
                            instance.fields.items(),
                            key=lambda pair: (pair[0] != "question", pair[0]),
                        )
                    ),
                    choices=instance.choices,
                    target=shown_target(instance),
                    share=float(np.nanmean(self.block.values[headline, place])),
                    best=self._side(best, place, instance),
                    worst=self._side(worst, place, instance),
                )
            )
        return found

    def _side(self, phrasing: int, place: int, instance: Instance) -> Side:
        block = self.block
        row = self.rows.get(block.phrasing_ids[phrasing])
        wording = None if row is None else self.job.phrasings[row]
        response = self.responses.get(self._key(phrasing, place))
        label = int(block.labels[phrasing, place])
        return Side(
            phrasing_id=block.phrasing_ids[phrasing],
            text="" if wording is None else wording.text,
            seen=block.seen[phrasing],
            score=float(block.values[phrasing, place]),
            status=STATUSES[block.status[phrasing, place]],
            answer=block.label_names[label] if label >= 0 else "",
            raw=(response.text or "") if response is not None else "",
            probability=float(self.probability[phrasing, place]),
            choices=_choice_probabilities(
                response,
                instance,
                ()
                if wording is None
                else self.job.arrangement(wording, self.places[instance.id])[0],
            ),
        )


def shown_target(instance: Instance) -> str:
    """Return the right answer of an instance in words; several references side by side."""
    if instance.target is not None and instance.target < len(instance.choices):
        return instance.choices[instance.target]
    return " | ".join(instance.references)


def _choice_probabilities(
    response: Response | None, instance: Instance, order: Sequence[int]
) -> tuple[float, ...]:
    """Softmax of the summed log-probabilities, moved back to upstream order."""
    if response is None or not instance.choices or len(response.logprobs) != len(instance.choices):
        return ()
    top = max(response.logprobs)
    if not math.isfinite(top):
        return ()
    weights = [math.exp(value - top) for value in response.logprobs]
    shown = [weight / sum(weights) for weight in weights]
    if not order:
        return tuple(shown)
    back = [0.0] * len(shown)
    for position, index in enumerate(order):
        back[index] = shown[position]
    return tuple(back)
