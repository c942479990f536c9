"""The dense view of one model on one task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import TableError
from evalkit.records import instances_digest
from evalkit.scoring.rows import FORMS, PHRASING_COLUMNS, STATES, STATUSES, TRAITS

__all__ = ["FIRST_OF_REPEATS", "Block", "dense_block", "dense_repeats"]

FIRST_OF_REPEATS = (
    "Cells were answered several times: means, agreement, flips, states, var_repeat and pass@k are "
    "of all answers; formats, causes, examples and what else is read from texts of the first."
)
"""What must stand beside the statistics of repeated cells."""

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Dense view of one (model, task).

    Everything that has the axes phrasing (P) and instance (N).
    """

    model: str
    """Model."""
    benchmark: str
    """Benchmark of the task."""
    task: str
    """Task id."""
    phrasing_ids: tuple[str, ...]
    """P ids, sorted."""
    instance_ids: tuple[str, ...]
    """N ids, sorted."""
    values: Floats
    """(P, N) of the value asked for; NaN where missing. Repeats are averaged."""
    labels: npt.NDArray[np.int32]
    """(P, N) codes into `label_names`; -1 where unparsed or not recorded. An answer without a score
    has one: agreement needs no target. The first repeat's."""
    label_names: tuple[str, ...]
    """Predictions that occur in the table."""
    status: npt.NDArray[np.int8]
    """(P, N) codes into `STATUSES`; cells without a row are missing. The first repeat's."""
    state: npt.NDArray[np.int8]
    """(P, N) codes into `STATES`; cells without a row are missing. The first repeat's."""
    form: npt.NDArray[np.int8]
    """(P, N) codes into `FORMS`; -1 without a text or where any text will do."""
    confidence: Floats
    """(P, N) probability of the given answer; NaN where none is known."""
    targets: npt.NDArray[np.int32]
    """(N,) codes into `label_names` of the targets; -1 where no phrasing predicted that text or
    none is recorded."""
    seen: tuple[str, ...]
    """(P,) relation to the model's tuning data: seen, unseen or unknown."""
    kinds: tuple[str, ...]
    """(P,) kinds of phrasing."""
    sources: tuple[str, ...]
    """(P,) sources."""
    perturbations: tuple[str, ...]
    """(P,) perturbations, empty for none."""
    groups: tuple[str, ...] = ()
    """(N,) group of each instance, such as its passage; an instance without one is a group of its
    own. Empty when the table has no column ``group``."""
    judged: Floats | None = None
    """(P, N) what a judge says of the answers; NaN where none was asked, None without the
    column.
    """
    repeats: int = 1
    """Answers per cell, at most."""
    singles: tuple[Block, ...] = ()
    """Blocks of the first answers, the second ones and so on where cells have several; a cell with
    fewer was not asked in the rest."""
    chance: float = math.nan
    """Score of guessing; NaN where nobody said."""
    labelled: bool = False
    """Whether the task is known to ask for one of some labels."""
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column of `TRAITS` -> its (P,) values, empty strings where it is not known."""

    @property
    def each(self) -> tuple[Block, ...]:
        """Return the blocks of single answers: `singles`, or this one."""
        return self.singles or (self,)

    @property
    def asked(self) -> npt.NDArray[np.bool_]:
        """(P, N) cells that were asked; False where the design of a run left them out."""
        return np.asarray(self.status != STATUSES.index("not_asked"))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(P,) phrasings that are correct and unperturbed."""
        return np.asarray(
            (np.array(self.kinds) == "correct") & (np.array(self.perturbations) == "")
        )

    @property
    def headline(self) -> npt.NDArray[np.bool_]:
        """(P,) phrasings that headline statistics are over.

        Correct, unperturbed and not of doubtful meaning; where a task has none of these, the
        correct ones, and where it has none, all.
        """
        meanings = np.array(self.traits.get("meaning", ("",) * len(self.kinds)))
        sure = self.correct & (meanings != "doubtful")
        chosen = sure if sure.any() else self.correct
        return chosen if chosen.any() else np.ones_like(chosen)

    @property
    def instances_digest(self) -> str:
        """Digest of the ordered instance ids."""
        return instances_digest(self.instance_ids)

    def limited(self, kept: npt.NDArray[np.bool_]) -> Block:
        """Return the phrasings that a mask of shape (P,) keeps."""

        def chosen(texts: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(text for text, keep in zip(texts, kept, strict=True) if keep)

        return replace(
            self,
            values=self.values[kept],
            labels=self.labels[kept],
            status=self.status[kept],
            state=self.state[kept],
            form=self.form[kept],
            confidence=self.confidence[kept],
            judged=None if self.judged is None else self.judged[kept],
            singles=tuple(one.limited(kept) for one in self.singles),
            phrasing_ids=chosen(self.phrasing_ids),
            seen=chosen(self.seen),
            kinds=chosen(self.kinds),
            sources=chosen(self.sources),
            perturbations=chosen(self.perturbations),
            traits={name: chosen(texts) for name, texts in self.traits.items()},
        )


def dense_block(rows: pd.DataFrame, value: str) -> Block:
    """Return the dense view of the sorted rows of one (model, task).

    `value` names the column of `Block.values`.
    """
    p_codes, phrasing_ids = _dense(rows["phrasing_id"])
    i_codes, instance_ids = _dense(rows["instance_id"])
    shape = (len(phrasing_ids), len(instance_ids))
    flat = p_codes * shape[1] + i_codes  # ascending, because the rows are sorted
    leads = np.flatnonzero(np.diff(flat, prepend=-1))
    sizes = np.diff(np.append(leads, len(rows)))
    label_codes, label_names = _dense(rows["prediction"])

    def answers(nth: int, without: str) -> dict[str, Any]:
        place = np.full(shape, len(rows), dtype=np.int64)  # one past the end for none
        place.flat[flat[leads[sizes > nth]]] = leads[sizes > nth] + nth
        return _of_answers(rows, label_codes, place, without=without)

    some_row = np.zeros(shape[0], dtype=np.int64)
    some_row[p_codes] = np.arange(len(rows))
    of_phrasing = {
        name: tuple(str(x) for x in rows[name].iloc[some_row])
        for name in dict.fromkeys((*PHRASING_COLUMNS, *TRAITS))
    }
    head = rows.iloc[0]
    block = Block(
        model=str(head["model"]),
        benchmark=str(head["benchmark"]),
        task=str(head["task"]),
        phrasing_ids=phrasing_ids,
        instance_ids=instance_ids,
        values=_fill(rows[value].to_numpy(dtype=np.float64), flat, shape),
        label_names=label_names,
        confidence=_fill(rows["probability"].to_numpy(dtype=np.float64), flat, shape),
        targets=_targets(rows["target"], i_codes, n_instances=shape[1], label_names=label_names),
        seen=of_phrasing["seen"],
        kinds=of_phrasing["kind"],
        sources=of_phrasing["phrasing_source"],
        perturbations=of_phrasing["perturbation"],
        groups=_groups(rows, i_codes, instance_ids),
        repeats=int(sizes.max(initial=1)),
        traits={name: of_phrasing[name] for name in TRAITS},
        **answers(0, "missing"),
    )
    if block.repeats == 1:
        return block
    cube = dense_repeats(rows, value)
    singles = [
        replace(block, repeats=1, values=cube[:, :, nth], **answers(nth, "not_asked"))
        for nth in range(block.repeats)
    ]
    return replace(block, singles=tuple(singles))


def _of_answers(
    rows: pd.DataFrame, label_codes: Ints, place: Ints, *, without: str
) -> dict[str, Any]:
    """Labels, status, state, form and judgement of one answer per cell.

    Parameters
    ----------
    rows, label_codes
        The rows and the codes of their predictions.
    place
        (P, N) number of the row; one past the end where there is none.
    without
        Status and state of a cell without a row.
    """
    codes = {}
    for name, known in (("status", STATUSES), ("state", STATES)):
        own = rows[name].cat.codes.to_numpy().astype(np.int8)
        codes[name] = np.append(own, np.int8(known.index(without)))[place]
    labels = np.append(label_codes, -1).astype(np.int32)[place]
    unusable = [STATUSES.index(name) for name in ("unparsed", "not_asked")]
    labels[np.isin(codes["status"], unusable)] = -1
    form_codes, form_names = _dense(rows["form"])
    forms = np.array([*(FORMS.index(name) for name in form_names), -1], dtype=np.int8)
    judged = rows["judged"].to_numpy(dtype=np.float64) if "judged" in rows else None
    return {
        **codes,
        "labels": labels,
        "form": forms[np.append(form_codes, -1)[place]],
        "judged": None if judged is None else np.append(judged, np.nan)[place],
    }


def _groups(rows: pd.DataFrame, i_codes: Ints, instance_ids: tuple[str, ...]) -> tuple[str, ...]:
    """(N,) group of each instance; empty without the column."""
    if "group" not in rows:
        return ()
    codes, names = _dense(rows["group"])
    found = np.full(len(instance_ids), -1, dtype=np.int64)
    found[i_codes] = codes
    odd = (codes != found[i_codes]) & (codes >= 0)
    if odd.any():
        name = instance_ids[int(i_codes[np.argmax(odd)])]
        raise TableError(
            f"score table: task {rows.iloc[0]['task']!r}, instance {name!r} is in more than one "
            "group; one group per instance is accepted. Correct the column 'group'."
        )
    return tuple(
        names[code] if code >= 0 and names[code] else f"instance {name}"
        for code, name in zip(found.tolist(), instance_ids, strict=True)
    )


def dense_repeats(rows: pd.DataFrame, value: str) -> Floats:
    """Return (P, N, R) scores of the sorted rows of one (model, task), repeats in their order.

    NaN where there is none.
    """
    p_codes, phrasing_ids = _dense(rows["phrasing_id"])
    i_codes, instance_ids = _dense(rows["instance_id"])
    flat = p_codes * len(instance_ids) + i_codes  # ascending, because the rows are sorted
    leads = np.flatnonzero(np.diff(flat, prepend=-1))
    sizes = np.diff(np.append(leads, len(flat)))
    nth = np.arange(len(flat)) - np.repeat(leads, sizes)
    cube = np.full((len(phrasing_ids), len(instance_ids), int(sizes.max(initial=1))), np.nan)
    cube[p_codes, i_codes, nth] = rows[value].to_numpy(dtype=np.float64)
    return cube


def _fill(numbers: Floats, flat: Ints, shape: tuple[int, int]) -> Floats:
    """(P, N) of the numbers, averaged over repeats.

    NaN where there is none or any repeat is missing.
    """
    size = shape[0] * shape[1]
    count = np.bincount(flat, minlength=size).astype(np.float64)
    total = np.bincount(flat, weights=numbers, minlength=size)
    count[count == 0] = np.nan
    return (total / count).reshape(shape)


def _targets(
    target: pd.Series, i_codes: Ints, *, n_instances: int, label_names: tuple[str, ...]
) -> npt.NDArray[np.int32]:
    """(N,) codes of the targets among the predictions."""
    place = {name: code for code, name in enumerate(label_names)}
    codes, names = _dense(target)
    lookup = np.array([*(place.get(name, -1) for name in names), -1], dtype=np.int32)
    targets = np.full(n_instances, -1, dtype=np.int32)
    targets[i_codes] = lookup[codes]
    return targets


def _dense(column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    """Codes 0..k-1 (-1: no value) of the names that occur, and those names, sorted."""
    codes = column.cat.codes.to_numpy().astype(np.int64)
    names = column.cat.categories
    occurs = np.bincount(codes[codes >= 0], minlength=len(names)) > 0
    lookup = np.append(np.cumsum(occurs) - 1, -1)
    return lookup[codes], tuple(str(name) for name in names[occurs])
