"""The cells of one (task, phrasing) as columns, and many of them as one data frame.

What is the same for all cells is held once, the rest per instance: a record per cell costs 65
microseconds and a kilobyte, columns cost neither.

Not handled here: validation and sorting (`evalkit.scoring.rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.records import Phrasing, Score, Seen, Task
from evalkit.scoring.metric import Verdict

__all__ = ["Cells", "cells_frame"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells of one (model, task, phrasing), one verdict per instance."""

    model: str
    """Model shown in tables."""
    task: Task
    """The task."""
    phrasing: Phrasing
    """The phrasing."""
    seen: Seen
    """Its relation to the model's tuning data."""
    instance_ids: Sequence[str]
    """N ids, the same object for every phrasing of a task."""
    targets: Sequence[str]
    """N correct answers, likewise."""
    verdicts: Sequence[Verdict]
    """N verdicts."""
    groups: Sequence[str] = ()
    """N groups of instances, the same object for every phrasing of a task; empty when there are
    none."""
    factors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Factor -> its N levels, likewise; an instance without it has the level ``""``."""
    repeat: int = 0
    """Number of the answers, where several were generated for every cell."""

    def same(self) -> dict[str, str]:
        """Return the columns that are the same for all cells."""
        own = bool(self.phrasing.answers) and self.phrasing.label_space == "text"
        return {
            "model": self.model,
            "benchmark": self.task.benchmark,
            "task": self.task.id,
            "phrasing_id": self.phrasing.id,
            "phrasing_source": self.phrasing.source,
            "seen": self.seen,
            "layout": self.phrasing.layout,
            "label_space": "own" if own else self.phrasing.label_space,
            "perturbation": self.phrasing.perturbation,
            "kind": self.phrasing.kind,
            "position": self.phrasing.position,
            "wrapper": self.phrasing.wrapper,
            "stratum": self.phrasing.stratum,
            "meaning": self.phrasing.meaning.status,
            "of": self.phrasing.of or "",
            "language": self.phrasing.language,
        }

    def rows(self) -> Iterator[Score]:
        """Yield the cells as records, one at a time, for programs that want rows."""
        same: dict[str, Any] = self.same()
        for name, target, verdict in zip(
            self.instance_ids, self.targets, self.verdicts, strict=True
        ):
            yield Score(
                **same,
                instance_id=name,
                target=target,
                score=verdict.score,
                status=verdict.status,
                state=verdict.state,
                form=verdict.form,
                prediction=verdict.prediction,
                probability=verdict.probability,
                target_probability=verdict.target_probability,
            )


class _Text:
    """A text column that grows block by block: numbers for names, each name once."""

    def __init__(self, *, after: int = 0) -> None:
        """Begin a column, after that many cells that have nothing in it."""
        self._names: dict[str, int] = {"": 0} if after else {}
        self._known: dict[int, tuple[Sequence[str], npt.NDArray[np.int32]]] = {}
        self._parts: list[npt.NDArray[np.int32]] = [np.zeros(after, dtype=np.int32)]

    def _codes(self, values: Iterable[str | None], size: int) -> npt.NDArray[np.int32]:
        names = self._names
        return np.fromiter(
            (-1 if value is None else names.setdefault(value, len(names)) for value in values),
            dtype=np.int32,
            count=size,
        )

    def add(self, values: Sequence[str | None]) -> None:
        """Take in one value per cell."""
        self._parts.append(self._codes(values, len(values)))

    def add_shared(self, values: Sequence[str]) -> None:
        """Take in one value per cell, of a sequence that comes again with the next phrasing."""
        known = self._known.get(id(values))
        if known is None or known[0] is not values:
            known = self._known[id(values)] = values, self._codes(values, len(values))
        self._parts.append(known[1])

    def add_same(self, value: str, size: int) -> None:
        """Take in one value for all cells of a block."""
        code = self._names.setdefault(value, len(self._names))
        self._parts.append(np.broadcast_to(np.int32(code), (size,)))

    def column(self) -> pd.Categorical:
        """Return everything taken in."""
        codes = np.concatenate(self._parts)
        names = pd.Index(list(self._names), dtype=object)
        return pd.Categorical.from_codes(cast(Any, codes), categories=names)


def cells_frame(parts: Iterable[Cells]) -> pd.DataFrame | None:
    """Return the cells as a data frame for `evalkit.scoring.ScoreTable.from_frame`; None for none.

    Parameters
    ----------
    parts
        Cells, block by block; each is read once and let go.
    """
    texts: dict[str, _Text] = {}
    varied: dict[str, _Text] = {}
    numbers: dict[str, list[Floats]] = {
        name: [] for name in ("score", "probability", "target_probability")
    }
    before = 0
    repeats: list[npt.NDArray[np.int64]] = []
    for part in parts:
        size = len(part.verdicts)
        for name, value in part.same().items():
            texts.setdefault(name, _Text()).add_same(value, size)
        texts.setdefault("instance_id", _Text()).add_shared(part.instance_ids)
        texts.setdefault("target", _Text()).add_shared(part.targets)
        if part.groups:
            texts.setdefault("group", _Text(after=before)).add_shared(part.groups)
        elif "group" in texts:
            texts["group"].add_same("", size)
        before += size
        texts.setdefault("prediction", _Text()).add([one.prediction for one in part.verdicts])
        texts.setdefault("status", _Text()).add([one.status for one in part.verdicts])
        texts.setdefault("state", _Text()).add([one.state for one in part.verdicts])
        texts.setdefault("form", _Text()).add([one.form for one in part.verdicts])
        for name in dict.fromkeys((*varied, *part.factors)):
            if name not in varied:
                varied[name] = _Text(after=before - size)
            if levels := part.factors.get(name, ()):
                varied[name].add_shared(levels)
            else:
                varied[name].add_same("", size)
        for name, columns in numbers.items():
            columns.append(
                np.array([getattr(one, name) for one in part.verdicts], dtype=np.float64)
            )
        repeats.append(np.full(size, part.repeat, dtype=np.int64))
    if not texts:
        return None
    repeat = np.concatenate(repeats)
    return pd.DataFrame(
        {name: text.column() for name, text in (texts | varied).items()}
        | {name: np.concatenate(columns) for name, columns in numbers.items()}
        | ({"repeat": repeat} if repeat.any() else {})
    )
