"""Servers that drip, cut, redirect, never end or answer with something else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evalkit.catalog import download
from evalkit.catalog.fetch import fetch, fetched, needed
from evalkit.errors import CatalogError, EnvironmentFault, EvalkitError, UsageError
from evalkit.records import Source, Task

Script = Callable[[socket.socket, str], None]
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
HERE = ("127.0.0.1",)
ROWS = b'{"id": "1", "question": "x", "target": "y"}\n'


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], str]]:
    """Return a function that runs a script for every connection and gives the server's address."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    listeners: list[socket.socket] = []

    def start(script: Script) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    path = connection.recv(65536).split(b" ")[1].decode()
                    script(connection, path)
                except (OSError, IndexError):  # gone, or nothing was sent
                    return

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


def task(url: str, local: str = "a/rows.jsonl") -> Task:
    """Return a task whose file comes from an address."""
    return Task(
        name="t",
        benchmark="b",
        reader="table",
        kind="generate",
        metric="exact_match",
        source=Source(local=local, options={"url": url}),
    )


def got(url: str, root: Path, local: str = "a/rows.jsonl") -> list[str]:
    """Fetch one file of a server that is allowed, and return the paths that were recorded."""
    server = url.partition("//")[2].partition("/")[0]
    fetch(needed([task(url, local)], root)[0], root, allowed=[server])
    return [item.path for item in fetched(root)]


def left(root: Path) -> list[str]:
    """Return the files below a folder."""
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def drip(head: bytes, letter: bytes) -> Script:
    """Return a server that sends `head` and then one letter at a time for ever."""

    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(head)
        stop = threading.Event()
        while not stop.wait(0.02):
            connection.sendall(letter)

    return script


@pytest.mark.parametrize(
    ("head", "letter", "message"),
    [
        (OK + b"Content-Length: 100000\r\n\r\n", b"x", "sends less than"),
        (OK + b"\r\n", b"x", "sends less than"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0", "sends less than"),
        (OK + b"X-Head: ", b"x", "gave no answer for"),
        (b"HTTP/1.1 ", b" ", "gave no answer for"),
    ],
    ids=["body", "body without length", "chunk size", "header", "status line"],
)
def test_a_server_that_drips_is_given_up(
    head: bytes, letter: bytes, message: str, serve, tmp_path: Path, monkeypatch
) -> None:
    """Whatever it drips: the time is for the whole answer, not for a byte."""
    monkeypatch.setattr(download, "PATIENCE_S", 0.3)
    url = serve(drip(head, letter)) + "/rows.jsonl"

    with pytest.raises(EnvironmentFault, match=message):
        got(url, tmp_path)
    assert left(tmp_path) == []


def test_a_body_without_end_is_given_up_at_the_limit(serve, tmp_path: Path, monkeypatch) -> None:
    """It is neither held in memory nor left on the disk."""
    from functools import partialmethod

    monkeypatch.setattr(
        download.Answer, "pieces", partialmethod(download.Answer.pieces, limit=1_000_000)
    )

    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(ROWS * 1000)

    with pytest.raises(EnvironmentFault, match="is longer than 1000000 bytes; at most that is got"):
        got(serve(script) + "/rows.jsonl", tmp_path)
    assert left(tmp_path) == []


def test_an_announced_size_beyond_the_limit_is_refused_at_once(serve, tmp_path: Path) -> None:
    """Nothing of the body is read."""

    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(OK + b"Content-Length: 99999999999\r\n\r\n" + ROWS)

    with pytest.raises(EnvironmentFault, match="is longer than"):
        got(serve(script) + "/rows.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n" + ROWS, r"broke off after 44 of 1000 bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + ROWS, "broke off after"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + ROWS, "broke off after"),
        (OK + b"\r\n" + ROWS[:-9], "is no whole .jsonl file"),
        (OK + b"\r\n" + ROWS + b'{"id": "2", "quest', "is no whole .jsonl file"),
        (OK + b"Content-Type: text/html\r\n\r\n" + ROWS, "is a web page, such as a log-in page"),
        (OK + b"\r\n\n <!DOCTYPE html><p>log in", "is a web page, such as a log-in page"),
        (OK + b"\r\nplease log in", "is no whole .jsonl file"),
        (b"HTTP/1.1 511 Log in\r\n\r\n", "answered 511"),
        (b"junk\r\n\r\n", "cannot be reached"),
        (b"", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "cannot be reached"),
    ],
)
def test_what_is_not_the_whole_file_is_refused_and_not_kept(
    answer: bytes, message: str, serve, tmp_path: Path
) -> None:
    """One message of exit code 4; the place stays empty and nothing is recorded."""
    url = serve(lambda connection, path: connection.sendall(answer)) + "/rows.jsonl"

    with pytest.raises(EnvironmentFault, match=message):
        got(url, tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "/internal",
        "http://[::1]/",
    ],
)
def test_a_redirect_elsewhere_is_refused(target: str, serve, tmp_path: Path) -> None:
    """Another protocol, or a machine of the inner network, even the same one."""
    answer = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n".encode()
    url = serve(lambda connection, path: connection.sendall(answer)) + "/rows.jsonl"

    with pytest.raises(EnvironmentFault) as caught:
        got(url, tmp_path)
    assert "redirect" in str(caught.value).lower()
    assert left(tmp_path) == []


