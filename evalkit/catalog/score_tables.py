"""Score tables made elsewhere: CSV, JSON Lines (packed too) and Parquet, per instance or aggregated.

Files are streamed in batches and text is turned into integer codes batch by batch, so memory
follows the codes and not the text. What the numbers mean is checked by `evalkit.scoring` and
`evalkit.analysis`; this module only finds out which layout a file has and brings it to our column
names.

Layouts
-------
cells
    ``model, task, phrasing_id, instance_id, score``, optionally ``seen, prediction, target,
    probability, repeat``.
aggregated
    The same without ``instance_id``; ``n_instances`` when known.
instructioneval
    The public tables of Sun et al. (2023), arXiv 2306.11270: ``Model, Dataset, Collection, Type,
    ID, Shots, Performance, Metric, Include?``. A phrasing is Collection/Type/ID; it is seen unless
    Type or Collection says Unobserved (the paper's word for unseen).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evalkit.catalog.files import json_lines
from evalkit.catalog.opening import opened, parquet_batches, unpacked_name
from evalkit.catalog.readers.rows import as_text
from evalkit.errors import CatalogError, TableError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ScoreFile", "read_pairs", "read_score_table", "score_file"]

INSTRUCTIONEVAL = (
    "Model",
    "Dataset",
    "Collection",
    "Type",
    "ID",
    "Shots",
    "Performance",
    "Metric",
    "Include?",
)
PUBLISHED_SIZES = {"MMLU_General": 14042}
"""Instances of the data sets of the instructioneval layout: MMLU test split, Hendrycks et al.
(2021), arXiv 2009.03300."""
NUMBERS = ("score", "probability", "target_probability", "n_instances")
TRUTHS = {
    "true": "seen",
    "1": "seen",
    "yes": "seen",
    "false": "unseen",
    "0": "unseen",
    "no": "unseen",
    "": "unknown",
}
BATCH_BYTES = 16 << 20
FORMATS = ".csv, .jsonl (both also .gz or .zst), .parquet"
Layout: TypeAlias = Literal["cells", "aggregated", "instructioneval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFile:
    """Rows of an external score table under our column names."""

    frame: pd.DataFrame
    """Rows; text columns as categories. Aggregated layouts have ``score_text``, the score as it was
    printed."""
    layout: Layout
    """Which layout was recognised."""
    origin: str
    """Path, for messages."""
    notes: tuple[str, ...] = ()
    """What was left out or assumed while reading."""


def read_score_table(path: Path | str) -> ScoreFile:
    """Return the rows of a score table.

    Parameters
    ----------
    path
        A ``.csv``, ``.jsonl`` (both also ``.gz``, ``.zst``) or ``.parquet`` file, a run directory (its ``scores.parquet`` is
        read), or a directory of such files of one layout, which are put together.

    Raises
    ------
    TableError
        When a file is absent, empty, cut short, not UTF-8, ragged, or lacks needed columns, naming
        file and reason.
    """
    path = Path(path)
    files = _files(path)
    parts = [_read_file(file) for file in files]
    layouts = {part.layout for part in parts}
    if len(layouts) > 1:
        raise TableError(
            f"{path}: holds files of layouts {', '.join(sorted(layouts))}; one layout at a time is accepted. Name a file."
        )
    if len(parts) == 1:
        return parts[0]
    return _together(parts, path)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        if (path / "scores.parquet").is_file():
            return [path / "scores.parquet"]
        found = sorted(file for file in path.rglob("*") if file.is_file() and _format(file))
        if not found:
            raise TableError(
                f"{path}: none of {FORMATS} is in this directory. Name a score table or a run directory."
            )
        return found
    if not path.is_file():
        raise TableError(f"{path}: there is no such file. Check the path.")
    if not _format(path):
        raise TableError(
            f"{path}: {path.suffix or 'no suffix'!r} is not a known table format; accepted: {FORMATS}."
        )
    return [path]


def _format(path: Path) -> str:
    if path.suffix.lower() == ".parquet":
        return ".parquet"
    suffix = Path(unpacked_name(path)).suffix
    return suffix if suffix in (".csv", ".jsonl") else ""


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
            f"{path}: {len(frame) - len(distinct)} rows stand in more than one file with the same values and count once"
        )
    return ScoreFile(frame=distinct, layout=parts[0].layout, origin=str(path), notes=tuple(notes))


def _read_file(path: Path) -> ScoreFile:
    import pandas as pd
    import pyarrow as pa

    try:
        _, layout, table = _READERS[_format(path)](path)
        frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    except CatalogError as error:
        raise TableError(str(error)) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not UTF-8 text ({error}). Save the table as UTF-8.") from error
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        if wrong := re.search(
            r"CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to double: invalid value '(.*)'",
            str(error),
        ):
            where = f" in line {wrong[2]}" if wrong[2] else ""
            raise TableError(
                f"{path}: column {_csv_names(path)[int(wrong[1])]} holds {wrong[3]!r}{where}, which is no number; numbers are accepted, empty means missing."
                f"{_percent_hint(wrong[3])}"
            ) from error
        raise TableError(
            f"{path}: cannot be read as {_format(path)} ({error}); it is damaged, cut short or ragged."
        ) from error
    return _understood(frame, layout, path)


def score_file(frame: pd.DataFrame, *, origin: str = "the frame") -> ScoreFile:
    """Return the rows of a score table that is a frame already.

    Parameters
    ----------
    frame
        Columns as in a file of one of the layouts; left as it is.
    origin
        Its name in messages.

    Raises
    ------
    TableError
        When it is empty, lacks needed columns, or holds text where numbers belong.
    """
    names, path = [str(name) for name in frame.columns], Path(origin)
    layout = _layout(names, path)
    texts = [name for name in names if name not in NUMBERS]
    coded = frame.reset_index(drop=True).astype(dict.fromkeys(texts, "category"))
    if layout == "cells":
        coded["score"] = _numbers(coded["score"], "score", path)
    return _understood(coded, layout, path)


def _understood(
    frame: pd.DataFrame,
    layout: Literal["cells", "aggregated", "instructioneval"],
    path: Path,
) -> ScoreFile:
    """Bring the columns of a layout to ours."""
    if frame.empty:
        raise TableError(f"{path}: the table has a header but no rows; at least one is needed.")
    if layout == "instructioneval":
        return _from_instructioneval(frame, path)
    if "seen" in frame:
        frame["seen"] = _mapped(
            frame["seen"], lambda text: TRUTHS.get(text.strip().lower(), text.strip())
        )
    if "prediction" in frame and "" in frame["prediction"].cat.categories:
        frame["prediction"] = frame["prediction"].cat.remove_categories([""])
    if layout == "cells" and isinstance(frame["score"].dtype, pd.CategoricalDtype):
        frame["score"] = _numbers(_truths(frame["score"]), "score", path)
    if layout == "aggregated":
        frame["score_text"] = frame["score"].astype(object)
        frame["score"] = _numbers(frame["score"], "score", path)
        if "n_instances" in frame:
            frame["n_instances"] = _numbers(frame["n_instances"], "n_instances", path)
    return ScoreFile(frame=frame, layout=layout, origin=str(path))


def _layout(names: list[str], path: Path) -> Layout:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(
            f"{path}: column {twice[0]!r} occurs twice in the header; every column needs its own name."
        )
    if set(INSTRUCTIONEVAL) <= set(names):
        return "instructioneval"
    absent = [name for name in ("model", "task", "phrasing_id", "score") if name not in names]
    if absent:
        hint = (
            " A column per phrasing or model has to become rows first, for instance with pandas.melt."
            if "score" in absent
            else ""
        )
        raise TableError(
            f"{path}: column {', '.join(absent)} is not there; columns: {', '.join(names)}. Accepted: model, task, phrasing_id, score, with "
            f"instance_id (per instance) or without (aggregated), or the layout {', '.join(INSTRUCTIONEVAL)}.{hint}"
        )
    return "cells" if "instance_id" in names else "aggregated"


def _csv_names(path: Path) -> list[str]:
    with opened(path) as content:
        header = next(csv.reader(TextIOWrapper(content, encoding="utf-8-sig", newline="")), None)
    if not header:
        raise TableError(f"{path}: the file is empty; a header line and rows are needed.")
    return header


def _csv_table(path: Path) -> tuple[list[str], Layout, Any]:
    """Names, layout and Arrow table of a CSV read batch by batch, text as dictionaries."""
    import pyarrow as pa

    names = _csv_names(path)
    layout = _layout(names, path)
    if layout != "cells":
        return names, layout, _csv_arrow(path, names, numeric=("probability", "target_probability"))
    try:
        return names, layout, _csv_arrow(path, names, numeric=NUMBERS)
    except pa.ArrowInvalid as error:
        if not re.search(r"invalid value '(true|false)'", str(error), re.IGNORECASE):
            raise
        rest = tuple(name for name in NUMBERS if name != "score")
        return names, layout, _csv_arrow(path, names, numeric=rest)


def _csv_arrow(path: Path, names: list[str], *, numeric: tuple[str, ...]) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    types = {
        name: pa.float64() if name in numeric else pa.dictionary(pa.int32(), pa.string())
        for name in names
    }
    with (
        opened(path) as content,
        arrow_csv.open_csv(
            content,
            read_options=arrow_csv.ReadOptions(block_size=BATCH_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        ) as reader,
    ):
        return pa.Table.from_batches(list(reader), schema=reader.schema)


def _parquet_table(path: Path) -> tuple[list[str], Layout, Any]:
    """Names, layout and Arrow table of a Parquet file read batch by batch, text as dictionaries."""
    import pyarrow as pa

    batches = list(parquet_batches(path, size=1 << 18, whole_texts=False, empty=True))
    table = pa.Table.from_batches(batches)
    return list(table.column_names), _layout(table.column_names, path), table


def _json_table(path: Path) -> tuple[list[str], Layout, Any]:
    """Names, layout and Arrow table of a JSON Lines file; a column that a row lacks is empty there."""
    import pyarrow as pa

    columns: dict[str, list[str]] = {}
    count = 0
    for count, (line, row) in enumerate(json_lines(path), 1):
        if not isinstance(row, dict):
            raise TableError(
                f"{path}:{line}: holds {type(row).__name__}; an object with named columns is expected."
            )
        for name, value in row.items():
            cells = columns.setdefault(name, [])
            cells += [""] * (count - 1 - len(cells))
            cells.append(as_text(value))
    if not columns:
        raise TableError(f"{path}: the file is empty; one object per line is needed.")
    for cells in columns.values():
        cells += [""] * (count - len(cells))
    names = list(columns)
    layout = _layout(names, path)
    table = pa.table({name: pa.array(cells).dictionary_encode() for name, cells in columns.items()})
    return names, layout, table


_READERS = {".csv": _csv_table, ".jsonl": _json_table, ".parquet": _parquet_table}


def _truths(column: pd.Series) -> pd.Series:
    """Return scores with true and false as 1 and 0 where the column holds nothing else."""
    texts = column.astype(object).where(column.notna(), "").map(lambda text: str(text).strip())
    words = {"true": "1", "false": "0", "": ""}
    if set(texts.str.lower()) <= set(words):
        return texts.str.lower().map(words)
    return texts


def _mapped(column: pd.Series, rule: Any) -> pd.Series:
    """Apply a rule to the distinct texts of a column."""
    texts = column.astype(object).where(column.notna(), "")
    rules: Mapping[Any, str] = {text: rule(str(text)) for text in texts.unique()}
    return texts.map(rules).astype("category")


def _percent_hint(text: str) -> str:
    return " Leave the % sign out and divide by 100." if text.strip().endswith("%") else ""


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    import pandas as pd

    texts = column.astype(object).where(column.notna(), "").map(lambda value: str(value).strip())
    numbers = pd.to_numeric(texts.where(texts != ""), errors="coerce").astype("float64")
    strange = (
        numbers.isna() & (texts != "") & ~texts.str.lower().isin(["nan", "na", "null", "none"])
    )
    if strange.any():
        first = int(strange.to_numpy().argmax())
        raise TableError(
            f"{path}: column {name} holds {int(strange.sum())} values that are no number, first {texts.iloc[first]!r} in row {first + 1}; "
            f"numbers are accepted, empty means missing.{_percent_hint(texts.iloc[first])}"
        )
    return numbers


def _from_instructioneval(frame: pd.DataFrame, path: Path) -> ScoreFile:
    import pandas as pd

    text = {name: frame[name].astype(str).str.strip() for name in INSTRUCTIONEVAL}
    out = pd.DataFrame({"model": text["Model"]})
    shots = text["Shots"].where(text["Shots"] != "0", "")
    out["task"] = text["Dataset"] + shots.map(lambda k: f" ({k}-shot)" if k else "")
    out["phrasing_id"] = text["Collection"] + "/" + text["Type"] + "/" + text["ID"]
    out["phrasing_source"] = text["Collection"]
    unseen = (text["Type"] + " " + text["Collection"]).str.contains("unobserved", case=False)
    out["seen"] = unseen.map({True: "unseen", False: "seen"})
    out["score"] = _numbers(frame["Performance"], "Performance", path)
    out["score_text"] = text["Performance"]
    out["n_instances"] = text["Dataset"].map(PUBLISHED_SIZES).astype("float64")
    out["shots"], out["metric"] = text["Shots"], text["Metric"]
    kept = text["Include?"].str.lower() != "false"
    notes = [
        "layout instructioneval: a phrasing is Collection/Type/ID, seen unless Type or Collection says Unobserved"
    ]
    if not kept.all():
        notes.append(f"{path}: {int((~kept).sum())} rows with Include? False were left out")
    return ScoreFile(
        frame=out[kept].reset_index(drop=True),
        layout="instructioneval",
        origin=str(path),
        notes=tuple(notes),
    )


def read_pairs(path: Path | str) -> dict[str, str]:
    """Return attacked id -> reference id of a CSV with the columns ``attacked_id, reference_id``.

    Raises
    ------
    TableError
        When the file or a column is absent, an id is empty, or one attacked id has two references.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(
            f"{path}: there is no such file; a CSV with attacked_id, reference_id is expected. Check the path."
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"attacked_id", "reference_id"} <= set(rows.fieldnames or ()):
            raise TableError(
                f"{path}: columns {', '.join(rows.fieldnames or ()) or 'none'}; attacked_id and reference_id are needed."
            )
        return _unique_pairs(
            ((row["attacked_id"] or "", row["reference_id"] or "") for row in rows), path
        )


def _unique_pairs(rows: Iterable[tuple[str, str]], path: Path) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for number, (attacked, reference) in enumerate(rows, start=2):
        if not attacked or not reference:
            raise TableError(
                f"{path}:{number}: attacked_id {attacked!r}, reference_id {reference!r}; both are needed."
            )
        if pairs.setdefault(attacked, reference) != reference:
            raise TableError(
                f"{path}:{number}: attacked_id {attacked!r} has references {pairs[attacked]!r} and {reference!r}; one is accepted."
            )
    return pairs
