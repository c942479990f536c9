"""Logs of Inspect: ``.eval`` (a zip of JSON files) and ``.json``.

References
----------
UKGovernmentBEIS/inspect_ai, log format version 2: ``header.json`` and ``samples/ID_epoch_N.json``
in the zip, the same as one object in JSON; `value_to_float` of `inspect_ai.scorer` gives letters
their numbers. Members are packed with Deflate or Zstandard (method 93 of PKWARE's APPNOTE 4.4.5).
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from evalkit.catalog.logs.files import MOST_BYTES, json_of
from evalkit.catalog.logs.rows import Asked, LogRow, number, one_text, picked, wording_id
from evalkit.errors import TableError

__all__ = ["read", "unfinished"]

LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partial, incorrect, no answer."""
LONGEST = 100
"""Characters of an error's message that are told."""
ZSTANDARD = 93
"""How a zip names Zstandard; `zipfile` unpacks it from Python 3.14 on."""
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def read(files: Sequence[Path], asked: Asked) -> Iterator[LogRow]:
    """Yield the rows of logs."""
    for file in files:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                head = _member(archive, "header.json", file)
                yield from _rows(head, _samples(archive, file), file, asked)
        else:
            log = json_of(file)
            yield from _rows(log, log.get("samples") or (), file, asked)


def unfinished(files: Sequence[Path]) -> Iterator[str]:
    """Yield what a reader of the rows must know: which logs were not ended well, and why."""
    for file in files:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                head = _member(archive, "header.json", file)
        else:
            head = json_of(file)
        status = str(head.get("status") or "success")
        if status == "success":
            continue
        why = str((head.get("error") or {}).get("message") or "").strip().partition("\n")[0]
        results = head.get("results") or {}
        done, total = results.get("completed_samples"), results.get("total_samples")
        counted = f" after {done} of {total} samples" if total else ""
        yield (
            f"{file.name} ended with status "
            f"{status}{counted}{f' ({why[:LONGEST]})' if why else ''}: inspect eval-retry {file}"
        )


def _member(archive: zipfile.ZipFile, name: str, file: Path) -> Any:
    try:
        info = archive.getinfo(name)
        if info.file_size > MOST_BYTES:
            raise TableError(f"{file}: {name} is larger than 1 GiB unpacked. Split the log.")
        packed = info.compress_type == ZSTANDARD
        return json.loads(_unpacked(archive, info) if packed else archive.read(name))
    except KeyError:
        raise TableError(
            f"{file}: holds no {name}: the evaluation was not finished. "
            f"Type: inspect eval-retry {file}"
        ) from None
    except NotImplementedError:
        raise TableError(
            f"{file}: is packed in a way that this Python cannot unpack. "
            f"Type: inspect log convert {file} --to json --output-dir json"
        ) from None
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise TableError(f"{file}: {name} cannot be read ({error}); the log is damaged.") from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpack a member of Zstandard, never more than it claims to hold."""
    import pyarrow as pa

    stored = copy(info)
    stored.compress_type, stored.file_size = zipfile.ZIP_STORED, info.compress_size
    del stored.CRC  # it is that of the content
    with archive.open(stored) as packed:
        stream = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
        content = bytes(stream.read(info.file_size + 1))
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile("its size or checksum is another than the archive says")
    return content


def _samples(archive: zipfile.ZipFile, file: Path) -> Iterator[Any]:
    for name in archive.namelist():
        if name.startswith("samples/") and name.endswith(".json"):
            yield _member(archive, name, file)


def _rows(head: Any, samples: Any, file: Path, asked: Asked) -> Iterator[LogRow]:
    told = head.get("eval") or {}
    steps = (head.get("plan") or {}).get("steps") or ()
    texts = [
        text
        for step in steps
        for name, text in (step.get("params") or {}).items()
        if name in ("template", "prompt", "message", "system_message", "instructions")
    ]
    wording = wording_id(texts, told.get("task_args"))
    task = str(told.get("task") or file.stem).rpartition("/")[2]
    if asked.phrasing == "task":
        wording, task = task, str((told.get("dataset") or {}).get("name") or task)
    scorer = None
    for sample in samples:
        where = f"{file}, sample {sample.get('id')}"
        scores = sample.get("scores") or {}
        if sample.get("error") or not scores:
            value: Mapping[str, Any] = {}
        else:
            scorer = scorer or picked(scores, asked, (), where=file)
            value = scores.get(scorer) or {}
        yield LogRow(
            model=str(told.get("model")),
            task=task,
            phrasing_id=asked.wording(wording, {**sample, "eval": told}, where=where),
            instance_id=str(sample.get("id")),
            score=_score(value.get("value"), where),
            prediction=None if value.get("answer") is None else str(value["answer"]),
            target=one_text(sample.get("target")),
            repeat=str(sample.get("epoch", "")),
        )


def _score(value: Any, where: str) -> float | None:
    if isinstance(value, str):
        if value in LETTERS:
            return LETTERS[value]
        if value.lower() in WORDS:
            return WORDS[value.lower()]
    return number(value, where=where)