def test_a_service_the_user_named_may_redirect_within_itself(
    serve, tmp_path: Path, monkeypatch
) -> None:
    """A mirror of the hub on the inner network sends on to its own store."""
    commit = "a" * 40

    def script(connection: socket.socket, path: str) -> None:
        if path == "/store":
            connection.sendall(OK + b"\r\n" + ROWS)
        elif path.startswith("/api/"):
            connection.sendall(OK + b"\r\n" + json.dumps({"sha": commit}).encode())
        else:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /store\r\n\r\n")

    monkeypatch.setenv("HF_ENDPOINT", serve(script))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = Source(hub="o/r", files=("rows.jsonl",))
    one = Task(name="t", benchmark="b", reader="table", kind="generate", source=source)

    (item,) = fetch(needed([one], tmp_path)[0], tmp_path)

    assert (item.commit, item.path) == (commit, "rows.jsonl")
    assert (tmp_path / "hub/o--r/rows.jsonl").read_bytes() == ROWS


@pytest.mark.parametrize(
    "junk", [b"<html>", b"[]", b'{"sha": 5}', b"{", b"[" * 100_000, b"\xff\xfe", b"null"]
)
def test_a_hub_that_answers_junk_is_one_message(
    junk: bytes, serve, tmp_path: Path, monkeypatch
) -> None:
    """No commit, no file."""
    address = serve(lambda connection, path: connection.sendall(OK + b"\r\n" + junk))
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = Source(hub="o/r", files=("rows.jsonl",))
    one = Task(name="t", benchmark="b", reader="table", kind="generate", source=source)

    with pytest.raises(EnvironmentFault, match="where a commit is expected"):
        fetch(needed([one], tmp_path)[0], tmp_path)


@pytest.mark.parametrize(
    "url",
    ["http://[bad/x", "http://127.0.0.1:99999999/x", "http://127.0.0.1/a b\tc", "ftp://a/b", "http:///x",
     "http://\u2603\ud800/x", "http://a:b:c/x", "HTTP//x", "http://" + "a" * 300 + "/x"],
)  # fmt: skip
def test_a_malformed_address_is_one_message(url: str, tmp_path: Path) -> None:
    """Never a fault of evalkit."""
    with pytest.raises(EvalkitError) as caught:
        got(url, tmp_path)
    assert type(caught.value) in (UsageError, EnvironmentFault)


@pytest.mark.parametrize(
    ("local", "reason"),
    [
        ("../user/.brc", "holds '..'"),
        ("/etc/evil.pth", "is absolute"),
        ("a/../../b.jsonl", "holds '..'"),
        ("C:\\x.jsonl", "is absolute"),
        ("a\\..\\..\\x", "holds '..'"),
        ("link/x.jsonl", "leads out of its folder"),
        ("loop/x.jsonl", "cannot be used"),
        ("a\x00b", "holds a control character"),
        ("x" * 300 + ".jsonl", "cannot be used"),
    ],
)
def test_a_task_cannot_write_outside_the_data_directory(
    local: str, reason: str, tmp_path: Path
) -> None:
    """Neither by its own name nor through a link, for every kind of source."""
    root = tmp_path / "data"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    sources = [
        Source(local=local, options={"url": "http://127.0.0.1:1/x"}),
        Source(local=local, options={"github": "o/r"}),
    ]
    for source in sources:
        one = Task(name="t", benchmark="b", reader="table", kind="generate", source=source)
        with pytest.raises(CatalogError, match=reason):
            needed([one], root)
    (root / "hub" / "o--r").mkdir(parents=True)
    (root / "hub" / "o--r" / "link").symlink_to(tmp_path)
    (root / "hub" / "o--r" / "loop").symlink_to(root / "hub" / "o--r" / "loop")
    hub = Task(name="t", benchmark="b", reader="table", source=Source(hub="o/r", files=(local,)))
    with pytest.raises(CatalogError, match=reason):
        needed([hub], root)


