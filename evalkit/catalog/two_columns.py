"""Small CSV files of two columns that a user names: references of attacks, scores of models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from evalkit.catalog.files import csv_rows
from evalkit.errors import CatalogError, TableError

__all__ = ["read_base", "read_pairs"]


def _cells(path: Path, first: str, second: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, first and second cell of every row."""
    try:
        rows = list(csv_rows(path))
    except CatalogError as error:
        raise TableError(str(error)) from error
    header = rows[0][1] if rows else []
    if not {first, second} <= set(header):
        raise TableError(
            f"{path}: columns {', '.join(header) or 'none'}; {first} and {second} are needed."
        )
    places = [header.index(name) for name in (first, second)]
    for number, cells in rows[1:]:
        one, other = (cells[at] if at < len(cells) else "" for at in places)
        yield f"{path}:{number}", one, other


def read_pairs(path: Path) -> dict[str, str]:
    """Return attacked id -> reference id of a CSV with the columns ``attacked_id, reference_id``.

    Raises
    ------
    TableError
        When the file or a column is absent, an id is empty, or one attacked id has two references.
    """
    pairs: dict[str, str] = {}
    for where, attacked, reference in _cells(path, "attacked_id", "reference_id"):
        if not attacked or not reference:
            raise TableError(
                f"{where}: attacked_id {attacked!r}, reference_id {reference!r}; both are needed."
            )
        if pairs.setdefault(attacked, reference) != reference:
            raise TableError(
                f"{where}: attacked_id {attacked!r} has references {pairs[attacked]!r} "
                f"and {reference!r}; one is accepted."
            )
    return pairs


def read_base(path: Path) -> dict[str, float]:
    """Return model -> score of a CSV with the columns ``model, score``; an empty score is missing.

    Any scale is taken, since only the order counts.

    Raises
    ------
    TableError
        When it cannot be read, lacks a column, names a model twice or holds no number.
    """
    found: dict[str, float] = {}
    for where, *cells in _cells(path, "model", "score"):
        name, said = (cell.strip() for cell in cells)
        if not said:
            continue
        try:
            score = float(said)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise TableError(f"{where}: score {said!r} is no number.")
        if name in found:
            raise TableError(f"{where}: model {name!r} is named twice.")
        found[name] = score
    return found
