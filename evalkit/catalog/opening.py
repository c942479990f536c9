"""The one way a file from outside is opened: a plain file, unpacked, and never more than a limit.

Whatever can unpack (``.gz``, ``.zst``, Parquet) is read piece by piece against `MAX_DATA_BYTES`, so
that a small file cannot fill the memory. Pipes, devices and folders are refused before anything is
read from them.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import stat
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from evalkit.errors import CatalogError

__all__ = [
    "MAX_DATA_BYTES",
    "MAX_LINE",
    "MAX_LINES",
    "NamedTwice",
    "lines_of",
    "opened",
    "parquet_batches",
    "parse_json",
    "read_bytes",
    "read_text",
    "read_utf8",
    "too_many_lines",
    "unpacked_name",
]

MAX_DATA_BYTES = 1024**3
"""Largest file of data read, and most that a packed one may unpack to, bytes."""
MAX_LINE = 64 * 1024 * 1024
"""Longest line read, bytes."""
MAX_LINES = 10_000_000
"""Most lines of a file of instances or scores, blank ones included."""
_PACKED = (".gz", ".zst")
_ARCHIVES = (".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z")


def unpacked_name(path: Path) -> str:
    """Return the name of a file in lower case without the ending of its packing.

    >>> unpacked_name(Path("a/Rows.JSONL.gz"))
    'rows.jsonl'
    """
    name = path.name.lower()
    return next((name.removesuffix(end) for end in _PACKED if name.endswith(end)), name)


def _plain(path: Path) -> io.FileIO:
    """Open a file and refuse what is none, without waiting for a pipe's other end."""
    try:
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}. "
            "Check the name and the permissions."
        ) from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        what = (
            "a folder"
            if stat.S_ISDIR(mode)
            else "a pipe"
            if stat.S_ISFIFO(mode)
            else "a socket"
            if stat.S_ISSOCK(mode)
            else "a device"
        )
        raise CatalogError(f"{path}: is {what}; a plain file is expected. Name another.")
    return io.FileIO(handle, "rb")