def test_a_file_is_recorded_before_it_is_in_its_place(serve, tmp_path: Path, monkeypatch) -> None:
    """Killed between the two, the file is got again; never is a file there that no record knows."""
    import os

    url = serve(lambda connection, path: connection.sendall(OK + b"\r\n" + ROWS)) + "/rows.jsonl"
    wanted = needed([task(url)], tmp_path)[0]
    moves = os.replace

    def die(source: object, target: Path) -> None:
        if Path(target).name == "rows.jsonl":
            raise KeyboardInterrupt
        moves(source, target)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            fetch(wanted, tmp_path, allowed=HERE)
    assert [item.path for item in fetched(tmp_path)] == ["rows.jsonl"]
    assert left(tmp_path) == ["fetched.json"]

    fetch(wanted, tmp_path, allowed=HERE)
    assert left(tmp_path) == ["fetched.json", "rows.jsonl"]


def test_processes_that_fetch_at_once_lose_no_record(serve, tmp_path: Path) -> None:
    """Every file of every thread is in the record."""
    address = serve(lambda connection, path: connection.sendall(OK + b"\r\n" + ROWS))
    batches = [
        needed([task(f"{address}/{b}-{n}.jsonl", f"a/{b}-{n}.jsonl") for n in range(6)], tmp_path)[
            0
        ]
        for b in range(4)
    ]
    threads = [
        threading.Thread(target=fetch, args=(batch, tmp_path), kwargs={"allowed": HERE})
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(fetched(tmp_path)) == 24


INNER = [
    "http://169.254.169.254/latest/rows.jsonl",
    "http://10.1.2.3/rows.jsonl",
    "http://192.168.0.1:8080/rows.jsonl",
    "http://localhost/rows.jsonl",
    "http://2130706433/rows.jsonl",
    "http://0x7f.1/rows.jsonl",
    "http://0/rows.jsonl",
    "http://%31%32%37.0.0.1/rows.jsonl",
    "http://[::1]/rows.jsonl",
    "http://[::ffff:10.0.0.1]/rows.jsonl",
    "http://[2002:7f00:1::]/rows.jsonl",
    "http://[64:ff9b::a00:1]/rows.jsonl",
    "http://[fd00::1]/rows.jsonl",
    "http://224.0.0.1/rows.jsonl",
    "https://user:word@127.0.0.1/rows.jsonl",
]


@pytest.mark.parametrize("url", INNER)
def test_an_address_of_the_inner_network_is_not_asked(
    url: str, tmp_path: Path, monkeypatch
) -> None:
    """However it is spelt: nothing is connected to, and the message names what allows it."""

    def connect(*_: object, **__: object) -> socket.socket:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(UsageError, match=r"lies in the inner network.*--allow-host"):
        fetch(needed([task(url)], tmp_path)[0], tmp_path, allowed=["10.1.2.30", "elsewhere"])


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:PORT"])
def test_a_host_that_was_allowed_is_asked(allowed: str, serve, tmp_path: Path) -> None:
    """With its port or for all ports."""
    address = serve(lambda connection, path: connection.sendall(OK + b"\r\n" + ROWS))
    named = allowed.replace("PORT", address.rpartition(":")[2])

    fetch(needed([task(address + "/rows.jsonl")], tmp_path)[0], tmp_path, allowed=[named])
    assert left(tmp_path) == ["fetched.json", "rows.jsonl"]


def test_another_port_of_an_allowed_host_is_not_asked(tmp_path: Path) -> None:
    """A port that was named is the only one."""
    wanted = needed([task("http://127.0.0.1:5/rows.jsonl")], tmp_path)[0]

    with pytest.raises(UsageError, match="lies in the inner network"):
        fetch(wanted, tmp_path, allowed=["127.0.0.1:6"])


def test_a_name_that_changes_its_address_is_noticed(serve, tmp_path: Path, monkeypatch) -> None:
    """Outside when it is looked at, inside when it is connected to: nothing is sent."""
    heard: list[str] = []
    address = serve(lambda connection, path: heard.append(path))
    port = int(address.rpartition(":")[2])
    monkeypatch.setattr(download, "is_internal", lambda url: False)
    create = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda place, *rest, **more: create(("127.0.0.1", port))
    )
    wanted = needed([task("http://example.org/rows.jsonl")], tmp_path)[0]

    with pytest.raises(EnvironmentFault, match="leads into the inner network"):
        fetch(wanted, tmp_path)
    assert not heard


def test_a_killed_download_leaves_nothing(serve, tmp_path: Path) -> None:
    """SIGKILL while the body comes: no part of a file stays, where the disk can do that."""
    import os
    import signal
    import subprocess
    import sys

    began = threading.Event()

    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n" + ROWS * 5000)
        began.set()
        connection.recv(1)

    address = serve(script)
    code = (
        "import sys; from pathlib import Path; from evalkit.catalog.fetch import Wanted, fetch\n"
        "root = Path(sys.argv[1])\n"
        "item = Wanted(origin='url', repository=sys.argv[2], revision=None, path='rows.jsonl', "
        "place=root / 'rows.jsonl')\n"
        "fetch([item], root, allowed=['127.0.0.1'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), address])
    assert began.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no nameless files; the next download removes the part")
    assert left(tmp_path) == []
