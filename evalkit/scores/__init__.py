"""Room 7: the score table. Rows are the storage, one per cell; `ScoreTable.block` is the dense view.

Cells are logically model x task x phrasing x instance, but phrasings and instances belong to a task,
so the array is ragged over tasks and never padded. Text columns are held as integer codes into a
sorted list of names, so ten million cells need about half a gigabyte.
"""

from evalkit.scores.answers import AnswerBlock
from evalkit.scores.block import Block
from evalkit.scores.rows import COLUMNS, KEY, STATUSES
from evalkit.scores.table import ScoreTable

__all__ = ["COLUMNS", "KEY", "STATUSES", "AnswerBlock", "Block", "ScoreTable"]
