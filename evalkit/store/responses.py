"""Responses in SQLite, so that what was acknowledged is never lost, doubled or silently changed.

One file holds many responses, keyed by backend fingerprint and request. The same class serves the
run directory and the cache that runs share. Choices and their measurements are in
``docs/decisions/0004-store.md``:

* WAL, ``synchronous=FULL``, one transaction per batch: kill -9 and power loss keep every
  acknowledged batch.
* Rows are inserted once and never updated; a key that exists is left alone.
* Every row carries a blake2b checksum over fingerprint, key and payload; a row that fails it is
  reported, treated as absent, never used, and kept in ``set_aside`` when it is asked anew.
* Where WAL is not to be had (some network disks), the rollback journal is used instead: slower, as
  safe.

Not handled here: what a run is (`evalkit.store.directory`) and which requests are wanted
(`evalkit.runs.ask`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import Response
from evalkit.store.keys import KEY_BYTES, absent
from evalkit.store.rows import checksum, decode, encode, intact, key_bytes
from evalkit.store.sqlite_file import SCHEMA, SqliteFile

__all__ = ["SCHEMA", "Integrity", "Store"]

_CHUNK = 500
_MANY = 50_000
"""Keys from which on all keys of a model are read at once to find what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Outcome of a full check of a store."""

    n_responses: int
    """Rows read."""
    damaged: tuple[str, ...]
    """Request keys in hex (or record ids) of rows whose checksum fails."""
    structure: tuple[str, ...]
    """What SQLite itself reports; empty when sound."""

    @property
    def sound(self) -> bool:
        """Return whether nothing is damaged."""
        return not self.damaged and not self.structure


class Store:
    """Responses and records of one SQLite file.

    Parameters
    ----------
    path
        The file; made when absent unless `read_only`.
    read_only
        Open for reading beside a writer; nothing is made or changed.

    Raises
    ------
    StoreError
        When the file is not ours, is damaged, was written by a newer evalkit, or cannot be opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.damaged: set[str] = set()
        self._models: dict[str, int] = {}
        if read_only and not path.is_file():
            raise StoreError(
                f"{path}: no such file; a run directory holds responses.sqlite. Check the path."
            )
        self._file = SqliteFile(path, read_only=read_only)
        self._told, self._transaction = self._file.told, self._file.transaction

    @property
    def _db(self) -> sqlite3.Connection:
        return self._file.db

    def _model(self, fingerprint: str, db: sqlite3.Connection | None = None) -> int | None:
        """Number of a fingerprint; given a connection that may write, an unknown one gets a
        number.
        """
        if fingerprint in self._models:
            return self._models[fingerprint]
        if db is not None:
            db.execute("INSERT OR IGNORE INTO models (fingerprint) VALUES (?)", (fingerprint,))
        row = self._db.execute(
            "SELECT id FROM models WHERE fingerprint=?", (fingerprint,)
        ).fetchone()
        return None if row is None else int(row[0])

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Write a batch in one transaction; when this returns, the batch survives a crash.

        Keys that exist are left as they are. Responses with an error are not stored: our failure is
        not an answer, so the next run asks again.
        """
        name = fingerprint.encode()
        rows = []
        for response in responses:
            if response.error:
                continue
            key, payload = key_bytes(response.key), encode(response)
            rows.append((key, payload, checksum(name, key, payload)))
        if not rows:
            return
        self.set_aside(fingerprint)
        with self._transaction() as db:
            model = self._model(fingerprint, db)
            db.executemany(
                "INSERT OR IGNORE INTO responses (model, key, payload, checksum) "
                f"VALUES ({model},?,?,?)",
                rows,
            )
        self._models[fingerprint] = int(model or 0)  # subtle: known only once committed

    def forget(self, fingerprint: str, request_keys: Iterable[str]) -> None:
        """Remove the stored responses among `request_keys`, in one transaction."""
        with self._told():
            model = self._model(fingerprint)
        if model is None:
            return
        with self._transaction() as db:
            db.executemany(
                f"DELETE FROM responses WHERE model={model} AND key=?",
                ((key_bytes(key),) for key in request_keys),
            )

    def set_aside(self, fingerprint: str) -> int:
        """Move the rows found `damaged` so far out of the way, so that they are asked anew.

        Return how many. They are kept for inspection.
        """
        keys = [(self._model(fingerprint), bytes.fromhex(key)) for key in sorted(self.damaged)]
        if keys:
            with self._transaction() as db:
                moved = (
                    "INSERT INTO set_aside (model, key, payload, checksum) SELECT model, key, "
                    "payload, checksum FROM responses"
                )
                db.executemany(f"{moved} WHERE model=? AND key=?", keys)
                db.executemany("DELETE FROM responses WHERE model=? AND key=?", keys)
            self.damaged.clear()
        return len(keys)

    def get(self, fingerprint: str, request_keys: Iterable[str]) -> dict[str, Response]:
        """Return the stored responses among `request_keys`.

        Damaged rows are noted in `damaged` and left out.
        """
        wanted = {key_bytes(key): key for key in request_keys}
        found: dict[str, Response] = {}
        keys = list(wanted)
        with self._told():
            model = self._model(fingerprint)
            for start in range(0, len(keys) if model is not None else 0, _CHUNK):
                part = keys[start : start + _CHUNK]
                for key, payload, mark in self._db.execute(
                    f"SELECT key, payload, checksum FROM responses WHERE model={model} AND key IN "
                    f"({','.join('?' * len(part))})",
                    part,
                ):
                    if not intact(mark, [fingerprint], key, payload):
                        self.damaged.add(bytes(key).hex())
                        continue
                    found[wanted[key]] = decode(wanted[key], payload)
        return found

    def missing(self, fingerprint: str, request_keys: Iterable[str]) -> list[str]:
        """Return the keys among `request_keys` that have no stored response, each once,
        in order of first appearance.
        """
        wanted = {key_bytes(key): key for key in request_keys}
        return [wanted[key] for key in self._absent(fingerprint, b"".join(wanted))[0]]

    def missing_in(self, fingerprint: str, blocks: Iterable[str]) -> tuple[list[str], int]:
        """Return what `missing` does for keys that stand side by side in hex, 32 digits each,
        and how many distinct keys there are.
        """
        lacking, distinct = self._absent(
            fingerprint, b"".join(bytes.fromhex(block) for block in blocks)
        )
        return [key.hex() for key in lacking], distinct

    def _absent(self, fingerprint: str, wanted: bytes) -> tuple[list[bytes], int]:
        with self._told():
            model = self._model(fingerprint)
            stored = b"" if model is None else self._stored(model, wanted)
        if self.damaged:
            sound = (
                stored[start : start + KEY_BYTES] for start in range(0, len(stored), KEY_BYTES)
            )
            stored = b"".join(key for key in sound if key.hex() not in self.damaged)
        return absent(wanted, stored)

    def _stored(self, model: int, wanted: bytes) -> bytes:
        """Keys of a model, side by side.

        All of them when many are wanted, else only those wanted.
        """
        if len(wanted) >= _MANY * KEY_BYTES:
            # subtle: one value made inside SQLite is five times as fast as rows, and sixteenths
            # keep it below SQLite's limit of 1e9 bytes
            parts = (
                self._db.execute(
                    "SELECT CAST(group_concat(key, '') AS BLOB) FROM responses WHERE "
                    f"model={model} AND key >= ? {'AND key < ?' if part < 15 else ''}",
                    [bytes([16 * part]), bytes([16 * (part + 1)])]
                    if part < 15
                    else [bytes([16 * part])],
                ).fetchone()[0]
                for part in range(16)
            )
            return b"".join(part for part in parts if part)
        found: list[bytes] = []
        keys = [wanted[start : start + KEY_BYTES] for start in range(0, len(wanted), KEY_BYTES)]
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            query = (
                f"SELECT key FROM responses WHERE model={model} AND key IN "
                f"({','.join('?' * len(part))})"
            )
            found.extend(key for (key,) in self._db.execute(query, part))
        return b"".join(found)

    def put_records(self, kind: str, records: Sequence[tuple[str, Any]]) -> None:
        """Write JSON-ready records of one kind, replacing the kind as a whole in one transaction;
        what is there already is left alone.

        Parameters
        ----------
        kind
            Such as ``tasks`` or ``cells/mmlu/anatomy``.
        records
            Pairs of id and value, in the order they are to be read back.
        """
        rows = []
        for position, (name, value) in enumerate(records):
            payload = json.dumps(
                value, separators=(",", ":"), ensure_ascii=True, allow_nan=False
            ).encode("ascii")
            rows.append(
                (
                    kind,
                    name,
                    position,
                    payload,
                    checksum(kind.encode(), name.encode("utf-8", "surrogatepass"), payload),
                )
            )
        with self._told():
            there = self._db.execute(
                "SELECT id, payload, checksum FROM records WHERE kind=? ORDER BY position", (kind,)
            ).fetchall()
        if there == [(name, payload, mark) for _, name, _, payload, mark in rows]:
            return
        with self._transaction() as db:
            db.execute("DELETE FROM records WHERE kind=?", (kind,))
            db.executemany("INSERT INTO records VALUES (?,?,?,?,?)", rows)

    def get_records(self, kind: str, *, skip_damaged: bool = False) -> list[tuple[str, Any]]:
        """Return the records of one kind in order.

        Parameters
        ----------
        kind
            As for `put_records`.
        skip_damaged
            Leave out records that fail their checksum; for what is about to be written anew.

        Raises
        ------
        StoreError
            When a record fails its checksum.
        """
        out = []
        with self._told():
            for name, payload, mark in self._db.execute(
                "SELECT id, payload, checksum FROM records WHERE kind=? ORDER BY position", (kind,)
            ):
                if not intact(mark, [kind, name], payload):
                    if skip_damaged:
                        continue
                    raise StoreError(
                        f"{self.path}: record {kind}/{name} fails its checksum. "
                        "Run the same command again to write it anew."
                    )
                out.append((name, json.loads(payload)))
        return out

    def count(self, *, set_aside: bool = False) -> int:
        """Return the number of stored responses.

        Parameters
        ----------
        set_aside
            Count those too that failed their checksum and were put aside.
        """
        with self._told():
            tables = ("responses", "set_aside") if set_aside else ("responses",)
            return sum(
                int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in tables
            )

    def check(self) -> Integrity:
        """Read every row and verify its checksum, and let SQLite check its own structure."""
        damaged: list[str] = []
        count = 0
        try:
            structure = tuple(
                row[0] for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok"
            )
            names = dict(self._db.execute("SELECT id, fingerprint FROM models"))
            for model, key, payload, mark in self._db.execute(
                "SELECT model, key, payload, checksum FROM responses"
            ):
                count += 1
                if not intact(mark, [names.get(model, "")], key, payload):
                    damaged.append(key.hex() if isinstance(key, bytes) else repr(key))
            for kind, name, payload, mark in self._db.execute(
                "SELECT kind, id, payload, checksum FROM records"
            ):
                if not intact(mark, [kind, name], payload):
                    damaged.append(f"{kind}/{name}")
        except sqlite3.DatabaseError as error:
            structure = (str(error),)
        if damaged or structure:
            self._file.refuse_changed()
        return Integrity(n_responses=count, damaged=tuple(damaged), structure=structure)

    def close(self) -> None:
        """Close the file; a writer folds the log back so that one file holds everything."""
        self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
