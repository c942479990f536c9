"""Tables: PromptEval's CSV of templates, and any JSONL, CSV or TSV with a mapping of columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.catalog.files import json_lines, load_json
from evalkit.catalog.library.importers.imported import (
    Imported,
    ImportOptions,
    SourceFile,
    add,
    from_format_string,
    position_of,
    read_source,
    rename_slots,
    wanted,
)
from evalkit.catalog.readers.rows import table_rows
from evalkit.errors import CatalogError
from evalkit.records import Meaning, Phrasing

__all__ = ["SETTABLE", "import_prompteval", "import_table"]

_PROMPTEVAL_TEXT = "prompt template"
SETTABLE = (
    "kind",
    "layout",
    "label_space",
    "position",
    "wrapper",
    "cue",
    "language",
    "author",
    "licence",
)
"""Fields of a phrasing that a column of a table may give, beside its text and names."""
_CHOICES = {
    "kind": {"correct", "wrong", "null", "random", "shuffled", "opposite", "negated"},
    "layout": {"lettered", "parenthesized", "bulleted", "inline", "none", "original"},
    "label_space": {"letters", "numbers", "text"},
    "position": {"before", "after", "inline"},
    "wrapper": {"plain", "role", "chat"},
}


def _rows(source: SourceFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, row) of a JSONL, CSV or TSV file, or (position, row) of a JSON list of objects
    or of texts; a text is a row that holds it as its text.
    """
    path = source.path
    if path.suffix.lower() in {".csv", ".tsv"}:
        yield from table_rows(path)
        return
    listed = source.text.lstrip().startswith("[")
    for place, row in enumerate(load_json(path), start=1) if listed else json_lines(path):
        if listed and isinstance(row, str):
            row = {"text": row, _PROMPTEVAL_TEXT: row}
        if not isinstance(row, dict):
            where = f"{path}:1: item {place}" if listed else f"{path}:{place}:"
            raise CatalogError(
                f"{where} is a {type(row).__name__}; "
                f"{'objects or texts are' if listed else 'one object per line is'} accepted."
            )
        yield place, row


def import_prompteval(path: Path, options: ImportOptions) -> Imported:
    """Return the phrasings of one PromptEval template CSV.

    Those its authors marked incorrect are marked doubtful.

    References
    ----------
    Maia Polo et al. Efficient multi-prompt evaluation of LLMs, NeurIPS 2024;
    felipemaiapolo/prompteval:data/templates/.
    """
    source = read_source(path)
    found = Imported()
    for line, row in _rows(source):
        if _PROMPTEVAL_TEXT not in row:
            raise CatalogError(
                f"{path}:1: has no column {_PROMPTEVAL_TEXT!r}. "
                "Name a CSV of PromptEval's data/templates."
            )
        try:
            text = from_format_string(row[_PROMPTEVAL_TEXT] or "", options.rename)
        except CatalogError as error:
            found.skipped.append(f"{path}:{line}: {error}")
            continue
        listed = "{{ choices }}" in text
        wrong = str(row.get("correct", "1")).strip() in {"0", "0.0", "False"}
        phrasing = Phrasing(
            id="new",
            text=text,
            source=options.collection,
            author="PromptEval authors",
            licence="MIT",
            position=position_of(text),
            layout="lettered" if listed else "none",
            label_space="letters" if listed else "text",
            cue="",
            meaning=Meaning(
                status="doubtful", by="collection's authors", note="marked incorrect upstream"
            )
            if wrong
            else Meaning(),
        )
        add(found, phrasing, name=path.stem, source=source, line=line, options=options)
    return found


def import_table(path: Path, options: ImportOptions) -> Imported:
    """Return the phrasings of a JSONL, CSV or TSV file.

    The mapping `options.rename` says which column is what: ``text`` is needed (``{"text":
    "prompt"}`` reads column ``prompt``), ``name`` groups, and kind, layout, label_space, position,
    wrapper, cue, language, author and licence may be named. Names that are none of these rename
    slots. Slots may be written ``{{ name }}`` or ``{name}``.

    Raises
    ------
    CatalogError
        When the file is malformed or has no text column.
    """
    source = read_source(path)
    settable = {"text", "name", "published", *SETTABLE}
    columns = {ours: options.rename.get(ours, ours) for ours in settable}
    slots = {name: ours for name, ours in options.rename.items() if name not in settable}
    found = Imported()
    for line, row in _rows(source):
        if columns["text"] not in row:
            raise CatalogError(
                f"{path}:{line}: has no field {columns['text']!r}; it has "
                f"{', '.join(map(str, row))}. Say which holds the text: --map text=FIELD."
            )
        name = str(row.get(columns["name"]) or path.stem)
        if wanted(name, options):
            _table_row(
                row,
                columns,
                slots=slots,
                name=name,
                source=source,
                line=line,
                options=options,
                found=found,
            )
    return found


def _table_row(
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    slots: Mapping[str, str],
    name: str,
    source: SourceFile,
    line: int,
    options: ImportOptions,
    found: Imported,
) -> None:
    """Add one row, or say why not."""
    text = str(row.get(columns["text"]) or "")
    try:
        converted = rename_slots(text, slots) if "{{" in text else from_format_string(text, slots)
        phrasing = Phrasing(
            id="new", text=converted, source=options.collection, position=position_of(converted)
        )
        phrasing = replace(phrasing, **_values(row, columns))
    except CatalogError as error:
        found.skipped.append(f"{source.path}:{line}: {error}")
        return
    add(found, phrasing, name=name, source=source, line=line, options=options)


def _values(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a phrasing that a row sets.

    Raise CatalogError for a value that is not accepted.
    """
    values: dict[str, Any] = {}
    for key in SETTABLE:
        value = row.get(columns[key])
        if value is None or value == "":
            continue
        if key in _CHOICES and value not in _CHOICES[key]:
            raise CatalogError(
                f"{key} {value!r} is not accepted; {', '.join(sorted(_CHOICES[key]))} are"
            )
        values[key] = str(value)
    published = row.get(columns["published"])
    if published not in (None, ""):
        try:
            number = float(published)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            raise CatalogError(
                f"published {published!r} is not accepted; a fraction from 0 to 1 is"
            )
        values["published"] = number
    return values
