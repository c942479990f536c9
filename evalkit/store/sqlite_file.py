"""One SQLite file of ours: opened with its log or without, made, migrated,
and its faults told apart.

An accident of disk or locks is never called damage. Not handled here: what the rows mean
(`evalkit.store.responses`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage

from evalkit.errors import StoreError
from evalkit.store.atomic import disk_fault, lacks_locks
from evalkit.store.refusals import cannot_write, no_locks

__all__ = ["SCHEMA", "SqliteFile"]

SCHEMA = 1
"""Version of the tables; raised with a migration in `_MIGRATIONS`."""

BUSY_SECONDS = 30.0
"""How long another process's lock is waited for."""
APPLICATION_ID = 0x65766B74  # "evkt"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS responses (id INTEGER PRIMARY KEY, model INTEGER NOT NULL, key BLOB NOT \
NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL,
  UNIQUE (model, key));
CREATE TABLE IF NOT EXISTS set_aside (id INTEGER PRIMARY KEY, model INTEGER, key BLOB, payload \
BLOB, checksum BLOB);
CREATE TABLE IF NOT EXISTS records (kind TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT \
NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""
_MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {}
"""Schema version -> what makes the next version of it, inside one transaction. Empty: version 1 is
the first."""


class SqliteFile:
    """A connection to one file.

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

    db: sqlite3.Connection
    _as_it_was: tuple[int, ...] | None
    """What tells the file from a changed one, when it was opened as one that nobody writes."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        with self.told():
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            if not self._open_with_log():
                self._open(shared_memory=False)

    def _open_with_log(self) -> bool:
        """Connect as usual; return False, with nothing left open,
        where the log finds no shared memory.
        """
        try:
            self._open(shared_memory=True)
        except sqlite3.OperationalError as error:
            if "SHM" not in _name(error):
                raise
            self.db.close()
            return False
        return True

    def _open(self, *, shared_memory: bool) -> None:
        """Connect and make ready; without shared memory,
        which the log needs, the rollback journal is used.
        """
        path = self.path
        # subtle: reading a file without a log as if it could change would leave an empty log
        # beside it
        alone = self.read_only and not path.with_name(f"{path.name}-wal").exists()
        self._as_it_was = _marks(path) if alone else None
        mode = "ro&immutable=1" if alone else "ro" if self.read_only else "rwc"
        self.db = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        if not shared_memory:  # what a log holds can be read by one process alone
            self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            self._prepare("WAL" if shared_memory else "DELETE")
        except BaseException:  # whatever stops it, no connection stays open; it goes on upwards
            self.db.close()
            raise
        if not shared_memory and not self.read_only:
            self.db.execute("PRAGMA locking_mode=NORMAL")
            self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def _prepare(self, journal: str) -> None:
        db = self.db
        db.execute("PRAGMA trusted_schema=OFF")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        entries = db.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        empty = not entries
        self._refuse_foreign(entries, version=version, ours=application == APPLICATION_ID)
        if self.read_only:
            if not empty and version < SCHEMA:
                self.db = self._migrated_copy(version)
            return
        db.execute(f"PRAGMA journal_mode={journal}")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the log is first met here
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=256")
        db.execute("PRAGMA journal_size_limit=4194304")
        if empty:
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;")
        elif version < SCHEMA:
            with self.transaction() as writing:
                self._migrate(writing)

    def _refuse_foreign(
        self, entries: Sequence[tuple[str, str, str | None]], *, version: int, ours: bool
    ) -> None:
        """Refuse a file of another program or a newer evalkit, and one that somebody added to."""
        if entries and not ours:
            raise StoreError(
                f"{self.path}: is a SQLite file but not one of evalkit's. "
                "Name another --out, or move the file away."
            )
        for kind, name, sql in entries:
            # a view could have no end, a trigger could delete: neither is ours
            made = (sql or "CREATE TABLE").startswith("CREATE TABLE")
            if kind not in {"table", "index"} or not made:
                raise StoreError(
                    f"{self.path}: holds a {kind} {name!r}, which evalkit does not make; "
                    "somebody changed the file. Nothing of it was used. "
                    "Name another --out, or move it away."
                )
        if version > SCHEMA:
            raise StoreError(
                f"{self.path}: schema {version} is newer than {SCHEMA}, "
                "the newest this evalkit reads. Update evalkit: pip install -U evalkit"
            )

    def _migrate(self, db: sqlite3.Connection) -> None:
        """Bring an older file to `SCHEMA`, step by step; all or nothing."""
        version = db.execute("PRAGMA user_version").fetchone()[
            0
        ]  # another process may have done it meanwhile
        while version < SCHEMA:
            if version not in _MIGRATIONS:
                raise StoreError(
                    f"{self.path}: schema {version} is too old; {SCHEMA} is written. "
                    "Run the same command with another --out."
                )
            _MIGRATIONS[version](db)
            version += 1
            db.execute(f"PRAGMA user_version={version}")

    def _migrated_copy(self, version: int) -> sqlite3.Connection:
        """A copy in memory, migrated: a reader changes no file."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.db.backup(copy)
        self.db.close()
        self._migrate(copy)
        return copy

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into ours, with what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._fault(error) from error
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def refuse_changed(self) -> None:
        """Refuse to go on with a file that was quiet when it was opened and is written to now.

        Raises
        ------
        StoreError
            When another process has begun to write since.
        """
        if self._as_it_was is not None and _marks(self.path) != self._as_it_was:
            raise StoreError(
                f"{self.path}: another process began to write while this one read. "
                "Nothing is damaged. Wait for it to finish, then run the same command again."
            )

    def _fault(self, error: sqlite3.DatabaseError) -> StoreError:
        """What to say of an error of SQLite: an accident of disk or locks is none of the file."""
        name, text = _name(error), str(error)
        try:
            self.refuse_changed()
        except StoreError as changed:
            return changed
        kept = "What was acknowledged is kept."
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
            if lacks_locks(self.path):
                return no_locks(self.path)
            return StoreError(
                f"{self.path}: another process is writing. "
                "Wait for it to finish, then run the same command again."
            )
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")):
            found = disk_fault(self.path)
            if found is not None:
                return StoreError(f"{cannot_write(self.path, found)} {kept}")
        if name.startswith("SQLITE_FULL"):
            free = disk_usage(self.path.parent).free / 2**20
            why = "" if free < 64 else ", so a quota or blocks kept for others stand against it"
            return StoreError(
                f"{self.path}: the disk is full ({free:.1f} MiB free{why}). "
                f"{kept} Free at least 64 MiB, then run the same command again."
            )
        if name.startswith("SQLITE_IOERR"):
            return StoreError(
                f"{self.path}: the disk failed for a moment ({text}). "
                f"{kept} Check the disk, the quota or the network mount, then run the same "
                "command again."
            )
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            return StoreError(
                f"{self.path}: cannot be written ({text}). "
                "Check the folder's permissions, or name another --out."
            )
        return StoreError(
            f"{self.path}: is damaged ({text}). Nothing of it was used. "
            f"Type 'evalkit check {self.path.parent}' for details, or move it away to start "
            "afresh."
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; errors are told as by `told`."""
        with self.told():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:  # Ctrl-C too must leave no half transaction; it goes on upwards
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; a writer folds the log back so that one file holds everything."""
        if not self.read_only:
            with suppress(
                sqlite3.DatabaseError
            ):  # the log itself is complete; the next opening folds it back
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


def _name(error: sqlite3.Error) -> str:
    """SQLite's own name of an error, such as ``SQLITE_IOERR_WRITE``; empty where it has none."""
    return str(getattr(error, "sqlite_errorname", ""))


def _marks(path: Path) -> tuple[int, ...]:
    """What changes when a file is written: itself, or the log beside it."""
    log = path.with_name(f"{path.name}-wal")
    try:
        found, beside = path.stat(), os.path.exists(log)
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, beside
