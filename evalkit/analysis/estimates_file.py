"""``estimates.csv``: the contract's columns, then group, note and schema.

The same estimates give the same bytes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import TableError
from evalkit.records import Estimate
from evalkit.records.questions import question_of
from evalkit.store.atomic import write_atomic
from evalkit.store.csv_file import csv_of, unguarded

__all__ = ["COLUMNS", "SCHEMA", "of_first_schema", "read_estimates", "write_estimates"]

SCHEMA = "evalkit.estimates/2"
"""Schema version, in the last column of every row."""
COLUMNS = (
    *("model", "benchmark", "task", "metric", "value", "low", "high", "level", "interval"),
    *("n_tasks", "n_phrasings", "n_instances", "instances_digest", "group", "note"),
    *("question", "method", "reason", "n_groups", "schema"),
)
"""Columns of the file in order."""
FIRST = tuple(name for name in COLUMNS if name not in {"question", "method", "reason", "n_groups"})
"""Columns of the first schema, ``evalkit.estimates/1``, which is still read."""
TEXTS = (
    *("model", "benchmark", "task", "metric", "interval", "instances_digest", "group", "note"),
    *("question", "method", "reason"),
)
NUMBERS = ("value", "low", "high", "level")
COUNTS = ("n_tasks", "n_phrasings", "n_instances", "n_groups")


def write_estimates(estimates: Sequence[Estimate], path: Path | str) -> None:
    """Write estimates at full precision, sorted; a number that does not exist is an empty cell.

    Parameters
    ----------
    estimates
        Rows in any order.
    path
        File that is replaced whole.
    """
    rows = (
        [SCHEMA if name == "schema" else getattr(row, name) for name in COLUMNS]
        for row in sorted(estimates, key=_order)
    )
    write_atomic(Path(path), csv_of(COLUMNS, rows))


def _order(row: Estimate) -> tuple[str, bool, str, bool, str, str, str]:
    """Model, then benchmark and task with ``all`` last, then group and metric."""
    return (
        row.model,
        row.benchmark == "all",
        row.benchmark,
        row.task == "all",
        row.task,
        row.group,
        row.metric,
    )


def read_estimates(path: Path | str) -> list[Estimate]:
    """Return the estimates of a file that `write_estimates` wrote.

    Raises
    ------
    TableError
        When the file is absent, of another schema, or damaged, naming the line.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(
            f"{path}: there is no such file; an estimates.csv is expected. Check the path."
        )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if tuple(header) not in {COLUMNS, FIRST}:
                raise TableError(
                    f"{path}:1: columns {', '.join(header) or 'none'}; an estimates.csv has "
                    f"{', '.join(COLUMNS)}."
                )
            return [
                _estimate(row, header, path, number) for number, row in enumerate(rows, start=2)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(
            f"{path}: not a CSV in UTF-8 ({error}); it is damaged. "
            "Type: evalkit score RUN to make it again."
        ) from error


def of_first_schema(path: Path | str) -> bool:
    """Return whether an estimates.csv is of the first schema, whose rows over tasks took tasks
    as draws.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        return tuple(next(csv.reader(file), [])) == FIRST


def _estimate(row: list[str], header: list[str], path: Path, number: int) -> Estimate:
    if len(row) != len(header):
        raise TableError(
            f"{path}:{number}: {len(row)} cells, expected {len(header)}; "
            "the file was cut short or edited."
        )
    cells = dict(zip(header, row, strict=True))
    schema = SCHEMA if len(header) == len(COLUMNS) else "evalkit.estimates/1"
    if cells["schema"] != schema:
        raise TableError(
            f"{path}:{number}: schema {cells['schema']!r} is not {schema!r}; "
            "the file is of another version of evalkit."
        )
    method, _, over = cells["interval"].partition("/")
    if method != "none" and "question" not in cells:
        cells |= {"method": method, "question": question_of(over)}
    try:
        numbers = {name: float(cells[name]) if cells[name] else math.nan for name in NUMBERS}
        counts = {name: int(cells.get(name, 0)) for name in COUNTS}
    except ValueError as error:
        raise TableError(f"{path}:{number}: {error}; the file is damaged.") from error
    texts = {name: unguarded(cells.get(name, "")) for name in TEXTS}
    values: dict[str, Any] = {**texts, **numbers, **counts}
    return Estimate(**values)