class _Bounded(io.RawIOBase):
    """What is read from a source, up to a limit."""

    def __init__(self, source: Any, path: Path, limit: int) -> None:
        self._source, self._path, self._limit, self._read = source, path, limit, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; raise CatalogError beyond the limit and for what cannot be unpacked."""
        try:
            data: bytes = self._source.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise CatalogError(
                f"{self._path}: cannot be read: {error}. The file may be cut short; get it again."
            ) from error
        self._read += len(data)
        if self._read > self._limit:
            raise CatalogError(
                f"{self._path}: unpacks to more than {self._limit} bytes; "
                "at most that is accepted. Split it."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._source.close()
        super().close()


@contextmanager
def opened(path: Path, *, limit: int = MAX_DATA_BYTES) -> Iterator[io.BufferedReader[Any]]:
    """Open a plain file as bytes; ``.gz`` and ``.zst`` are unpacked.

    Parameters
    ----------
    path
        The file.
    limit
        Most bytes of the file, and of what it unpacks to.

    Raises
    ------
    CatalogError
        When it cannot be read, is no plain file, is an archive, is too large, or cannot be
        unpacked; the last two also while it is read.
    """
    suffix = path.suffix.lower()
    if suffix in _ARCHIVES:
        raise CatalogError(
            f"{path}: is an archive ({suffix}), which is not read; plain files, "
            ".gz and .zst are accepted. Unpack it."
        )
    plain = _plain(path)
    try:
        size = os.fstat(plain.fileno()).st_size
        if size > limit:
            raise CatalogError(
                f"{path}: is {size} bytes long; at most {limit} are accepted. Split it."
            )
        bounded: Any = _Bounded(_unpacking(plain, suffix), path, limit)
        with io.BufferedReader(bounded, 1 << 20) as stream:
            yield stream
    finally:
        plain.close()


def _unpacking(plain: io.FileIO, suffix: str) -> Any:
    """Return a stream of the unpacked content."""
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=plain)
    if suffix == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(plain, mode="r"), "zstd")
    return plain


def read_bytes(path: Path, *, limit: int = MAX_DATA_BYTES) -> bytes:
    """Return the content of a file, unpacked; see `opened`."""
    with opened(path, limit=limit) as stream:
        return stream.read()


def read_utf8(path: Path, *, limit: int = MAX_DATA_BYTES) -> str:
    """Return the text of a UTF-8 file; a byte order mark is dropped.

    Raises
    ------
    CatalogError
        When the file cannot be read, is larger than `limit` bytes, or is not UTF-8 (the line is
        named).
    """
    data = read_bytes(path, limit=limit)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CatalogError(f"{path}:1: is UTF-16; only UTF-8 is accepted. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CatalogError(
            f"{path}:{line}: byte {data[error.start]:#04x} is not UTF-8. Save the file as UTF-8."
        ) from error


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """Return the text of a file in the encoding that its task names; UTF-8 as `read_utf8`.

    Raises
    ------
    CatalogError
        When it cannot be read, or holds a byte that the encoding does not have.
    """
    if encoding == "utf-8":
        return read_utf8(path)
    data = read_bytes(path)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CatalogError(
            f"{path}:{line}: byte {data[error.start]:#04x} is not {encoding}. Correct the encoding."
        ) from error


def lines_of(
    path: Path,
    *,
    limit: int = MAX_DATA_BYTES,
    longest: int = MAX_LINE,
    most: int | None = MAX_LINES,
) -> Iterator[tuple[int, bytes]]:
    """Yield ``(number, line)`` of a file that is read a line at a time; numbers count from 1."""
    with opened(path, limit=limit) as stream:
        number = 0
        while line := stream.readline(longest + 1):
            number += 1
            if len(line) > longest:
                raise CatalogError(
                    f"{path}:{number}: line is longer than {longest} bytes, which is no row. "
                    "Split the file into lines."
                )
            if most is not None and number > most:
                raise too_many_lines(path, most)
            yield number, line


def too_many_lines(path: Path, most: int = MAX_LINES) -> CatalogError:
    """Return what to say of a file of more lines than are looked at:
    a packed one may hold a billion.
    """
    return CatalogError(
        f"{path}: holds more than {most} lines; at most that is accepted. Split it."
    )


class NamedTwice(ValueError):
    """An object of JSON holds a name twice, with different values."""


def parse_json(text: str | bytes) -> Any:
    """Return what JSON text holds; a number that Python would not keep whole stays text.

    Such are whole numbers of more digits than Python converts, and fractions above 2^53.

    Raises
    ------
    ValueError
        When it is not JSON (a `json.JSONDecodeError`), or an object in it holds a name twice with
        different values (`NamedTwice`), of which most programs take the last without a word.
    RecursionError
        When it is nested too deeply.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_fraction)
    except (json.JSONDecodeError, UnicodeDecodeError, NamedTwice):
        raise
    except ValueError:  # int() refuses long numbers
        return json.loads(text, object_pairs_hook=_object, parse_float=_fraction, parse_int=_number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and (
        twice := [name for name, value in pairs if found[name] != value]
    ):
        raise NamedTwice(
            f"an object holds {twice[0][:60]!r} twice, with different values. Take one away."
        )
    return found


def _fraction(digits: str) -> float | str:
    value = float(digits)
    if abs(value) < 2**53 or math.isinf(value) or Decimal(digits) == Decimal(repr(value)):
        return value
    return digits


def _number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def parquet_batches(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    size: int = 256,
    whole_texts: bool = True,
    limit: int = MAX_DATA_BYTES,
    most: int | None = None,
    empty: bool = False,
) -> Iterator[Any]:
    """Yield the record batches of a Parquet file, texts as dictionaries.

    Parameters
    ----------
    path
        The file.
    columns
        Columns that are read; None for all.
    size
        Rows per batch.
    whole_texts
        Count a text as often as it stands in a row (rows are made of it), not once.
    limit
        Most bytes that it may hold.
    most
        Most rows that it may hold; None for any number.
    empty
        Yield a batch without rows for a file without rows, so that its columns are known.

    Raises
    ------
    CatalogError
        When the file is no plain file or no Parquet, or holds more than `limit`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    too_much = CatalogError(
        f"{path}: unpacks to more than {limit} bytes; at most that is accepted. Split it."
    )
    total = 0
    with _plain(path) as plain:
        try:
            described = parquet.read_metadata(plain)
            if most is not None and described.num_rows > most:
                raise CatalogError(
                    f"{path}: holds {described.num_rows} rows; at most {most} are accepted. "
                    "Split it."
                )
            names = described.schema.to_arrow_schema().names
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise CatalogError(f"{path}: names column {twice[0]!r} twice. Rename one.")
            groups = [described.row_group(index) for index in range(described.num_row_groups)]
            parts = [group.column(at) for group in groups for at in range(group.num_columns)]
            if sum(max(part.total_uncompressed_size, part.num_values) for part in parts) > (limit):
                raise too_much
            texts = {part.path_in_schema for part in parts if part.physical_type == "BYTE_ARRAY"}
            plain.seek(0)
            with parquet.ParquetFile(plain, read_dictionary=sorted(texts)) as file:
                for group in range(len(groups)):  # texts in lists of two groups make no batch
                    for batch in file.iter_batches(size, row_groups=[group], columns=columns):
                        total += sum(_size(column, whole_texts) for column in batch.columns)
                        if total > limit:
                            raise too_much
                        yield batch
                if empty and not described.num_rows:
                    yield pa.RecordBatch.from_pylist([], schema=file.schema_arrow)
        except pa.ArrowMemoryError as error:
            raise too_much from error
        except (pa.ArrowException, OSError) as error:
            raise CatalogError(
                f"{path}: is not a Parquet file: "
                f"{(str(error).splitlines() or [''])[0].rstrip('.')}. "
                "It may be cut short; get it again."
            ) from error


def _size(array: Any, whole_texts: bool) -> int:
    """Return how many bytes a column holds, dictionaries written out where asked for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind) and not whole_texts:
        return int(array.indices.nbytes)
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary)
        return len(array) + int(pc.sum(lengths.take(array.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_size(array.field(at), whole_texts) for at in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return len(array) + _size(array.flatten(), whole_texts)
    return int(array.nbytes)
