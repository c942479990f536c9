"""What the script of the page gets: compact rows, every text once."""

from __future__ import annotations

from typing import Any

from evalkit.report.evidence import Evidence
from evalkit.report.page_tables import flip_view, phrasing_rows, shortened
from evalkit.report.text import finite, visible

__all__ = ["FIELDS", "page_data"]

FIELDS = (
    *(
        "task",
        "id",
        "text",
        "source",
        "seen",
        "kind",
        "layout",
        "label_space",
        "perturbation",
        "meaning",
    ),
    *(
        "score",
        "low",
        "high",
        "n",
        "unparsed",
        "truncated",
        "missing",
        "deviation",
        "share",
        "by_format",
        "dimensions",
    ),
)
"""Columns of the phrasing rows, in order."""
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
