"""Responses: what was acknowledged is kept, once, and a damaged row never passes for an answer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from evalkit.errors import StoreError
from evalkit.records import Response
from evalkit.response_rows import key_bytes
from evalkit.store import Store


def response(name: str, value: float = -1.5) -> Response:
    """Return a small response."""
    return Response(key=name, logprobs=(value, -2.0), token_counts=(1, 2), prompt_tokens=7)


def test_what_was_put_comes_back_equal(tmp_path: Path) -> None:
    """Every field survives, odd characters included."""
    odd = Response(key="k", text="a\u2028b\ud800\x00‮", finish_reason="length", truncated=True, sent="x", prompt_tokens=3, boundary=True)
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
    db.execute("UPDATE responses SET payload=?", (bytes([payload[0], payload[1] ^ 1, *payload[2:]]),))
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


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A report can be made while a run writes."""
    with Store(tmp_path / "r.sqlite") as store:
        store.put("fp", [response("k")])
        with Store(tmp_path / "r.sqlite", read_only=True) as reader:
            store.put("fp", [response("l")])

            assert set(reader.get("fp", ["k", "l"])) == {"k", "l"}
