"""Scores of models measured elsewhere: a CSV file of model and score."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from evalkit.errors import TableError

__all__ = ["read_base"]


def read_base(path: Path) -> dict[str, float]:
    """Return model -> score.

    Parameters
    ----------
    path
        CSV file with the columns model and score; any scale, since only the order counts.

    Raises
    ------
    TableError
        When it cannot be read, lacks a column, names a model twice or holds no number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read as UTF-8 text: {error}.") from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not {"model", "score"} <= set(rows.fieldnames or ()):
        raise TableError(f"{path}: the columns model and score are needed.")
    found: dict[str, float] = {}
    for row in rows:
        name, said = (row["model"] or "").strip(), (row["score"] or "").strip()
        if not said:
            continue  # missing
        try:
            score = float(said)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise TableError(f"{path}:{rows.line_num}: score {said!r} is no number.")
        if name in found:
            raise TableError(f"{path}:{rows.line_num}: model {name!r} is named twice.")
        found[name] = score
    return found
