"""Rows with labels: `ScoreTable`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import TableError
from evalkit.records import Score
from evalkit.records.manifest import Manifest
from evalkit.scoring.block import Block, dense_block, dense_repeats
from evalkit.scoring.columns import Cells, cells_frame
from evalkit.scoring.rows import COLUMNS, EXTRA_NUMBERS, LATER, NUMBERS, normalised
from evalkit.store.directory import sealed_file

__all__ = ["ScoreTable", "Where", "read_table"]

Where: TypeAlias = Mapping[str, str | Collection[str]]
"""Column name to the value or values a row must hold in it."""


class ScoreTable:
    """One row per cell, validated, sorted by model, task, phrasing and instance (and repeat where
    there is one).

    Build it with `from_scores`, `from_frame` or `read_parquet`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._slices = _group_slices(frame)
        self._blocks: dict[tuple[str, str, str], Block] = {}

    @classmethod
    def from_cells(cls, parts: Iterable[Cells]) -> ScoreTable:
        """Return the table of cells, whatever their order; each part is read once and let go.

        Raises
        ------
        TableError
            As `from_frame`.
        """
        frame = cells_frame(parts)
        if frame is None:
            raise TableError("scores: the table has no rows; at least one cell is needed.")
        return cls.from_frame(frame, origin="scores")

    @classmethod
    def from_scores(cls, scores: Iterable[Score]) -> ScoreTable:
        """Return the table of score records, for tables made by hand.

        Raises
        ------
        TableError
            As `from_frame`.
        """
        rows = list(scores)
        columns = {
            name: pd.Series([getattr(row, name) for row in rows], dtype=object) for name in COLUMNS
        }
        return cls.from_frame(pd.DataFrame(columns), origin="scores")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, origin: str = "score table") -> ScoreTable:
        """Return the table of a data frame, after validation.

        Parameters
        ----------
        frame
            Columns `KEY` and ``score``; any of `COLUMNS` besides (absent ones get their defaults:
            benchmark is what stands before the first ``/`` of the task, seen is unknown, status
            follows from score). A ``repeat`` column tells repeats of a cell apart. Every other
            column becomes a text factor.
        origin
            Name for messages, such as the file.

        Raises
        ------
        TableError
            When it is empty, lacks a column, has an empty id, a score that is no number or lies
            outside [0, 1], two rows for one cell, a status that contradicts its score, or a
            phrasing that is seen and unseen at once.
        """
        return cls(normalised(frame, origin))

    @classmethod
    def concat(cls, tables: Iterable[ScoreTable]) -> ScoreTable:
        """Return the union of tables with different cells (several runs, for instance).

        Raises
        ------
        TableError
            When two of them hold the same cell.
        """
        from pandas.api.types import union_categoricals

        frames = [table.frame for table in tables]
        names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
        merged: dict[str, Any] = {}
        for name in names:
            parts = [
                frame[name]
                if name in frame
                else pd.Series(np.nan, index=frame.index).astype("category")
                for frame in frames
            ]
            if name in (*NUMBERS, *EXTRA_NUMBERS, "repeat"):
                merged[name] = np.concatenate([part.to_numpy() for part in parts])
            else:
                texts = [
                    pd.Categorical(part).set_categories(
                        pd.Index(list(part.cat.categories), dtype=object)
                    )
                    for part in parts
                ]
                merged[name] = union_categoricals(texts)
        return cls.from_frame(pd.DataFrame(merged), origin="tables together")

    def with_judged(self, values: Mapping[tuple[str, str, str], float]) -> ScoreTable:
        """Return the table with what a judge says of its answers in the column ``judged``.

        Parameters
        ----------
        values
            (task, phrasing, instance) -> mean verdict; NaN stands elsewhere. Empty for none: then
            the table is as it was.
        """
        if not values:
            return self
        names = (self._frame[name] for name in ("task", "phrasing_id", "instance_id"))
        judged = [values.get(cell, np.nan) for cell in zip(*names, strict=True)]
        return ScoreTable.from_frame(self._frame.assign(judged=judged), origin="scores")

    def without_judged(self) -> ScoreTable:
        """Return the table without what a judge says of its answers."""
        if "judged" not in self._frame:
            return self
        return ScoreTable.from_frame(self._frame.drop(columns="judged"), origin="scores")

    @property
    def frame(self) -> pd.DataFrame:
        """The rows: `COLUMNS`, then ``repeat`` and factors; text columns are categorical."""
        return self._frame

    def __len__(self) -> int:
        return len(self._frame)

    def agrees(self, stored: ScoreTable) -> bool:
        """Return whether a stored table holds the same rows;
        columns that its version did not write are left aside.

        Parameters
        ----------
        stored
            The table of a file.
        """
        unsaid = [
            name for name in LATER if name in stored.frame and (stored.frame[name] == "").all()
        ]
        mine, theirs = (one.frame.drop(columns=unsaid) for one in (self, stored))
        return bool(theirs.equals(mine))

    @property
    def models(self) -> list[str]:
        """Models, sorted."""
        return sorted({model for model, _ in self._slices})

    def tasks(self, model: str) -> list[str]:
        """Return the task ids of a model, sorted."""
        return [task for owner, task in self._slices if owner == model]

    def select(self, where: Where) -> ScoreTable:
        """Return the rows whose columns hold one of the given values.

        A TableError when none does.
        """
        mask = _mask(self._frame, where)
        if not mask.any():
            raise TableError(
                f"score table: no row has {_spelled(where)}. {_available(self._frame, where)}"
            )
        return ScoreTable(self._frame.loc[mask].reset_index(drop=True))

    def block(
        self, model: str, task: str, *, value: str = "score", where: Where | None = None
    ) -> Block:
        """Return the dense view of one model on one task; the same object when asked for again.

        Parameters
        ----------
        model, task
            Names as in `models` and `tasks`.
        value
            ``score``, ``probability`` or ``target_probability``.
        where
            Only rows whose columns hold one of the given values, such as ``{"kind": "correct"}``.

        Raises
        ------
        TableError
            When the table has no such model, task or rows.
        """
        if (model, task) not in self._slices:
            raise TableError(
                f"score table: model {model!r} has no task {task!r}; models: "
                f"{', '.join(self.models)}."
            )
        rows = self._frame.iloc[self._slices[model, task]]
        if not where:
            if (model, task, value) not in self._blocks:
                found = dense_block(rows, value)
                for array in (found.values, found.labels, found.status, found.state, found.targets):
                    array.setflags(write=False)  # many read it
                self._blocks[model, task, value] = found
            return self._blocks[model, task, value]
        rows = rows.loc[_mask(rows, where)]
        if rows.empty:
            raise TableError(
                f"score table: model {model!r}, task {task!r}: no row has {_spelled(where)}."
            )
        return dense_block(rows, value)

    @property
    def repeated(self) -> bool:
        """Return whether some cell was answered more than once."""
        return "repeat" in self._frame and self._frame["repeat"].nunique() > 1

    def repeats(self, model: str, task: str) -> npt.NDArray[np.float64] | None:
        """Return the scores of every repeat of one model on one task, shaped (phrasing, instance,
        repeat); None without a repeat column.

        Parameters
        ----------
        model, task
            Names as in `models` and `tasks`.
        """
        return (
            dense_repeats(self._frame.iloc[self._slices[model, task]], "score")
            if "repeat" in self._frame
            else None
        )

    def write_parquet(self, path: Path | str) -> None:
        """Write the table: same rows, same bytes, whatever order they came in.

        Probabilities beside it. See `evalkit.scoring.files`.
        """
        from evalkit.scoring.files import probabilities_path, write_parquet, write_probabilities

        write_parquet(self._frame, Path(path))
        if self._frame["probability"].notna().any():
            write_probabilities(self._frame, Path(path))
        else:
            probabilities_path(Path(path)).unlink(missing_ok=True)

    @classmethod
    def read_parquet(cls, path: Path | str) -> ScoreTable:
        """Read a ``scores.parquet``.

        Raises
        ------
        TableError
            When the file is absent, cut short, damaged, of another schema, or fails the checks of
            `from_frame`.
        """
        from evalkit.scoring.files import read_parquet

        return cls.from_frame(read_parquet(Path(path)), origin=str(path))


