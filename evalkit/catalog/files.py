"""Where benchmark files lie on this machine, and reading them as text without surprises.

A data directory holds one folder per benchmark in its upstream repository's own layout, and a
folder ``hub/`` with what `evalkit data fetch` got from the hub (``hub/<owner>--<name>/<file>``,
commits in ``hub/fetched.json``).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.catalog.opening import (
    MAX_LINES,
    NamedTwice,
    lines_of,
    parse_json,
    read_text,
    read_utf8,
    too_many_lines,
)
from evalkit.catalog.paths import cache_dir, inside
from evalkit.errors import CatalogError, DataMissingError
from evalkit.records import Task

__all__ = [
    "Located",
    "candidates",
    "csv_rows",
    "data_directory",
    "hub_folder",
    "json_lines",
    "load_json",
    "locate",
    "need",
    "place_of",
]

_MAX_CELL = 16 * 1024 * 1024


def data_directory(data_dir: Path | None = None, *, new: bool = False) -> Path:
    """Return the data directory.

    The one given, else ``EVALKIT_DATA``, else ``data`` in evalkit's cache folder.

    Raises
    ------
    DataMissingError
        When a directory that was named is not there. The default one need not exist, nor any
        where it may be `new`, in a folder that is there.
    """
    named = data_dir
    origin = "--data-dir"
    if named is None and (text := os.environ.get("EVALKIT_DATA")):
        named, origin = Path(text), "EVALKIT_DATA"
    if named is None:
        return cache_dir() / "data"
    named = named.expanduser()
    if new and not named.exists() and named.absolute().parent.is_dir():
        return named
    if not named.is_dir():
        what = "is a file" if named.exists() else "is not there"
        raise DataMissingError(
            f"{named}: data directory {what} (from {origin}); a directory with one folder per "
            "benchmark is expected."
        )
    return named


@dataclass(frozen=True)
class Located:
    """Files that hold the instances of a task."""

    paths: tuple[Path, ...]
    """Files, at least one, all present."""
    layout: Literal["local", "hub"]
    """Whether they have the upstream layout or the hub's."""


def hub_folder(root: Path, hub: str) -> Path:
    """Return where files of a hub data set lie below data directory `root`."""
    return root / "hub" / hub.replace("/", "--")


def _fill(pattern: str, split: str, renamed: Mapping[str, str]) -> str:
    return pattern.replace("{split}", renamed.get(split, split))


def candidates(
    task: Task, root: Path, split: str
) -> list[tuple[tuple[Path, ...], Literal["local", "hub"]]]:
    """Return the places where the files of a split may lie, the first that is complete wins.

    ``source.local`` may name several files with ``;`` and use ``*``; ``source.options`` may hold
    ``also`` (further places in the same layout), ``splits`` (split name -> upstream's) and
    ``hub_splits`` (-> the hub's).
    """
    options = task.source.options
    places: list[tuple[tuple[Path, ...], Literal["local", "hub"]]] = []
    for pattern in (task.source.local, *options.get("also", ())):
        if pattern:
            names = _fill(pattern, split, options.get("splits", {})).split(";")
            places.append((tuple(place_of(task, root, name.strip()) for name in names), "local"))
    if task.source.hub and task.source.files:
        folder = hub_folder(root, task.source.hub)
        names = [_fill(name, split, options.get("hub_splits", {})) for name in task.source.files]
        places.append((tuple(inside(folder, name, where=task.id) for name in names), "hub"))
    return places


def place_of(task: Task, root: Path, name: str) -> Path:
    """Return where a file of the upstream layout lies: below the data directory,
    or beside its task file.
    """
    folder = task.source.folder
    if folder and name.startswith(folder):
        return inside(Path(folder), os.path.relpath(name, folder), where=task.id)
    return inside(root, name, where=task.id)


def _check_commit(task: Task, root: Path, paths: tuple[Path, ...]) -> None:
    """Raise CatalogError when a hub file is recorded at another commit than the task pins.

    Files placed by hand have no record.
    """
    record = root / "hub" / "fetched.json"
    if task.source.hub is None or task.source.revision is None or not record.is_file():
        return
    entries = load_json(record)
    commits = (
        {
            (item.get("repository"), item.get("path")): item.get("commit")
            for item in entries
            if isinstance(item, dict)
        }
        if isinstance(entries, list)
        else {}
    )
    for path in paths:
        commit = commits.get(
            (task.source.hub, path.relative_to(hub_folder(root, task.source.hub)).as_posix())
        )
        if commit not in (None, task.source.revision):
            raise CatalogError(
                f"{path}: is of commit {commit}, the task pins {task.source.revision}. "
                f"Type: evalkit data fetch --force {task.id}"
            )


