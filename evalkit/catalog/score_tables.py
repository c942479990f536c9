"""Score tables made elsewhere: CSV, JSON Lines (packed too) and Parquet, per instance or
aggregated.

Files are streamed in batches and text is turned into integer codes batch by batch, so memory
follows the codes and not the text. What the numbers mean is checked by `evalkit.scoring` and
`evalkit.analysis`, layouts by `evalkit.catalog.score_columns`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.catalog.files import json_lines
from evalkit.catalog.logs import Asked, is_log, read_log
from evalkit.catalog.opening import opened, parquet_batches, unpacked_name
from evalkit.catalog.readers.rows import as_text
from evalkit.catalog.score_columns import (
    NAMES,
    NUMBERS,
    Layout,
    ScoreFile,
    layout_of,
    percent_hint,
    refuse_columns,
    score_file,
    understood,
)
from evalkit.errors import CatalogError, TableError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ScoreFile", "Told", "read_for_audit", "read_score_table"]

BATCH_BYTES = 16 << 20
FORMATS = ".csv, .tsv, .jsonl (all also .gz or .zst), .parquet"
HARNESSES = "lm-eval, Inspect, HELM, Every Eval Ever or promptfoo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a user says of a table or log beyond its path."""

    form: str | None = None
    """Format of a log of another harness; None: told from the content."""
    phrasing: str | None = None
    """Field of a log that is the phrasing."""
    metric: str | None = None
    """Score of a log that is read."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Our column -> what the table calls it."""


def read_score_table(path: Path | str, told: Told | None = None) -> ScoreFile:
    """Return the rows of a score table, or of a log of another harness.

    Parameters
    ----------
    told
        Format, phrasing and score of a log, columns of a table; None: told from the content.
    path
        A log that `evalkit.catalog.logs` recognises; or a ``.csv`` (cells parted by ``,``, ``;`` or
        a tab), ``.tsv``, ``.jsonl`` (all also ``.gz``, ``.zst``) or ``.parquet`` file; a run
        directory (its ``scores.parquet`` is read); or a directory of such files of one layout,
        which are put together.

    Raises
    ------
    TableError
        When a file is absent, empty, cut short, not UTF-8, ragged, or lacks needed columns, naming
        file and reason.
    """
    path, told = Path(path), told or Told()
    if told.form or told.phrasing or told.metric or _is_log(path):
        return _log(path, told)
    parts = [_read_file(file, renamed=told.renamed) for file in _files(path)]
    layouts = {part.layout for part in parts}
    if len(layouts) > 1:
        raise TableError(
            f"{path}: holds files of layouts {', '.join(sorted(layouts))}; "
            "one layout at a time is accepted. Name a file."
        )
    if len(parts) == 1:
        return parts[0]
    return _together(parts, path)


def _is_log(path: Path) -> bool:
    """Whether a path is a log; a run and a table of ours never are."""
    if (path / "scores.parquet").is_file() or path.suffix in (".csv", ".tsv", ".parquet"):
        return False
    return is_log(path)


def _log(path: Path, told: Told) -> ScoreFile:
    frame, notes, torn = read_log(
        path, form=told.form, asked=Asked(phrasing=told.phrasing, metric=told.metric)
    )
    found = score_file(frame, origin=str(path))
    return replace(found, notes=(*notes, *torn, *found.notes), unfinished=torn)


def read_for_audit(path: Path | str) -> tuple[list[ScoreFile], list[str]]:
    """Return the tables of a file or folder, one per layout,
    and why files of the folder cannot be read.

    Parameters
    ----------
    path
        As for `read_score_table`.

    Raises
    ------
    TableError
        When nothing can be read.
    """
    path = Path(path)
    files = _files(path)
    by_layout: dict[Layout, list[ScoreFile]] = {}
    faults = []
    for file in files:
        try:
            part = _read_file(file, whole=True)
        except TableError as error:
            if len(files) == 1:
                raise
            faults.append(str(error))
            continue
        by_layout.setdefault(part.layout, []).append(part)
    if not by_layout:
        raise TableError(f"{path}: none of {len(files)} files can be read; the first: {faults[0]}")
    return [
        parts[0] if len(parts) == 1 else _together(parts, path) for parts in by_layout.values()
    ], faults


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        if (path / "scores.parquet").is_file():
            return [path / "scores.parquet"]
        found = sorted(file for file in path.rglob("*") if file.is_file() and _format(file))
        if not found:
            raise TableError(
                f"{path}: none of {FORMATS} is in this directory. "
                f"Name a score table or a run directory, or a log of {HARNESSES}."
            )
        return found
    if not path.is_file():
        raise TableError(f"{path}: there is no such file. Check the path.")
    if not _format(path):
        raise TableError(
            f"{path}: {path.suffix or 'no suffix'!r} is not a known table format; accepted: "
            f"{FORMATS}, or a log of {HARNESSES}."
        )
    return [path]


