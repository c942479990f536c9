"""What the script of the page gets: compact rows with every text once, and all cells packed.

Cells are packed task by task and unpacked when somebody looks: texts once, numbers in flat lists,
phrasing by phrasing, JSON packed with gzip in base64, which a browser unpacks without a server.
Prompts and raw answers are there as far as `TaskCells` has them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

from evalkit.report.evidence import Evidence, TaskView
from evalkit.report.page_tables import flip_view, phrasing_rows, shortened
from evalkit.report.text import finite, visible
from evalkit.scoring import STATES

__all__ = ["FIELDS", "packed_cells", "page_data", "unpacked"]

FIELDS = (
    *("task", "id", "text", "source", "seen", "kind", "layout", "label_space", "perturbation"),
    *("meaning", "score", "low", "high", "n", "unparsed", "truncated", "missing", "deviation"),
    *("share", "by_format", "dimensions"),
)
"""Columns of the phrasing rows, in order."""
SCALE = 1000
"""Scores of cells are whole thousandths; -1 where there is none."""
NUMBERS = ("score", "low", "high", "unparsed", "truncated", "missing", "deviation", "share")


class _Texts:
    """Every text once, hidden characters shown."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(visible(text), len(self.places))


def page_data(evidence: Evidence) -> dict[str, Any]:
    """Return phrasings and flips as JSON-ready data.

    Texts are places in ``texts``, numbers have four decimals.

    Parameters
    ----------
    evidence
        Of the run.
    """
    texts = _Texts()
    rows = []
    for row in phrasing_rows(evidence):
        found: dict[str, Any] = {
            name: texts(str(getattr(row, name)))
            for name in FIELDS
            if isinstance(getattr(row, name, None), str)
        }
        found |= {
            "id": texts(row.phrasing_id),
            "text": texts(shortened(row.text)),
            "dimensions": texts(", ".join(row.dimensions)),
        }
        found |= {name: finite(getattr(row, name)) for name in NUMBERS} | {
            "n": row.n,
            "by_format": int(row.by_format),
        }
        rows.append([found[name] for name in FIELDS])
    flips = [_coded(flip_view(flip), texts) for view in evidence.tasks for flip in view.flips]
    flipping = {
        visible(view.task.id): [view.n_flipping, view.n_always, view.n_never, view.n_instances]
        for view in evidence.tasks
    }
    return {
        "fields": FIELDS,
        "rows": rows,
        "flips": flips,
        "flipping": flipping,
        "level": evidence.level,
        "texts": list(texts.places),
    }


def _coded(value: Any, texts: _Texts) -> Any:
    """The same structure, texts replaced by places and numbers rounded."""
    if isinstance(value, str):
        return texts(value)
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, dict):
        return {key: _coded(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_coded(item, texts) for item in value]
    return value


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
