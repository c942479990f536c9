"""What types cannot say about a task's source: file names that stay inside, options of their
kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.catalog.paths import leads_out
from evalkit.catalog.yaml_file import Where
from evalkit.records import Source

__all__ = ["check_source", "shown"]

_TEXT, _TEXTS, _NUMBER, _MAPPING = "a text", "a list of texts", "a whole number from 1", "a mapping"
_TRUTH = "true or false"
_ROWS = (
    "a list of mappings from column to text, number, truth value or list, or split -> such a list"
)
_OPTIONS = {
    "also": _TEXTS,
    "splits": _MAPPING,
    "hub_splits": _MAPPING,
    "columns": _MAPPING,
    "rows": _ROWS,
    "topics": _MAPPING,
    "pairs": _TEXTS,
    "limit": _NUMBER,
    "per_module": _NUMBER,
    "target_is": _TEXT,
    "separator": _TEXT,
    "after": _TEXT,
    "delimiter": _TEXT,
    "encoding": _TEXT,
    "factors": _MAPPING,
    "header": _TEXTS,
    "only": _MAPPING,
    "quoted": _TRUTH,
    "shuffle": _TRUTH,
    "under": _TEXT,
    "subject": _TEXT,
    "glue": _TEXT,
    "github": "owner/name",
    "github_revision": _TEXT,
    "url": _TEXT,
}
"""Option of a source that evalkit knows -> what is accepted; readers of plug-ins have their own."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w][\w.-]*\Z", re.ASCII)


def _fits(value: Any, accepted: str) -> bool:
    if accepted == _TEXTS:
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if accepted == _MAPPING:
        return isinstance(value, Mapping)
    if accepted == _TRUTH:
        return isinstance(value, bool)
    if accepted == _ROWS:
        return _are_rows(value)
    if accepted == _NUMBER:
        return type(value) is int and value >= 1
    if accepted == "owner/name":
        return isinstance(value, str) and bool(_REPOSITORY.match(value))
    return isinstance(value, str) and bool(value)


def _are_rows(value: Any) -> bool:
    lists = list(value.values()) if isinstance(value, Mapping) else [value]
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):  # an object of Python's, nan, or a list in itself
        return False
    return all(
        isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows)
        for rows in lists
    )


def check_source(source: Source) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with the files and options of a source."""
    for name, accepted in _OPTIONS.items():
        if name in source.options and not _fits(value := source.options[name], accepted):
            yield (
                ("source", "options", name),
                f"source.options.{name} is {shown(value)}; accepted: {accepted}. Correct it.",
            )
    also = source.options.get("also", ())
    named = {
        ("source", "local"): source.local.split(";"),
        ("source", "files"): source.files,
        ("source", "options", "also"): also if _fits(also, _TEXTS) else (),
    }
    for place, names in named.items():
        for name in names:
            if wrong := leads_out(name.strip()):
                yield (
                    place,
                    (
                        f"file name {shown(name)} {wrong}; accepted: a name below the data "
                        "directory, or beside this file. Correct it."
                    ),
                )
    if "rows" in source.options and (source.local or source.hub):
        yield (
            ("source", "options", "rows"),
            "source.options.rows stands beside the name of a file or data set; one of them says "
            "where the instances are. Leave the other out.",
        )
    if source.folder:
        yield ("source", "folder"), "key 'folder' is filled in by evalkit. Leave it out."
    if source.hub is not None and not _REPOSITORY.match(source.hub):
        yield ("source", "hub"), f"hub is {shown(source.hub)}; accepted: owner/name. Correct it."


def shown(value: Any) -> str:
    """Return a value short enough for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
