"""Language of the instruction crossed with language of the input: the cells behind every row.

Phrasings of one task in several languages ask the same instances, so the change against English
pairs instances and takes wordings of either language as draws. ``instruction=own`` is the
instruction in the language of the input, over tasks whose input is not English.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.dimension_cuts import Cut
from evalkit.analysis.independent import codes_of
from evalkit.scoring import AnswerBlock, Block
from evalkit.stats import Part

__all__ = ["REFERENCE", "language_cuts"]

REFERENCE = "en"
"""Language that instructions in others are held against."""
Floats = npt.NDArray[np.float64]


def language_cuts(
    blocks: Sequence[Block], answers: Mapping[str, AnswerBlock], inputs: Mapping[str, str]
) -> Iterator[tuple[Block, str, Cut]]:
    """Yield block, group and statistic with its cells;
    nothing where all instructions are in one language.

    Parameters
    ----------
    blocks
        Tasks of one model.
    answers
        Task id -> its answers, with what is measured of them.
    inputs
        Task id -> language of its input; a task without one has rows of the instruction only.
    """
    crossed = len({inputs[block.task] for block in blocks if block.task in inputs}) > 1
    for block in blocks:
        spoken = inputs.get(block.task, "")
        for group, cut in _of_task(block, answers.get(block.task), spoken):
            if crossed or "input=" not in group:
                yield block, group, cut


def _of_task(block: Block, answers: AnswerBlock | None, spoken: str) -> Iterator[tuple[str, Cut]]:
    told = np.array(block.traits.get("language", ("",) * len(block.phrasing_ids)))
    arms = {name: block.headline & (told == name) for name in sorted(set(told[block.headline]))}
    arms.pop("", None)
    if len(arms) < 2:
        return
    values = {"mean": block.values, **(answers.measures if answers is not None else {})}
    english = arms.get(REFERENCE)
    for measure, cells in values.items():
        if spoken:
            yield from _one(block, f"input={spoken}", measure, cells, block.headline)
        for name, rows in arms.items():
            groups = [f"instruction={name}"]
            if spoken:
                groups.append(f"input={spoken} & instruction={name}")
            if name == spoken != REFERENCE:
                groups.append("instruction=own")
            for group in groups:
                yield from _one(block, group, measure, cells, rows)
                if measure == "mean" and name != REFERENCE and english is not None:
                    yield from _against(block, group, rows, english)


def _one(
    block: Block, group: str, measure: str, cells: Floats, rows: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, Cut]]:
    asked: npt.NDArray[np.bool_] = np.any(~np.isnan(cells[rows]), axis=0)
    part = _part(block, cells, rows, asked)
    if part is not None:
        yield group, (measure, part, None)


def _against(
    block: Block, group: str, rows: npt.NDArray[np.bool_], english: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, Cut]]:
    both = np.all([~np.isnan(block.values[arm]).all(axis=0) for arm in (rows, english)], axis=0)
    first, other = (_part(block, block.values, arm, both) for arm in (rows, english))
    if first is not None and other is not None:
        yield group, ("against_english", first, other)


def _part(
    block: Block, cells: Floats, rows: npt.NDArray[np.bool_], columns: npt.NDArray[np.bool_]
) -> Part | None:
    """Return the cells of some phrasings, a column per independent unit;
    None where there are none.
    """
    picked = cells[rows][:, columns]
    if not picked.size:
        return None
    kept = ~np.isnan(picked).all(axis=1)
    names = tuple(np.array(block.phrasing_ids)[rows][kept].tolist())
    codes = codes_of(block)
    units = np.arange(len(block.instance_ids)) if codes is None else codes
    mine = np.unique(units[columns], return_inverse=True)[1].astype(np.int64)
    return Part(names, stats.by_group(picked[kept], mine))
