"""Responses: what was acknowledged is kept, once, and a damaged row never passes for an answer."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.errors import StoreError
from evalkit.records import Response, digest
from evalkit.store.responses import Store
from evalkit.store.rows import key_bytes
from evalkit.store.sqlite_file import SqliteFile


def response(name: str, value: float = -1.5) -> Response:
    """Return a small response."""
    return Response(key=name, logprobs=(value, -2.0), token_counts=(1, 2), prompt_tokens=7)


def test_what_was_put_comes_back_equal(tmp_path: Path) -> None:
    """Every field survives, odd characters included."""
    odd = Response(
        key="k",
        text="a\u2028b\ud800\x00‮",
        finish_reason="length",
        truncated=True,
        sent="x",
        prompt_tokens=3,
        boundary=True,
    )
    with Store(tmp_path / "r.sqlite") as store:
        store.put("fp", [odd])

    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        assert store.get("fp", ["k"]) == {"k": odd}


def test_a_response_of_another_model_is_not_found(tmp_path: Path) -> None:
    """The key holds the backend's fingerprint."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put("one", [response("k")])

        assert (store.get("two", ["k"]), store.missing("two", ["k"])) == ({}, ["k"])


def test_a_stored_response_is_never_rewritten(tmp_path: Path) -> None:
    """The first answer stays."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put("fp", [response("k", -1.0)])
        store.put("fp", [response("k", -9.0)])

        assert store.get("fp", ["k"])["k"].logprobs[0] == -1.0


def test_a_failed_response_is_not_stored(tmp_path: Path) -> None:
    """Our failure is not an answer: the next run asks again."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put("fp", [Response(key="k", error="nan", finish_reason="error")])

        assert store.missing("fp", ["k"]) == ["k"]


def test_a_flipped_bit_is_noticed_and_repaired_by_asking_again(tmp_path: Path) -> None:
    """A row that fails its checksum counts as absent until a new answer replaces it."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k")])
    db = sqlite3.connect(path)
    (payload,) = db.execute("SELECT payload FROM responses").fetchone()
    db.execute(
        "UPDATE responses SET payload=?", (bytes([payload[0], payload[1] ^ 1, *payload[2:]]),)
    )
    db.commit()
    db.close()

    with Store(path) as store:
        assert store.get("fp", ["k"]) == {}
        assert store.check().damaged == (key_bytes("k").hex(),)
        assert store.missing("fp", ["k"]) == ["k"]
        store.put("fp", [response("k")])
        assert store.get("fp", ["k"])["k"] == response("k")


def test_a_foreign_sqlite_file_is_refused(tmp_path: Path) -> None:
    """Somebody else's database is not touched."""
    db = sqlite3.connect(tmp_path / "r.sqlite")
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()

    with pytest.raises(StoreError, match="not one of evalkit's"):
        Store(tmp_path / "r.sqlite")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Random bytes are named as damage."""
    (tmp_path / "r.sqlite").write_bytes(b"not a database" * 200)

    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "r.sqlite")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old evalkit does not guess at a new file."""
    with Store(tmp_path / "r.sqlite"):
        pass
    db = sqlite3.connect(tmp_path / "r.sqlite")
    db.execute("PRAGMA user_version=99")
    db.commit()
    db.close()

    with pytest.raises(StoreError, match="Update evalkit"):
        Store(tmp_path / "r.sqlite")


