"""Phrasing files written by programs.

The format `evalkit.catalog.phrasings` reads, stable and readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.records import Meaning, Phrasing

__all__ = ["as_entry", "dump_yaml", "write_new", "write_phrasings"]

_SHARED = ("source", "author", "licence", "language")
_WIDTH = 140


def as_entry(phrasing: Phrasing) -> dict[str, Any]:
    """Return the fields of a phrasing that differ from their defaults,
    in the order of the record.
    """
    entry: dict[str, Any] = {}
    for item in dataclasses.fields(Phrasing):
        value = getattr(phrasing, item.name)
        if (
            item.default is not dataclasses.MISSING
            and value == item.default
            and item.name not in _SHARED
        ):
            continue
        if isinstance(value, Meaning):
            value = {
                key: part
                for key, part in dataclasses.asdict(value).items()
                if part not in ("", None)
            }
        entry[item.name] = list(value) if isinstance(value, tuple) else value
    return entry


def dump_yaml(value: Any) -> str:
    """Return plain data as YAML that evalkit reads back unchanged.

    Every text that could be anything else is quoted.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts in double quotes, keys bare, and no aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, data: str) -> Any:
        plain = (
            data.isascii()
            and data.replace("_", "").replace("-", "").isalnum()
            and not data[:1].isdigit()
            and data[:1] != "-"
        )
        reserved = data.lower() in {
            "null",
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "inf",
            "nan",
        }
        return dumper.represent_scalar(
            "tag:yaml.org,2002:str", data, style=None if plain and not reserved else '"'
        )

    Dumper.add_representer(str, text)
    return yaml.dump(
        value,
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=False,
    )


def write_new(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file, through a temporary one; an existing file is kept unless `overwrite`.

    Raises
    ------
    UsageError
        When the file is there already, or cannot be written.
    """
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path}: is there already and is not overwritten. "
            "Name another file, or give --overwrite."
        )
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}. Name a place you may write to."
        ) from error


def write_phrasings(
    path: Path, phrasings: Sequence[Phrasing], *, tasks: Iterable[str] = (), overwrite: bool = False
) -> None:
    """Write a phrasing file; what all phrasings share goes into its ``defaults``.

    Raises
    ------
    UsageError
        When there are no phrasings, the file is there already, or cannot be written.
    """
    if not phrasings:
        raise UsageError(
            f"{path}: there are no phrasings to write. Look at what was left out, above."
        )
    entries = [as_entry(phrasing) for phrasing in phrasings]
    shared = {
        key: entries[0][key]
        for key in _SHARED
        if all(entry.get(key) == entries[0].get(key) for entry in entries)
    }
    patterns = list(tasks) or entries[0].get("tasks", [])
    same_tasks = all(entry.get("tasks", []) == patterns for entry in entries)
    for entry in entries:
        for key in shared:
            entry.pop(key)
        if same_tasks:
            entry.pop("tasks", None)
    value: dict[str, Any] = {"tasks": patterns} if same_tasks and patterns else {}
    if shared:
        value["defaults"] = shared
    write_new(path, dump_yaml({**value, "phrasings": entries}), overwrite=overwrite)