def _present(paths: tuple[Path, ...]) -> tuple[Path, ...] | None:
    """Return what is there, files with ``*`` filled in, or None when one is absent.

    A pipe or a device counts as there: whoever opens it says what it is.
    """
    found: list[Path] = []
    for path in paths:
        hits = [
            inside(path.parent, hit.name, where=str(path))
            for hit in (sorted(path.parent.glob(path.name)) if "*" in path.name else [path])
            if hit.exists() and not hit.is_dir()
        ]
        if not hits:
            return None
        found += hits
    return tuple(found)


def locate(task: Task, data_dir: Path | None, split: str) -> Located:
    """Return the files that hold one split of a task.

    Raises
    ------
    DataMissingError
        When they are not on this machine: the message names what was looked for, where, and what
        gets it.
    """
    root = data_directory(data_dir)
    places = candidates(task, root, split)
    for paths, layout in places:
        found = _present(paths)
        if found is not None:
            if layout == "hub":
                _check_commit(task, root, found)
            return Located(found, layout)
    raise DataMissingError(missing(task, places))


def missing(task: Task, places: list[tuple[tuple[Path, ...], Literal["local", "hub"]]]) -> str:
    """Return the message for a task whose data is not on this machine."""
    looked: list[str] = []
    for paths, _ in places:
        absent = [str(path) for path in paths if _present((path,)) is None]
        looked.append(
            ", ".join(absent[:2]) + (f" and {len(absent) - 2} more" if len(absent) > 2 else "")
        )
    gets = (
        f"Type: evalkit data fetch {task.benchmark}"
        if _fetchable(task)
        else f"Place it there by hand. {task.notes}".rstrip()
    )
    return (
        f"{task.id}: data is not on this machine; looked for "
        f"{', or '.join(looked) or 'nothing, since the task names no files'}. {gets}"
    )


def _fetchable(task: Task) -> bool:
    return bool(
        (task.source.hub and task.source.files)
        or task.source.options.get("github")
        or task.source.options.get("url")
    )


def need(condition: bool, path: Path, line: int, message: str) -> None:
    """Raise CatalogError ``path:line: message`` unless `condition` holds."""
    if not condition:
        raise CatalogError(f"{path}:{line}: {message}")


def csv_rows(
    path: Path, *, delimiter: str = ",", quoted: bool = True, encoding: str = "utf-8"
) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line, cells)`` of a CSV or TSV file.

    Cells stay texts exactly as they are, blank lines are left out.

    Parameters
    ----------
    path
        The file; a byte order mark and any line ends are accepted.
    delimiter
        Text between cells.
    quoted
        Whether double quotes group (CSV); GLUE's TSV files use them as ordinary letters.
    encoding
        Encoding of the file.
    """
    text = read_text(path, encoding=encoding)
    csv.field_size_limit(_MAX_CELL)
    lines = io.StringIO(text, newline="")
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
            if line > MAX_LINES:
                raise too_many_lines(path)
    except csv.Error as error:
        raise CatalogError(
            f"{path}:{line}: is not a table: {error}. The file may be cut short; get it again."
        ) from error


def load_json(path: Path) -> Any:
    """Return the content of a JSON file; raise CatalogError with file and line when it is none."""
    text = read_utf8(path)
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise CatalogError(
                f"{path}:1: file is empty; JSON is expected. Get it again."
            ) from error
        if error.msg == "Extra data" and text[error.pos : error.pos + 1] in "{[":
            raise CatalogError(
                f"{path}:{error.lineno}: is JSON Lines, one JSON document is expected here. "
                "Use a reader for .jsonl."
            ) from error
        end = (
            " The file may be cut short; get it again."
            if error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg
            else ""
        )
        raise CatalogError(
            f"{path}:{error.lineno}: is not JSON: {error.msg} (column {error.colno}).{end}"
        ) from error
    except NamedTwice as error:
        raise CatalogError(f"{path}: {error}") from error
    except RecursionError as error:
        raise CatalogError(
            f"{path}: is nested too deeply to be benchmark data. Get it again."
        ) from error


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield ``(line, value)`` of a JSON Lines file; blank lines are left out."""
    for number, line in lines_of(path):
        content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if content.strip():
            try:
                yield number, parse_json(content.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise CatalogError(
                    f"{path}:{number}: byte {content[error.start]:#04x} is not UTF-8. "
                    "Save the file as UTF-8."
                ) from error
            except NamedTwice as error:
                raise CatalogError(f"{path}:{number}: {error}") from error
            except (json.JSONDecodeError, RecursionError) as error:
                raise CatalogError(
                    f"{path}:{number}: is not a line of JSON: {error}. "
                    "The file may be cut short; get it again."
                ) from error
