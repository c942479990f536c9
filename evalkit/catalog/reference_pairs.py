"""Which attacked phrasing belongs to which reference: a CSV of two columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalkit.catalog.files import csv_rows
from evalkit.errors import CatalogError, TableError

__all__ = ["read_pairs"]


def read_pairs(path: Path | str) -> dict[str, str]:
    """Return attacked id -> reference id of a CSV with the columns ``attacked_id, reference_id``.

    Raises
    ------
    TableError
        When the file or a column is absent, an id is empty, or one attacked id has two references.
    """
    path = Path(path)
    if not path.exists():
        raise TableError(
            f"{path}: there is no such file; a CSV with attacked_id, reference_id is expected. "
            "Check the path."
        )
    try:
        rows = [cells for _, cells in csv_rows(path)]
    except CatalogError as error:
        raise TableError(str(error)) from error
    header = rows[0] if rows else []
    if not {"attacked_id", "reference_id"} <= set(header):
        raise TableError(
            f"{path}: columns {', '.join(header) or 'none'}; attacked_id and reference_id are "
            "needed."
        )
    places = [header.index(name) for name in ("attacked_id", "reference_id")]
    pairs = ([row[at] if at < len(row) else "" for at in places] for row in rows[1:])
    return _unique_pairs(((attacked, reference) for attacked, reference in pairs), path)


def _unique_pairs(rows: Iterable[tuple[str, str]], path: Path) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for number, (attacked, reference) in enumerate(rows, start=2):
        if not attacked or not reference:
            raise TableError(
                f"{path}:{number}: attacked_id {attacked!r}, reference_id {reference!r}; "
                "both are needed."
            )
        if pairs.setdefault(attacked, reference) != reference:
            raise TableError(
                f"{path}:{number}: attacked_id {attacked!r} has references {pairs[attacked]!r} "
                f"and {reference!r}; one is accepted."
            )
    return pairs
