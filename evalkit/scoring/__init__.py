"""Stored answers -> scores -> the score table.

A metric is a function ``(Answered) -> Verdict`` registered under a name. It never sees the model or
the phrasing's words, only what was asked, what came back, and what is right.

Cells are logically model x task x phrasing x instance, but phrasings and instances belong to a
task, so the table is ragged over tasks and never padded: rows are the storage, one per cell;
`ScoreTable.block` is the dense view. Text columns are held as integer codes into a sorted list of
names, so ten million cells need about half a gigabyte.
"""

from __future__ import annotations

from evalkit.scoring.answer_block import AnswerBlock
from evalkit.scoring.block import FIRST_OF_REPEATS, Block
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.rows import COLUMNS, FORMS, KEY, STATES, STATUSES
from evalkit.scoring.table import ScoreTable

__all__ = [
    "COLUMNS",
    "FIRST_OF_REPEATS",
    "FORMS",
    "KEY",
    "STATES",
    "STATUSES",
    "AnswerBlock",
    "Answered",
    "Block",
    "ScoreTable",
    "Verdict",
    "verdict_of",
]
