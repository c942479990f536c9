"""Room 6: (task, instance, response) -> score, status and prediction; one file per metric family.

A metric is a function ``(Answered) -> Verdict`` registered under a name. It never sees the model or the
phrasing's words, only what was asked, what came back, and what is right.
"""

from __future__ import annotations

from evalkit.scoring.cell import Answered, Verdict, score_cell

__all__ = ["Answered", "Verdict", "score_cell"]