def _mask(frame: pd.DataFrame, where: Where) -> npt.NDArray[np.bool_]:
    mask = np.ones(len(frame), dtype=bool)
    for name, wanted in where.items():
        if name not in frame:
            raise TableError(
                f"score table: no column {name!r}; columns: {', '.join(frame.columns)}."
            )
        mask &= frame[name].isin([wanted] if isinstance(wanted, str) else list(wanted)).to_numpy()
    return mask


def _spelled(where: Where) -> str:
    return " and ".join(f"{name} = {value!r}" for name, value in where.items())


def _available(frame: pd.DataFrame, where: Where) -> str:
    name = next(iter(where))
    return f"Values of {name}: {', '.join(sorted({str(x) for x in frame[name].unique()})[:20])}."


def _group_slices(frame: pd.DataFrame) -> dict[tuple[str, str], slice]:
    """Row range of every (model, task) in a sorted frame."""
    model, task = frame["model"].cat, frame["task"].cat
    combined = (
        model.codes.to_numpy().astype(np.int64) * max(len(task.categories), 1)
        + task.codes.to_numpy()
    )
    starts = np.concatenate([[0], np.flatnonzero(np.diff(combined)) + 1, [len(frame)]])
    return {
        (str(frame["model"].iloc[a]), str(frame["task"].iloc[a])): slice(int(a), int(b))
        for a, b in pairwise(starts)
        if b > a
    }


def read_table(path: Path, manifest: Manifest | None = None) -> ScoreTable:
    """Return the cells of a run.

    Parameters
    ----------
    path
        Run directory.
    manifest
        Its manifest, when it was read already.

    Raises
    ------
    EvalkitError
        When the run was not finished, or the file is damaged or not the one that the manifest was
        written for.
    """
    return ScoreTable.read_parquet(sealed_file(path, "scores.parquet", manifest))
