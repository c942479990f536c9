"""Room 5: responses in SQLite, so that what was acknowledged is never lost, doubled or silently changed.

One file holds many responses, keyed by digest(backend fingerprint, request). The same class serves the run directory and the cache
that runs share. Choices and their measurements are in ``docs/decisions/0004-store.md``:

* WAL, ``synchronous=FULL``, one transaction per batch: kill -9 and power loss keep every acknowledged batch.
* Rows are inserted once and never updated; a key that exists is left alone.
* Every row carries a blake2b checksum over key and payload; a row that fails it is reported and treated as absent, never used.
* Where WAL is not to be had (some network disks), the rollback journal is used instead: slower, as safe.

Not handled here: what a run is (`evalkit.rundir`) and which requests are wanted (`evalkit.plan`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import Response

__all__ = ["SCHEMA", "Integrity", "Store", "storage_key"]

SCHEMA = 1
"""Version of the tables; raised with a migration in `_MIGRATIONS`."""

APPLICATION_ID = 0x65766B74  # "evkt"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS responses (key BLOB PRIMARY KEY, payload BLOB NOT NULL, checksum BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Outcome of a full check of a store."""

    n_responses: int
    """Rows read."""
    damaged: tuple[str, ...]
    """Hex keys (or record ids) of rows whose checksum fails."""
    structure: tuple[str, ...]
    """What SQLite itself reports; empty when sound."""

    @property
    def sound(self) -> bool:
        """Return whether nothing is damaged."""
        return not self.damaged and not self.structure


def storage_key(fingerprint: str, request_key: str) -> bytes:
    """Return the 16-byte key of a response.

    Parameters
    ----------
    fingerprint
        Digest of the backend's fingerprint.
    request_key
        `Request.key`.
    """
    return hashlib.blake2b(f"{fingerprint}\x1f{request_key}".encode(), digest_size=16).digest()


