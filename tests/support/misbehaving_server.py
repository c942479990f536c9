"""A server on loopback with the OpenAI interface that misbehaves on purpose,
and fixtures around it.

The folder is on the path of the tests (pyproject.toml); ``tests/backends/conftest.py`` takes the
fixtures.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evalkit.backends.openai.backend import OpenAIBackend
from evalkit.records import Ask, ModelSpec, Request, Response

CANARY = "sk-canary-0123456789abcdef"
Behaviour = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """One exchange: takes the next behaviour of the script, or the standing one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body, note it, behave."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner: Server = self.server.owner  # type: ignore[attr-defined]
        with owner.lock:
            owner.seen.append((self.path, body, dict(self.headers), time.monotonic()))
            owner.running += 1
            owner.most_running = max(owner.most_running, owner.running)
            behave = owner.script.pop(0) if owner.script else owner.standing
        try:
            behave(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with owner.lock:
                owner.running -= 1

    def send(self, status: int, content: str, **headers: str) -> None:
        """Send a whole answer."""
        data = content.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class Server:
    """A loopback server and what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any], dict[str, str], float]] = []
        self.script: list[Behaviour] = []
        self.standing: Behaviour = good("Paris")
        self.running = 0
        self.most_running = 0
        self.lock = threading.Lock()
        self.gone = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.http.owner = self  # type: ignore[attr-defined]
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.http.server_port}/v1"


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server that answers ``Paris``."""
    made = Server()
    yield made
    made.gone.set()
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def open_backend(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., OpenAIBackend]]:
    """Give a function that opens a backend on the server; all are closed at the end."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    made: list[OpenAIBackend] = []

    def get(chat_template: str = "none", **options: Any) -> OpenAIBackend:
        quick = {
            "api": "chat",
            "scoring": "text",
            "tries": 4,
            "backoff": 0.01,
            "timeout": 5,
            "concurrency": 1,
            **options,
        }
        made.append(
            OpenAIBackend(
                ModelSpec(
                    backend="openai",
                    name=f"m@{server.url}",
                    chat_template=chat_template,
                    options=quick,
                )
            )
        )
        return made[-1]

    yield get
    for backend in made:
        backend.close()


def chat_body(text: str | None, **changes: Any) -> dict[str, Any]:
    """Body of a good chat answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        **changes,
    }
    return {
        "id": "1",
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }


def good(text: str) -> Behaviour:
    """Answer with a text."""
    return lambda handler, body: handler.send(200, json.dumps(chat_body(text)))


def body(content: Any) -> Behaviour:
    """Answer with status 200 and this content."""
    return lambda handler, _: handler.send(
        200, content if isinstance(content, str) else json.dumps(content)
    )


def status(
    code: int, message: str = "no", *, error: dict[str, str] | None = None, **headers: str
) -> Behaviour:
    """Answer with an error status."""
    return lambda handler, _: handler.send(
        code, json.dumps({"error": {"message": message, **(error or {})}}), **headers
    )


def hang(handler: Handler, _: dict[str, Any]) -> None:
    """Say nothing until the test is over."""
    handler.server.owner.gone.wait(20)  # type: ignore[attr-defined]
    handler.close_connection = True


def drip(handler: Handler, _: dict[str, Any]) -> None:
    """Send a good answer one letter at a time, each well within a read timeout."""
    content = json.dumps(chat_body("Paris")).encode()
    handler.send_response(200)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    for letter in content:
        handler.wfile.write(bytes([letter]))
        if handler.server.owner.gone.wait(0.1):  # type: ignore[attr-defined]
            return


def reset(handler: Handler, _: dict[str, Any]) -> None:
    """Break the connection in the middle of the body."""
    handler.send_response(200)
    handler.send_header("content-length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def cut(handler: Handler, _: dict[str, Any]) -> None:
    """Send half of a JSON text as if it were all."""
    handler.send(200, json.dumps(chat_body("Paris"))[:40])


HEALING: dict[str, Behaviour] = {
    "429": status(429),
    "429, wait in seconds": status(429, retry_after="0"),
    "429, wait until a date": status(429, retry_after="Sat, 21 Nov 2020 10:00:00 GMT"),
    "429, unreadable wait": status(429, retry_after="soon"),
    "408": status(408),
    "500": status(500),
    "502 with HTML": lambda handler, _: handler.send(502, "<html>Bad gateway</html>"),
    "503": status(503),
    "529": status(529),
    "reset in the body": reset,
    "cut JSON": cut,
    "no JSON": body("<html>hello</html>"),
    "a list": body([]),
    "no choices": body({"model": "m", "choices": []}),
    "choices of another form": body({"model": "m", "choices": "Paris"}),
    "null content": body(chat_body(None)),
    "no message": body({"model": "m", "choices": [{"finish_reason": "stop"}]}),
    "200 with an error": body({"error": {"message": "overloaded", "code": 500}}),
}
CHOICE = Request(kind="choice", text="2 + 2?\nA. 3\nB. 4\nAnswer:", continuations=(" A", " B"))
ASKED = Request(kind="generate", text="Capital of France?", max_tokens=8)


def answers(backend: OpenAIBackend, *requests: Request) -> list[Response]:
    """All responses, in the order of the requests."""
    found = {
        response.key: response
        for batch in backend.run(list(map(Ask, requests)))
        for response in batch
    }
    return [found[request.key] for request in requests]


def raw(content: bytes, **headers: str) -> Callable[[Handler, dict[str, Any]], None]:
    """Answer with these bytes."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return behave
