"""Super-NaturalInstructions.

Definitions in task JSON, in a digest CSV, and people's rewrites of them in CSV.

References
----------
Wang et al. Super-NaturalInstructions, EMNLP 2022; allenai/natural-instructions:tasks/*.json.
Rewrites: Gu et al. Robustness of learning from task instructions, 2022
(jiashenggu/Tk-Instruct:tmp/new_instruction_*.csv).
"""

from __future__ import annotations

import json
from pathlib import Path

from evalkit.catalog.library.importers.imported import (
    Imported,
    ImportOptions,
    SourceFile,
    add,
    read_source,
    wanted,
)
from evalkit.catalog.readers.rows import table_rows
from evalkit.errors import CatalogError
from evalkit.records import Phrasing

__all__ = ["LICENCE", "import_superni", "plain_as_template"]

LICENCE = "Apache-2.0"
_REWRITE = "Write your instruction"
_DEFINITION = "Instruction"


def plain_as_template(text: str) -> str:
    """Return plain text as a template that renders to it.

    Braces that would open a slot are quoted.
    """
    for mark in ("{{", "{%", "{#"):
        text = text.replace(mark, "{{ '" + mark[0] + "' }}" + mark[1])
    return text


def _phrasing(text: str, options: ImportOptions) -> Phrasing:
    return Phrasing(
        id="new",
        text=plain_as_template(text.strip()),
        source=options.collection,
        author="Super-NaturalInstructions contributors",
        licence=LICENCE,
        layout="original",
        label_space="text",
        cue="Output:",
    )


def _task(source: SourceFile, options: ImportOptions) -> Imported:
    """Definitions of one task file."""
    found = Imported()
    try:
        value = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise CatalogError(
            f"{source.path}:{getattr(error, 'lineno', 1)}: is not JSON: {error}. Check the file."
        ) from error
    definition = value.get("Definition") if isinstance(value, dict) else None
    texts = [definition] if isinstance(definition, str) else definition
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise CatalogError(
            f"{source.path}:1: has no 'Definition' (a text or a list of texts). "
            "Name a Super-NaturalInstructions task file."
        )
    line = source.text[: max(source.text.find('"Definition"'), 0)].count("\n") + 1
    if wanted(source.path.stem, options):
        for text in texts:
            add(
                found,
                _phrasing(text, options),
                name=source.path.stem,
                source=source,
                line=line,
                options=options,
            )
    return found


def _table(source: SourceFile, options: ImportOptions) -> Imported:
    """Rewrites or definitions of a CSV."""
    found = Imported()
    for line, row in table_rows(source.path):
        column = _REWRITE if _REWRITE in row else _DEFINITION
        if column not in row or "name" not in row:
            raise CatalogError(
                f"{source.path}:1: has columns {', '.join(list(row)[:6])}; 'name' and "
                f"{_DEFINITION!r} or {_REWRITE!r} are accepted. "
                "Use the importer 'table' with a mapping for other tables."
            )
        if wanted(row["name"], options):
            phrasing = _phrasing(row[column], options)
            add(found, phrasing, name=row["name"], source=source, line=line, options=options)
    return found


def import_superni(path: Path, options: ImportOptions) -> Imported:
    """Return the definitions of a task file (``.json``), or the definitions or rewrites of a CSV.

    Rewrites are other people's wordings, so import them under a collection of their own, not
    ``niv2``: a model tuned on Super-NaturalInstructions has seen the definitions only.

    Raises
    ------
    CatalogError
        When the file has neither form.
    """
    source = read_source(path)
    return _table(source, options) if path.suffix.lower() == ".csv" else _task(source, options)
