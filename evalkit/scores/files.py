"""``scores.parquet``: the same rows give the same bytes, and a file is whole or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from evalkit.errors import TableError
from evalkit.rundir import part_path
from evalkit.scores.rows import NUMBERS

__all__ = ["SCHEMA", "read_parquet", "whole_file", "write_parquet"]

SCHEMA = "evalkit.scores/1"
"""Schema version, under ``evalkit_schema`` in the metadata of the file."""
ROW_GROUP = 1 << 20


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing so that readers see its old or its new content, never part; survives power loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(path)
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows of a score table; text as dictionaries, missing numbers as null, no time stamp.

    Parameters
    ----------
    frame
        Rows of a `evalkit.scores.ScoreTable`.
    path
        File that is replaced; its folder is made.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: list[Any] = []
    for name in frame.columns:
        if name in NUMBERS:
            numbers = frame[name].to_numpy(dtype=np.float64)
            arrays.append(pa.array(numbers, mask=np.isnan(numbers)))
        elif name == "repeat":
            arrays.append(pa.array(frame[name].to_numpy()))
        else:
            arrays.append(_dictionary(frame[name]))
    table = pa.table(arrays, names=list(frame.columns)).replace_schema_metadata({"evalkit_schema": SCHEMA})
    with whole_file(path) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)


def _dictionary(column: pd.Series) -> Any:
    """Return a dictionary array with the names that occur, so that unused categories leave no trace in the bytes."""
    import pyarrow as pa

    codes = column.cat.codes.to_numpy().astype(np.int32)
    used = np.unique(codes[codes >= 0])
    lookup = np.full(len(column.cat.categories) + 1, -1, dtype=np.int32)
    lookup[used] = np.arange(len(used))
    codes = lookup[codes]
    names = pa.array([str(column.cat.categories[code]) for code in used], type=pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a ``scores.parquet``, text columns as categories.

    Raises
    ------
    TableError
        When there is no such file, or it is cut short, damaged, or of another schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise TableError(f"{path}: there is no such file; a scores.parquet is expected. Check the path, or type: evalkit score RUN")
    try:
        table = pq.read_table(path, memory_map=False)
        stated = (table.schema.metadata or {}).get(b"evalkit_schema", b"").decode()
        if stated != SCHEMA:
            raise TableError(
                f"{path}: schema {stated or 'not stated'!r} is not {SCHEMA!r}; the file was not written by this version of evalkit. "
                "Type: evalkit analyse FILE for tables made elsewhere, or evalkit score RUN to make it again."
            )
        frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: not a whole Parquet file ({error}); it was cut short or damaged. Type: evalkit score RUN to make it again."
        ) from error
    return frame