def test_records_come_back_in_order_and_replace_their_kind(tmp_path: Path) -> None:
    """Writing a kind again leaves nothing of the old one."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put_records("k", [("b", 1), ("a", [2.5, None, "ü"])])
        store.put_records("k", [("z", 3), ("b", {"x": 1})])

        assert store.get_records("k") == [("z", 3), ("b", {"x": 1})]


def test_a_reader_that_a_writer_overtook_does_not_speak_of_damage(tmp_path: Path) -> None:
    """Opened while nobody wrote; then a run appends a hundred times what was there:
    that is said, not "damaged".
    """
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response(f"k{i}") for i in range(2000)])
    reader = Store(path, read_only=True)
    with Store(path) as writer:
        for start in range(2000, 9000, 50):
            writer.put("fp", [response(f"k{i}") for i in range(start, start + 50)])
        told = []
        for look in (reader.check, lambda: reader.get("fp", [f"k{i}" for i in range(9000)])):
            try:
                look()
            except StoreError as error:
                told.append(str(error))
    reader.close()

    assert told, "the reader saw nothing of it, so this test shows nothing"
    assert all("another process began to write while this one read" in text for text in told)
    with Store(path, read_only=True) as store:
        assert store.check().sound


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A report can be made while a run writes."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put("fp", [response("k")])
        with Store(tmp_path / "r.sqlite", read_only=True) as reader:
            store.put("fp", [response("l")])

            assert set(reader.get("fp", ["k", "l"])) == {"k", "l"}


def test_many_keys_are_compared_at_once_with_the_same_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way for millions of keys gives what the way for a few gives, damaged rows included."""
    names = [digest(index) for index in range(400)]
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response(name) for name in names[::3]])
        store.put("other", [response(name) for name in names[::2]])
    db = sqlite3.connect(path)
    db.execute(
        "UPDATE responses SET payload=x'5b5d' WHERE model=1 AND key=?", (bytes.fromhex(names[3]),)
    )
    db.commit()
    db.close()
    outcomes = []
    for many in (10**9, 1):
        monkeypatch.setattr("evalkit.store.responses._MANY", many)
        with Store(path, read_only=True) as store:
            assert len(store.get("fp", names)) == 133
            outcomes.append(
                (
                    store.missing("fp", names),
                    store.missing_in("fp", ["".join(names), names[5] + names[0]]),
                )
            )

    expected = [name for index, name in enumerate(names) if index % 3 or index == 3]
    assert outcomes == [(expected, (expected, 400))] * 2


