"""Stored responses -> `AnswerBlock` per task.

What the estimates from probabilities and from raw texts are made of.

Filled cell by cell while `evalkit.scoring.stored` scores a run, so that the store is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.records import Instance, Task, digest
from evalkit.scoring import AnswerBlock, Answered, Verdict
from evalkit.scoring.corpus import CORPUS, corpus_scores, resampled_scores
from evalkit.scoring.grouping import groups_of
from evalkit.scoring.measures import measured
from evalkit.scoring.states import asked_form, label_meant
from evalkit.scoring.text import normalise

__all__ = ["Answers"]

Floats: TypeAlias = npt.NDArray[np.float64]
DRAWS = 500
"""Resamples of the instances behind a corpus score."""


class Answers:
    """Collects the answers of a run, task by task.

    Attributes
    ----------
    blocks
        Task id -> its answers, once the task is through.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, AnswerBlock] = {}

    def begin(self, task: Task, instances: Sequence[Instance], phrasing_ids: Sequence[str]) -> None:
        """Make room for a task."""
        self._task, self._instances, self._phrasings = task, list(instances), list(phrasing_ids)
        shape = (len(self._phrasings), len(self._instances))
        most = max((len(instance.choices) for instance in instances), default=0)
        self._logprobs = np.full((*shape, most), np.nan)
        self._tokens = np.zeros((*shape, most), dtype=np.int32)
        self._form = np.full(shape, -1, dtype=np.int32)
        self._picked = np.full(shape, -1, dtype=np.int32)
        self._refused, self._adheres = np.full(shape, np.nan), np.full(shape, np.nan)
        self._meant, self._asked = np.full(shape, np.nan), asked_form(task, instances)
        self._texts: list[dict[int, str]] = [{} for _ in self._phrasings]
        self._measures: dict[str, Floats] = {}
        self._forms: list[dict[tuple[str, ...], int]] = [{} for _ in instances]

    def cell(
        self, phrasing: int, position: int, *, answered: Answered | None, verdict: Verdict
    ) -> None:
        """Take in one cell: its answer, None when there is none, and its verdict."""
        if answered is None or answered.response.error:
            return
        response, choices = answered.response, answered.instance.choices
        for name, value in measured(self._task, answered, verdict).items():
            if name not in self._measures:
                self._measures[name] = np.full(self._form.shape, np.nan)
            self._measures[name][phrasing, position] = value
        if (text := answered.text) is not None:
            if self._task.metric in CORPUS:
                self._texts[phrasing][position] = text
            self._refused[phrasing, position] = verdict.state == "refused"
            meant = label_meant(answered, self._asked)
            self._meant[phrasing, position] = np.nan if meant is None else meant
            self._adheres[phrasing, position] = _adheres(
                text, (*answered.labels, *choices, *self._task.labels)
            )
        if len(response.logprobs) != len(choices) or not all(map(isfinite, response.logprobs)):
            return
        place = list(answered.order) if answered.order else slice(len(choices))
        self._logprobs[phrasing, position, place] = response.logprobs
        # a backend without a tokenizer knows none: 0 stands, and what divides by it is undefined
        if response.token_counts:
            self._tokens[phrasing, position, place] = response.token_counts
        labels = answered.labels
        if answered.order:
            labels = tuple(label for _, label in sorted(zip(answered.order, labels, strict=True)))
        forms = self._forms[position]
        self._form[phrasing, position] = forms.setdefault(labels, len(forms))
        if verdict.prediction in choices:
            self._picked[phrasing, position] = choices.index(verdict.prediction)

    def _corpus(self, rows: Sequence[int]) -> dict[str, Floats]:
        """Corpus scores of every phrasing, over the answers it has."""
        if self._task.metric not in CORPUS:
            return {}
        found = [
            corpus_scores(
                list(self._texts[row].values()),
                [self._instances[position].references for position in self._texts[row]],
            )
            for row in rows
        ]
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _corpus_draws(self, rows: Sequence[int]) -> dict[str, Floats]:
        """Corpus scores of every phrasing over resampled instances, or groups of instances."""
        if self._task.metric not in CORPUS:
            return {}
        ids = [one.id for one in self._instances]
        groups = groups_of(self._task, self._instances) or ids
        names = [group or f"\0{one}" for group, one in zip(groups, ids, strict=True)]
        number = {name: place for place, name in enumerate(dict.fromkeys(names))}
        return resampled_scores(
            [self._texts[row] for row in rows],
            [one.references for one in self._instances],
            [number[name] for name in names],
            n_resamples=DRAWS,
            rng=np.random.default_rng(int(digest([self._task.id, "corpus"], length=16), 16)),
        )

    def end(self) -> None:
        """Close the task: rows and columns in the order of a score table."""
        rows = sorted(range(len(self._phrasings)), key=lambda row: self._phrasings[row])
        columns = sorted(range(len(self._instances)), key=lambda column: self._instances[column].id)
        place = np.ix_(rows, columns)
        targets = [self._instances[column].target for column in columns]
        self.blocks[self._task.id] = AnswerBlock(
            phrasing_ids=tuple(self._phrasings[row] for row in rows),
            instance_ids=tuple(self._instances[column].id for column in columns),
            logprobs=self._logprobs[place],
            tokens=self._tokens[place],
            form=self._form[place],
            picked=self._picked[place],
            targets=np.array(
                [-1 if target is None else target for target in targets], dtype=np.int32
            ),
            refused=self._refused[place],
            meant=self._meant[place],
            corpus=self._corpus(rows),
            corpus_draws=self._corpus_draws(rows),
            adheres=self._adheres[place],
            measures={name: values[place] for name, values in self._measures.items()},
            **_varied([self._instances[column] for column in columns]),
        )


def _varied(instances: Sequence[Instance]) -> dict[str, Any]:
    """Origins and factors of instances, where any varies something."""
    if not any(one.factors for one in instances):
        return {}
    return {
        "origins": tuple(one.of or one.id for one in instances),
        "factors": tuple(dict(one.factors) for one in instances),
    }


def _adheres(text: str, labels: Sequence[str]) -> float:
    """1 when the first line of a text is a label or the text of a choice, 0 when not, NaN when none
    is asked for.

    >>> _adheres("b.", ("A", "B")), _adheres("I think B", ("A", "B"))
    (1.0, 0.0)
    """
    if not any(labels):
        return float("nan")
    said = normalise(text.strip().split("\n", 1)[0])
    return float(said in {normalise(label) for label in labels if label})