def _checksum(*parts: bytes) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def _encode(response: Response) -> bytes:
    """Payload of a response: a compact JSON list; defaults at the end are cut off."""
    row: list[Any] = [
        list(response.logprobs),
        list(response.token_counts),
        response.text,
        response.finish_reason,
        response.error,
        int(response.truncated),
        response.sent,
        response.prompt_tokens,
        int(response.boundary),
    ]
    return json.dumps(row, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _decode(request_key: str, payload: bytes) -> Response:
    logprobs, counts, text, finish, error, truncated, sent, prompt_tokens, boundary = json.loads(payload)
    return Response(
        key=request_key,
        logprobs=tuple(logprobs),
        token_counts=tuple(counts),
        text=text,
        finish_reason=finish,
        error=error,
        truncated=bool(truncated),
        sent=sent,
        prompt_tokens=prompt_tokens,
        boundary=bool(boundary),
    )


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
        if read_only and not path.is_file():
            raise StoreError(f"{path}: no such file; a run directory holds responses.sqlite. Check the path.")
        with self._told():
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            # subtle: reading a file without a log as if it could change would leave an empty log beside it
            alone = read_only and not path.with_name(f"{path.name}-wal").exists()
            mode = "ro&immutable=1" if alone else "ro" if read_only else "rwc"
            target = f"{path.resolve().as_uri()}?mode={mode}"
            self._db = sqlite3.connect(target, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._prepare()

    def _prepare(self) -> None:
        db = self._db
        db.execute("PRAGMA trusted_schema=OFF")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not empty and application != APPLICATION_ID:
            raise StoreError(f"{self.path}: is a SQLite file but not one of evalkit's. Name another --out, or move the file away.")
        if version > SCHEMA:
            raise StoreError(
                f"{self.path}: schema {version} is newer than {SCHEMA}, the newest this evalkit reads. Update evalkit: pip install -U evalkit"
            )
        if self.read_only:
            return
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=256")
        db.execute("PRAGMA journal_size_limit=4194304")
        if empty:
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into ours, with what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "full" in text:
                free = shutil.disk_usage(self.path.parent).free
                raise StoreError(
                    f"{self.path}: the disk is full ({free / 2**20:.1f} MiB free). What was acknowledged is kept. Free at least 64 MiB, then run the same command again."
                ) from error
            if "locked" in text or "busy" in text:
                raise StoreError(
                    f"{self.path}: another process is writing. Wait for it to finish, then run the same command again."
                ) from error
            if "readonly" in text or "unable to open" in text:
                raise StoreError(
                    f"{self.path}: cannot be written ({text}). Check the folder's permissions, or name another --out."
                ) from error
            raise StoreError(
                f"{self.path}: is damaged ({text}). Nothing of it was used. Type 'evalkit check {self.path.parent}' for details, or move it away to start afresh."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}. Check the folder, or name another --out.") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Write a batch in one transaction; when this returns, the batch survives a crash.

        Keys that exist are left as they are. Responses with an error are not stored: our failure is not an answer, so the next run
        asks again.
        """
        rows = []
        for response in responses:
            if response.error:
                continue
            key, payload = storage_key(fingerprint, response.key), _encode(response)
            rows.append((key, payload, _checksum(key, payload)))
        if not rows:
            return
        with self._transaction() as db:
            repaired = [(key,) for key, _, _ in rows if key.hex() in self.damaged]
            db.executemany("DELETE FROM responses WHERE key=?", repaired)
            db.executemany("INSERT OR IGNORE INTO responses VALUES (?,?,?)", rows)
        self.damaged.difference_update(key.hex() for (key,) in repaired)

    def get(self, fingerprint: str, request_keys: Iterable[str]) -> dict[str, Response]:
        """Return the stored responses among `request_keys`; damaged rows are noted in `damaged` and left out."""
        wanted = {storage_key(fingerprint, key): key for key in request_keys}
        found: dict[str, Response] = {}
        keys = list(wanted)
        with self._told():
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                for key, payload, checksum in self._db.execute(
                    f"SELECT key, payload, checksum FROM responses WHERE key IN ({marks})", part
                ):
                    if _checksum(key, payload) != checksum:
                        self.damaged.add(bytes(key).hex())
                        continue
                    found[wanted[key]] = _decode(wanted[key], payload)
        return found

    def missing(self, fingerprint: str, request_keys: Iterable[str]) -> list[str]:
        """Return the keys among `request_keys` that have no stored response, each once, in order of first appearance."""
        wanted = {storage_key(fingerprint, key): key for key in request_keys}
        keys = list(wanted)
        with self._told():
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                for (key,) in self._db.execute(f"SELECT key FROM responses WHERE key IN ({marks})", part):
                    if bytes(key).hex() not in self.damaged:
                        del wanted[key]
        return list(wanted.values())

    def put_records(self, kind: str, records: Sequence[tuple[str, Any]]) -> None:
        """Write JSON-ready records of one kind, replacing the kind as a whole in one transaction.

        Parameters
        ----------
        kind
            Such as ``tasks`` or ``cells/mmlu/anatomy``.
        records
            Pairs of id and value, in the order they are to be read back.
        """
        rows = []
        for position, (name, value) in enumerate(records):
            payload = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")
            rows.append((kind, name, position, payload, _checksum(kind.encode(), name.encode("utf-8", "surrogatepass"), payload)))
        with self._transaction() as db:
            db.execute("DELETE FROM records WHERE kind=?", (kind,))
            db.executemany("INSERT INTO records VALUES (?,?,?,?,?)", rows)

    def get_records(self, kind: str) -> list[tuple[str, Any]]:
        """Return the records of one kind in order.

        Raises
        ------
        StoreError
            When a record fails its checksum.
        """
        out = []
        with self._told():
            for name, payload, checksum in self._db.execute(
                "SELECT id, payload, checksum FROM records WHERE kind=? ORDER BY position", (kind,)
            ):
                if _checksum(kind.encode(), name.encode("utf-8", "surrogatepass"), payload) != checksum:
                    raise StoreError(f"{self.path}: record {kind}/{name} fails its checksum. Run the same command again to write it anew.")
                out.append((name, json.loads(payload)))
        return out

    def count(self) -> int:
        """Return the number of stored responses."""
        with self._told():
            return int(self._db.execute("SELECT count(*) FROM responses").fetchone()[0])

    def check(self) -> Integrity:
        """Read every row and verify its checksum, and let SQLite check its own structure."""
        damaged: list[str] = []
        count = 0
        try:
            structure = tuple(row[0] for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok")
            for key, payload, checksum in self._db.execute("SELECT key, payload, checksum FROM responses"):
                count += 1
                if _checksum(key, payload) != checksum:
                    damaged.append(bytes(key).hex())
            for kind, name, payload, checksum in self._db.execute("SELECT kind, id, payload, checksum FROM records"):
                if _checksum(kind.encode(), name.encode("utf-8", "surrogatepass"), payload) != checksum:
                    damaged.append(f"{kind}/{name}")
        except sqlite3.DatabaseError as error:
            structure = (str(error),)
        return Integrity(n_responses=count, damaged=tuple(damaged), structure=structure)

    def close(self) -> None:
        """Close the file; a writer folds the log back so that one file holds everything."""
        if not self.read_only:
            with suppress(sqlite3.DatabaseError):  # the log itself is complete; the next opening folds it back
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