def test_a_damaged_row_is_kept_aside_for_inspection(tmp_path: Path) -> None:
    """Asking anew does not destroy what was found."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k"), response("l")])
    db = sqlite3.connect(path)
    db.execute("UPDATE responses SET payload=x'5b5d' WHERE id=1")
    db.commit()
    with Store(path) as store:
        store.get("fp", ["k", "l"])
        moved = store.set_aside("fp")

        assert (moved, store.count(), store.missing("fp", ["k", "l"])) == (1, 1, ["k"])
    assert db.execute("SELECT key, payload FROM set_aside").fetchall() == [(key_bytes("k"), b"[]")]
    db.close()


def test_a_key_of_any_text_is_sixteen_bytes() -> None:
    """Hex digests are taken as they are; upper case, blanks and other texts are never mistaken
    for one.
    """
    name = digest("x")
    texts = [name, name.upper(), f" {name[1:]}", "k", "\ud800", "é" * 16]

    assert key_bytes(name) == bytes.fromhex(name)
    assert ({len(key_bytes(text)) for text in texts}, len({key_bytes(text) for text in texts})) == (
        {16},
        6,
    )


def _newer(monkeypatch: pytest.MonkeyPatch, step: Callable[[sqlite3.Connection], None]) -> None:
    """Pretend that this evalkit writes schema 2, and how it gets there from 1."""
    monkeypatch.setattr("evalkit.store.sqlite_file.SCHEMA", 2)
    monkeypatch.setattr("evalkit.store.sqlite_file._MIGRATIONS", {1: step})


def test_an_older_file_is_migrated_once_and_keeps_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer evalkit reads what an older one wrote."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k")])
    calls: list[int] = []

    def step(db: sqlite3.Connection) -> None:
        calls.append(1)
        db.execute("ALTER TABLE meta ADD COLUMN note TEXT")

    _newer(monkeypatch, step)
    for _ in range(2):
        with Store(path) as store:
            assert store.get("fp", ["k"]) == {"k": response("k")}
    db = sqlite3.connect(path)

    assert (calls, db.execute("PRAGMA user_version").fetchone()[0]) == ([1], 2)
    db.close()


def test_a_migration_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing: the half-made table is not there, the version is the old one."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k")])

    def step(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        db.execute("INSERT INTO nowhere VALUES (1)")

    _newer(monkeypatch, step)
    with pytest.raises(StoreError, match="nowhere"):
        Store(path)
    monkeypatch.undo()
    with Store(path, read_only=True) as store:
        assert (store.count(), store.check().sound) == (1, True)
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM sqlite_master WHERE name='half'").fetchone() == (0,)
    db.close()


def test_a_reader_of_an_older_file_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrated in memory, so that a report needs no right to write."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k")])
    before = path.read_bytes()

    def step(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE meta ADD COLUMN note TEXT")

    _newer(monkeypatch, step)
    with Store(path, read_only=True) as store:
        assert store.get("fp", ["k"]) == {"k": response("k")}

    assert path.read_bytes() == before


def test_a_version_that_nothing_leads_from_is_refused(tmp_path: Path) -> None:
    """Schema 0 was never released."""
    path = tmp_path / "r.sqlite"
    with Store(path):
        pass
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=0")
    db.commit()
    db.close()

    with pytest.raises(StoreError, match="schema 0 is too old"):
        Store(path)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "ALTER TABLE responses RENAME TO r; CREATE VIEW responses AS WITH RECURSIVE c(x) "
            "AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x AS id, 1 AS model, x'00' AS key, "
            "x'00' AS payload, x'00' AS checksum FROM c",
            "view 'responses'",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM responses; END",
            "trigger 't'",
        ),
        ("CREATE INDEX i ON responses (checksum)", "index 'i'"),
    ],
    ids=["view", "trigger", "index"],
)
def test_what_evalkit_does_not_make_is_refused(statement: str, what: str, tmp_path: Path) -> None:
    """A view may have no end, a trigger may delete: neither is read, whoever reads."""
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("k")])
    db = sqlite3.connect(path)
    db.executescript(statement)
    db.close()
    for read_only in (True, False):
        with pytest.raises(StoreError, match=f"holds a {what}, which evalkit does not make"):
            Store(path, read_only=read_only)


def test_without_shared_memory_the_rollback_journal_keeps_what_was_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network mounts: a store with a log is taken over, a second reader is not locked
    out, and the log comes back where it can.
    """
    path = tmp_path / "r.sqlite"
    with Store(path) as store:
        store.put("fp", [response("a")])
    with monkeypatch.context() as patch:
        patch.setattr(SqliteFile, "_open_with_log", lambda self: False)
        with Store(path) as store:
            store.put("fp", [response("b")])
            with Store(path) as other:
                seen = other.count()
            mode = store._db.execute("PRAGMA journal_mode").fetchone()[0]
    with Store(path) as store:
        back = store._db.execute("PRAGMA journal_mode").fetchone()[0]

        assert (mode, seen, back, store.count()) == ("delete", 2, "wal", 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SQLITE_IOERR_WRITE", "the disk failed for a moment"),
        ("SQLITE_FULL", "the disk is full"),
        ("SQLITE_BUSY", "another process is writing"),
        ("SQLITE_READONLY", "cannot be written"),
        ("SQLITE_CORRUPT", "is damaged"),
        ("SQLITE_NOTADB", "is damaged"),
    ],
)
def test_an_accident_is_not_called_damage(name: str, said: str, tmp_path: Path) -> None:
    """Only what SQLite itself finds damaged is; everything else is of the disk,
    and what was acknowledged is kept.
    """

    class Accident(sqlite3.DatabaseError):
        sqlite_errorname = name

    with (
        Store(tmp_path / "r.sqlite") as store,
        pytest.raises(StoreError, match=said) as caught,
        store._told(),
    ):
        raise Accident("words of SQLite")
    assert ("is damaged" in str(caught.value)) == (said == "is damaged")


def test_the_reason_of_a_failed_write_is_found_by_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says that a write failed; a write beside it says that the quota is used up,
    and leaves nothing.
    """

    class Accident(sqlite3.DatabaseError):
        sqlite_errorname = "SQLITE_IOERR_WRITE"

    def fail(*arguments: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with Store(tmp_path / "r.sqlite") as store:
        before = sorted(tmp_path.iterdir())
        monkeypatch.setattr(os, "pwrite", fail)
        with (
            pytest.raises(
                StoreError, match=r"the quota is used up.* What was acknowledged is kept"
            ),
            store._told(),
        ):
            raise Accident("disk I/O error")

        assert sorted(tmp_path.iterdir()) == before