def _format(path: Path) -> str:
    if path.suffix.lower() == ".parquet":
        return ".parquet"
    suffix = Path(unpacked_name(path)).suffix
    return {".csv": ".csv", ".tsv": ".csv", ".jsonl": ".jsonl"}.get(suffix, "")


def _together(parts: list[ScoreFile], path: Path) -> ScoreFile:
    """One table of several files; a row that several of them repeat word for word counts once."""
    import pandas as pd

    frame = pd.concat(
        [
            part.frame.astype(dict.fromkeys(part.frame.select_dtypes("category"), object))
            for part in parts
        ],
        ignore_index=True,
    )
    distinct = frame.drop_duplicates(ignore_index=True)
    notes = list(dict.fromkeys(note for part in parts for note in part.notes))
    if len(distinct) < len(frame):
        notes.append(
            f"{path}: {len(frame) - len(distinct)} rows stand in more than one file with the same "
            "values and count once"
        )
    return ScoreFile(frame=distinct, layout=parts[0].layout, origin=str(path), notes=tuple(notes))


def _read_file(
    path: Path, *, whole: bool = False, renamed: Mapping[str, str] | None = None
) -> ScoreFile:

    if renamed:
        return _mapped_file(path, renamed)
    with _said_of(path):
        if _format(path) == ".csv":
            layout, table = _csv_table(path, whole=whole)
        else:
            layout, table = _READERS[_format(path)](path)
        frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    return understood(frame, layout, path, whole=whole)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a table into one message."""
    import pyarrow as pa

    try:
        yield
    except CatalogError as error:
        raise TableError(str(error)) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not UTF-8 text ({error}). Save the table as UTF-8.") from error
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        if wrong := re.search(
            r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to double: "
            r"invalid value '(.*)'",
            str(error),
        ):
            where = f" in line {wrong[2]}" if wrong[2] else ""
            raise TableError(
                f"{path}: column {_csv_header(path)[0][int(wrong[1])]} holds {wrong[3]!r}{where}, "
                "which is no number; numbers are accepted, empty means "
                f"missing.{percent_hint(wrong[3])}"
            ) from error
        raise TableError(
            f"{path}: cannot be read as {_format(path)} ({error}); it is damaged, "
            "cut short or ragged."
        ) from error


def _texts_of(path: Path) -> Any:
    """Return the columns of a file under its own names, as texts where its format has no types."""
    import pyarrow as pa

    if _format(path) == ".csv":
        refuse_columns(_csv_header(path)[0], path)
        return _csv_arrow(path, numeric=())
    if _format(path) == ".jsonl":
        return _json_columns(path)
    return pa.Table.from_batches(list(parquet_batches(path, size=1 << 18, empty=True)))


def _mapped_file(path: Path, renamed: Mapping[str, str]) -> ScoreFile:
    """A table whose columns have other names; a name in quotes is a value for all rows."""
    import pandas as pd

    with _said_of(path):
        frame: pd.DataFrame = _texts_of(path).unify_dictionaries().to_pandas()
    columns = {}
    for ours, theirs in renamed.items():
        if theirs[:1] in "'\"" and theirs[-1:] == theirs[:1] and len(theirs) > 1:
            columns[ours] = pd.Series(theirs[1:-1], index=frame.index)
        elif theirs in frame:
            columns[ours] = frame[theirs]
        else:
            raise TableError(
                f"{path}: --map {ours}={theirs}: has no column {theirs!r}; columns: "
                f"{', '.join(map(str, frame.columns))}. A value for all rows stands in quotes."
            )
    kept = frame.drop(columns=[name for name in {*renamed, *renamed.values()} if name in frame])
    return score_file(kept.assign(**columns), origin=str(path))


def _csv_header(path: Path) -> tuple[list[str], str]:
    """Names of the columns, and what parts them: of comma, semicolon and tab what gives most."""
    with opened(path) as content:
        first = TextIOWrapper(content, encoding="utf-8-sig", newline="").readline()
    rows = {mark: next(csv.reader([first], delimiter=mark), []) for mark in (",", ";", "\t")}
    mark = max(rows, key=lambda name: len(rows[name]))
    if not rows[mark]:
        raise TableError(f"{path}: the file is empty; a header line and rows are needed.")
    return rows[mark], mark


def _csv_table(path: Path, *, whole: bool) -> tuple[Layout, Any]:
    """Layout and Arrow table of a CSV read batch by batch, text as dictionaries."""
    import pyarrow as pa

    layout = layout_of(_csv_header(path)[0], path)
    if layout != "cells":
        return layout, _csv_arrow(path, numeric=("probability", "target_probability"))
    try:
        return layout, _csv_arrow(path, numeric=NUMBERS)
    except pa.ArrowInvalid as error:
        if not whole and not re.search(r"invalid value '(true|false)'", str(error), re.IGNORECASE):
            raise
        rest = tuple(name for name in NUMBERS if name != "score")
        return layout, _csv_arrow(path, numeric=rest)


def _csv_arrow(path: Path, *, numeric: tuple[str, ...]) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, mark = _csv_header(path)
    types = {
        name: pa.float64() if name in numeric else pa.dictionary(pa.int32(), pa.string())
        for name in names
    }
    with (
        opened(path) as content,
        arrow_csv.open_csv(
            content,
            # one thread: an error names its line, and no thread is left that aborts the process
            read_options=arrow_csv.ReadOptions(block_size=BATCH_BYTES, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=mark, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        ) as reader,
    ):
        return pa.Table.from_batches(list(reader), schema=reader.schema)


def _parquet_table(path: Path) -> tuple[Layout, Any]:
    """Layout and Arrow table of a Parquet file read batch by batch, text as dictionaries."""
    import pyarrow as pa

    batches = list(parquet_batches(path, size=1 << 18, whole_texts=False, empty=True))
    table = _flat(pa.Table.from_batches(batches).unify_dictionaries(), path)
    return layout_of(table.column_names, path), table


def _flat(table: Any, path: Path) -> Any:
    """A table without columns of lists and objects, which no column of ours is."""
    import pyarrow as pa

    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if ours := sorted({*nested} & {*NAMES, *NUMBERS}):
        raise TableError(
            f"{path}: column {ours[0]} holds lists or objects; texts or numbers are accepted. "
            "Write one value per row."
        )
    return table.drop_columns(nested)


def _json_table(path: Path) -> tuple[Layout, Any]:
    """Layout and Arrow table of a JSON Lines file; a column that a row lacks is empty there."""
    table = _json_columns(path)
    return layout_of(table.column_names, path), table


def _json_columns(path: Path) -> Any:
    """Return the Arrow table of a JSON Lines file."""
    import pyarrow as pa

    columns: dict[str, list[str]] = {}
    count = 0
    for count, (line, row) in enumerate(json_lines(path), 1):
        if not isinstance(row, dict):
            raise TableError(
                f"{path}:{line}: holds {type(row).__name__}; an object with named columns is "
                "expected."
            )
        for name, value in row.items():
            cells = columns.setdefault(name, [])
            cells += [""] * (count - 1 - len(cells))
            cells.append(as_text(value))
    if not columns:
        raise TableError(f"{path}: the file is empty; one object per line is needed.")
    for cells in columns.values():
        cells += [""] * (count - len(cells))
    refuse_columns([*columns], path)
    return pa.table({name: pa.array(cells).dictionary_encode() for name, cells in columns.items()})


_READERS = {".jsonl": _json_table, ".parquet": _parquet_table}
