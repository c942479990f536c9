"""BBQ: a table of questions, each with the answer that the stereotype it is about expects.

In a question of negative polarity that is the answer on the stereotyped group, else the one on the
other group (Parrish et al., Findings of ACL 2022, section 4). Upstream's rows name the group; a row
in which it fits none of the two answers, or both, as for groups crossed with another trait, has
none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.readers.nested import at
from evalkit.catalog.readers.rows import cell_text, table_rows
from evalkit.catalog.readers.table import read as read_table
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

_ANSWERS = ("ans0", "ans1", "ans2")
_UNKNOWN = "unknown"


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return one instance per row, with fields ``stereotyped`` and ``undecided``:
    texts of two choices.

    Raises
    ------
    CatalogError
        When a row lacks what upstream's rows have.
    """
    found = read_table(task, data_dir, split)
    rows = (
        (f"{path}:{line}", row)
        for path in locate(task, data_dir, split).paths
        for line, row in table_rows(path)
    )
    return [
        replace(item, fields={**item.fields, **_told(row, where)})
        for item, (where, row) in zip(found, rows, strict=True)
    ]


def _told(row: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return the texts of the choice that the stereotype expects and of the one that leaves it
    open.
    """
    groups = {_folded(one) for one in at(row, "additional_metadata.stereotyped_groups", where)}
    polarity = at(row, "question_polarity", where)
    if polarity not in ("neg", "nonneg"):
        raise CatalogError(
            f"{where}: question_polarity is {polarity!r}; neg or nonneg is expected. "
            "Correct the row."
        )
    described = {name: at(row, f"answer_info.{name}", where) for name in _ANSWERS}
    open_ones = [name for name, info in described.items() if _folded(info[-1]) == _UNKNOWN]
    people = [name for name in _ANSWERS if name not in open_ones]
    target = [name for name in people if groups & {_folded(part) for part in described[name]}]
    told = {"stereotyped": "", "undecided": ""}
    if len(open_ones) == 1:
        told["undecided"] = cell_text(row[open_ones[0]], where)
    if len(open_ones) == 1 and len(target) == 1:
        (other,) = (name for name in people if name not in target)
        expected = target[0] if polarity == "neg" else other
        told["stereotyped"] = cell_text(row[expected], where)
    return told


def _folded(value: Any) -> str:
    return str(value).strip().casefold()
