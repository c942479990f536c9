"""``scores.parquet``: the same rows give the same bytes, and a file is whole or absent.

Probabilities stand in a file of their own beside it, in the same order of rows. They carry the last
digits of a float32 sum, which depend on batch size and kernel; scores and predictions do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import TableError
from evalkit.scoring.rows import EXTRA_NUMBERS, NUMBERS
from evalkit.store.atomic import file_digest, whole_file

__all__ = ["SCHEMA", "probabilities_path", "read_parquet", "write_parquet", "write_probabilities"]

SCHEMA = "evalkit.scores/1"
"""Schema version, under ``evalkit_schema`` in the metadata of the file."""
ROW_GROUP = 1 << 20
_APART = ("probability", "target_probability")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows of a score table without its probabilities.

    Text as dictionaries, missing numbers as null, no time stamp.

    Parameters
    ----------
    frame
        Rows of a `evalkit.scoring.ScoreTable`.
    path
        File that is replaced; its folder is made.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: list[Any] = []
    names = [name for name in frame.columns if name not in _APART]
    for name in names:
        if name in (*NUMBERS, *EXTRA_NUMBERS):
            numbers = frame[name].to_numpy(dtype=np.float64)
            arrays.append(pa.array(numbers, mask=np.isnan(numbers)))
        elif name == "repeat":
            arrays.append(pa.array(frame[name].to_numpy()))
        else:
            arrays.append(_dictionary(frame[name]))
    table = pa.table(arrays, names=names).replace_schema_metadata({"evalkit_schema": SCHEMA})
    with whole_file(path) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)


def probabilities_path(scores: Path) -> Path:
    """Return where the probabilities of a ``scores.parquet`` lie.

    ``scores.probabilities.parquet`` beside it.
    """
    return scores.with_suffix(".probabilities.parquet")


def write_probabilities(frame: pd.DataFrame, scores: Path) -> None:
    """Write the probabilities of a score table beside the ``scores.parquet`` that was just written
    of it, whose digest they hold.

    Parameters
    ----------
    frame
        Rows of a `evalkit.scoring.ScoreTable`.
    scores
        The ``scores.parquet`` of these rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [frame[name].to_numpy(dtype=np.float64) for name in _APART]
    table = pa.table(
        [pa.array(column, mask=np.isnan(column)) for column in columns], names=list(_APART)
    )
    table = table.replace_schema_metadata({"evalkit_schema": SCHEMA, "scores": file_digest(scores)})
    with whole_file(probabilities_path(scores)) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)


def _with_probabilities(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put the probabilities beside their rows, where there are any of just these rows."""
    import pyarrow.parquet as pq

    beside = probabilities_path(path)
    if _APART[0] in frame or not beside.is_file():
        return frame
    with beside.open("rb") as file:  # a path may hold bytes that are no UTF-8
        table = pq.read_table(file)
    if (table.schema.metadata or {}).get(b"scores", b"").decode() != file_digest(path) or len(
        table
    ) != len(frame):
        return frame  # those of other scores
    return frame.assign(**{name: table[name].to_numpy() for name in _APART})


def _dictionary(column: pd.Series) -> Any:
    """Return a dictionary array with the names that occur,
    so that unused categories leave no trace in the bytes.
    """
    import pyarrow as pa

    codes = column.cat.codes.to_numpy().astype(np.int32)
    used = np.unique(codes[codes >= 0])
    lookup = np.full(len(column.cat.categories) + 1, -1, dtype=np.int32)
    lookup[used] = np.arange(len(used))
    codes = lookup[codes]
    names = pa.array([str(column.cat.categories[code]) for code in used], type=pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a ``scores.parquet``, text columns as categories,
    with the probabilities that lie beside it.

    Raises
    ------
    TableError
        When there is no such file, or it is cut short, damaged, or of another schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise TableError(
            f"{path}: there is no such file; a scores.parquet is expected. "
            "Check the path, or type: evalkit score RUN"
        )
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        stated = (table.schema.metadata or {}).get(b"evalkit_schema", b"").decode()
        if stated != SCHEMA:
            raise TableError(
                f"{path}: schema {stated or 'not stated'!r} is not {SCHEMA!r}; "
                "the file was not written by this version of evalkit. "
                "Type: evalkit analyse FILE for tables made elsewhere, or evalkit score RUN to "
                "make it again."
            )
        frame = _with_probabilities(table.unify_dictionaries().to_pandas(), path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: not a whole Parquet file ({error}); it was cut short or damaged. "
            "Type: evalkit score RUN to make it again."
        ) from error
    return frame
