"""Every cell of a run for the explorer of the page:
packed task by task, unpacked when somebody looks.

Texts stand once, numbers in flat lists, phrasing by phrasing; each task is JSON packed with gzip in
base64, which a browser unpacks without a server. Prompts and raw answers are there as far as
`TaskCells` has them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

from evalkit.report.evidence import Evidence, TaskView
from evalkit.report.page_tables import shortened
from evalkit.report.text import visible
from evalkit.scoring import STATES

__all__ = ["packed_cells", "unpacked"]

SCALE = 1000
"""Scores are whole thousandths; -1 where there is none."""


def packed_cells(evidence: Evidence) -> list[dict[str, Any]]:
    """Return id, number of cells and packed content of every task that has cells."""
    return [
        {
            "task": visible(view.task.id),
            "n": int(view.cells.values.size),
            "packed": _packed(_content(view)),
        }
        for view in evidence.tasks
        if view.cells is not None
    ]


def unpacked(packed: str) -> dict[str, Any]:
    """Return the content of a packed task."""
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return found


def _packed(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    packed = gzip.compress(text.encode("utf-8", "backslashreplace"), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _content(view: TaskView) -> dict[str, Any]:
    cells = view.cells
    assert cells is not None  # asked for by the caller
    scores = (cells.values * SCALE).round()
    scores[scores != scores] = -1
    texts = {row.phrasing_id: row for row in view.phrasings}
    shown = [texts.get(name) for name in cells.phrasing_ids]
    return {
        "phrasings": _all(cells.phrasing_ids),
        "wordings": _all([row.text if row else "" for row in shown]),
        "seen": [row.seen if row else "unknown" for row in shown],
        "headline": [int(row is not None and row.headline) for row in shown],
        "instances": _all(cells.instance_ids),
        "questions": _all(cells.questions),
        "targets": _all(cells.targets),
        "answers": _all(cells.label_names),
        "states": list(STATES),
        "score": scores.astype(int).ravel().tolist(),
        "state": cells.state.ravel().tolist(),
        "answer": cells.labels.ravel().tolist(),
        "prompts": [[row, column, *_all(pair)] for (row, column), pair in cells.prompts.items()],
    }


def _all(texts: Sequence[str]) -> list[str]:
    return [visible(shortened(text)) for text in texts]
