"""Rewordings made elsewhere, by people or by a system that evalkit does not run, read from a
table.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.phrasings.templates import MAX_TEXT
from evalkit.records import Phrasing

__all__ = ["rewordings_of"]

_MOST = 64 * 2**20
"""Bytes of a file at most."""
_FORM = "A CSV, TSV or JSONL file with 'of' (id or text of a phrasing) and 'text' is accepted."


def rewordings_of(phrasing: Phrasing, file: str) -> tuple[str, ...]:
    """Return the texts that a file gives for a phrasing, in the file's order; empty for none.

    Parameters
    ----------
    phrasing
        Rows belong to it whose ``of`` is its id or its text.
    file
        Path of a CSV, TSV or JSONL file with ``of`` and ``text``.

    Raises
    ------
    UsageError
        When the file cannot be read, lacks a column, or holds a row without text.
    """
    rows = _read(file)
    return rows.get(phrasing.id, ()) or rows.get(_bare(phrasing.text), ())


def _bare(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=8)
def _read(file: str) -> Mapping[str, tuple[str, ...]]:
    """Return origin -> texts."""
    path = Path(file)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"rewordings: {file} cannot be read ({error}). {_FORM}") from error
    if len(data) > _MOST:
        raise UsageError(f"rewordings: {file} has more than {_MOST // 2**20} MiB. Split it.")
    found: dict[str, list[str]] = {}
    rows = _objects(file, text) if path.suffix.lower() == ".jsonl" else _cells(file, text)
    for line, row in rows:
        of, new = row.get("of"), row.get("text")
        if not isinstance(of, str) or not isinstance(new, str) or not of.strip():
            raise UsageError(f"{file}:{line}: lacks 'of' or 'text'. {_FORM}")
        if not new.strip() or len(new) > MAX_TEXT:
            raise UsageError(
                f"{file}:{line}: the text has {len(new.strip())} characters; 1 to {MAX_TEXT} are "
                "accepted. Correct or remove the row."
            )
        found.setdefault(_bare(of), []).append(new.strip())
    if not found:
        raise UsageError(f"{file}: holds no rewording. {_FORM}")
    return {of: tuple(dict.fromkeys(texts)) for of, texts in found.items()}


def _cells(file: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, row) of a CSV or TSV file."""
    tabs = "\t" if file.lower().endswith(".tsv") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=tabs)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: is not CSV: {error}. {_FORM}") from error


def _objects(file: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, object) of a JSONL file."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{file}:{number}: is not JSON: {error}. {_FORM}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{file}:{number}: is no JSON object. {_FORM}")
        yield number, row
