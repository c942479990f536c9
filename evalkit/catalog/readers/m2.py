"""Corrections of grammar in M2 files, as the CoNLL-2014 and BEA-2019 shared tasks publish them.

A sentence is a line ``S tokens``; below it one line per edit,
``A start end|||type|||correction|||REQUIRED|||-NONE-|||annotator``; a blank line ends it. ``-1 -1``
with type ``noop`` says that an annotator changes nothing, type ``UNK`` marks a mistake without
saying what is right and is left out; ``-NONE-`` or nothing is a deletion, and
``||`` stands between corrections of which each will do (the first is taken).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from evalkit.catalog.files import locate
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.readers.rows import derived_id
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return one instance per sentence: fields ``question`` and ``source``,
    and ``edits`` for the metric ``edit_f05``.

    References are the sentence as each annotator corrects it.

    Raises
    ------
    CatalogError
        When a line is neither a sentence nor an edit of one.
    """
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        for line, source, edits in _sentences(path):
            position = len(instances)
            right = [_corrected(source, one) for one in edits]
            instances.append(
                Instance(
                    id=derived_id(split, position, source, *right),
                    fields={"question": source, "source": source, "edits": json.dumps(edits)},
                    references=tuple(dict.fromkeys(right)),
                    where=f"{path}:{line}",
                )
            )
    return instances


Edits = list[list[tuple[int, int, str]]]


def _sentences(path: Path) -> Iterator[tuple[int, str, Edits]]:
    start, source = 0, ""
    told: dict[str, list[tuple[int, int, str]]] = {}
    for number, line in enumerate([*read_utf8(path).split("\n"), ""], 1):
        line = line.rstrip("\r")
        if line.startswith("S "):
            if source:
                yield start, source, list(told.values()) or [[]]
            start, source, told = number, " ".join(line[2:].split()), {}
        elif line.startswith("A ") and source:
            _take(line, told, n=len(source.split()), where=f"{path}:{number}")
        elif line.strip():
            raise CatalogError(
                f"{path}:{number}: begins with {line[:20]!r}; 'S sentence', "
                "'A edit' below a sentence, or a blank line is expected. Get the file again."
            )
    if source:
        yield start, source, list(told.values()) or [[]]


def _take(line: str, told: dict[str, list[tuple[int, int, str]]], *, n: int, where: str) -> None:
    """Add an edit to those of its annotator."""
    parts = line[2:].split("|||")
    place = parts[0].split()
    if len(parts) < 3 or len(place) != 2 or not all(p.lstrip("-").isdecimal() for p in place):
        raise CatalogError(
            f"{where}: {line[:60]!r} is no edit; 'A start "
            "end|||type|||correction|||...|||annotator' is expected."
        )
    first, last = int(place[0]), int(place[1])
    of = told.setdefault(parts[-1].strip() if len(parts) > 5 else "0", [])
    if parts[1] in ("noop", "UNK") or first < 0:
        return
    if not first <= last <= n:
        raise CatalogError(
            f"{where}: the edit goes from token {first} to {last}, the sentence has {n}. "
            "Get the file again."
        )
    text = parts[2].split("||")[0].strip()
    of.append((first, last, "" if text == "-NONE-" else " ".join(text.split())))


def _corrected(source: str, edits: list[tuple[int, int, str]]) -> str:
    tokens = source.split()
    for first, last, text in sorted(edits, reverse=True):
        tokens[first:last] = text.split()
    return " ".join(tokens)
