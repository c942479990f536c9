"""The HTTP backend against a real server on loopback that misbehaves on purpose."""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from evalkit.backends.openai_http import OpenAIBackend
from evalkit.errors import BackendError
from evalkit.records import ModelSpec, Request, Response

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
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

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
def open_backend(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., OpenAIBackend]]:
    """Give a function that opens a backend on the server; all are closed at the end."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    made: list[OpenAIBackend] = []

    def get(chat_template: str = "none", **options: Any) -> OpenAIBackend:
        quick = {"api": "chat", "scoring": "text", "tries": 4, "backoff": 0.01, "timeout": 5, "concurrency": 1, **options}
        made.append(OpenAIBackend(ModelSpec(backend="openai", name=f"m@{server.url}", chat_template=chat_template, options=quick)))
        return made[-1]

    yield get
    for backend in made:
        backend.close()


def chat_body(text: str | None, **changes: Any) -> dict[str, Any]:
    """Body of a good chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **changes}
    return {"id": "1", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}


def good(text: str) -> Behaviour:
    """Answer with a text."""
    return lambda handler, body: handler.send(200, json.dumps(chat_body(text)))


def body(content: Any) -> Behaviour:
    """Answer with status 200 and this content."""
    return lambda handler, _: handler.send(200, content if isinstance(content, str) else json.dumps(content))


def status(code: int, message: str = "no", *, error: dict[str, str] | None = None, **headers: str) -> Behaviour:
    """Answer with an error status."""
    return lambda handler, _: handler.send(code, json.dumps({"error": {"message": message, **(error or {})}}), **headers)


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
ASKED = Request(kind="generate", text="Capital of France?", max_tokens=8)


def answers(backend: OpenAIBackend, *requests: Request) -> list[Response]:
    """All responses, in the order of the requests."""
    found = {response.key: response for batch in backend.run(requests) for response in batch}
    return [found[request.key] for request in requests]


@pytest.mark.parametrize("fault", HEALING.values(), ids=HEALING)
def test_what_may_heal_is_tried_again(server: Server, open_backend: Callable[..., OpenAIBackend], fault: Behaviour) -> None:
    """Two failures and then an answer give the answer, and three attempts are accounted for."""
    backend = open_backend()
    server.seen.clear()
    server.script = [fault, fault]
    (response,) = answers(backend, ASKED)

    assert (response.text, response.error, response.finish_reason, response.prompt_tokens) == ("Paris", "", "stop", 7)
    assert len(server.seen) == 3
    assert backend.stats["retries"] == 2


@pytest.mark.parametrize("fault", HEALING.values(), ids=HEALING)
def test_what_never_heals_is_an_error_and_no_answer(server: Server, open_backend: Callable[..., OpenAIBackend], fault: Behaviour) -> None:
    """After the last attempt the response says why and holds nothing that could be scored."""
    backend = open_backend(tries=3)
    server.seen.clear()
    server.standing = fault
    (response,) = answers(backend, ASKED)

    assert response.error
    assert (response.text, response.logprobs, response.finish_reason) == (None, (), "error")
    assert len(server.seen) == 3


def test_a_server_that_hangs_times_out_and_is_asked_again(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """A hanging request is given up after the timeout; the next attempt is answered."""
    backend = open_backend(timeout=0.4)
    server.script = [hang]
    (response,) = answers(backend, ASKED)

    assert (response.text, backend.stats["retries"]) == ("Paris", 1)


def test_an_answer_that_drips_for_ever_times_out(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """The deadline is for the answer as a whole, so that bytes trickling in do not prolong it."""
    backend = open_backend(timeout=0.4, tries=1)
    server.standing = drip
    (response,) = answers(backend, ASKED)

    assert (response.error, response.text) == ("timeout", None)


@pytest.mark.parametrize(
    ("code", "named"),
    [(400, "the server refuses"), (401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "no model 'm'"), (302, "not followed")],
)
def test_what_cannot_heal_stops_the_run_at_once(server: Server, open_backend: Callable[..., OpenAIBackend], code: int, named: str) -> None:
    """One attempt, exit code 4, and a message that names the cause."""
    backend = open_backend()
    server.seen.clear()
    server.standing = status(code, location="http://127.0.0.1:9/")
    with pytest.raises(BackendError, match=named) as caught:
        answers(backend, ASKED)

    assert caught.value.exit_code == 4
    assert len(server.seen) == 1


def test_a_quota_that_is_used_up_stops_the_run(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Status 429 with ``insufficient_quota`` does not heal by waiting."""
    backend = open_backend()
    server.seen.clear()
    server.standing = status(429, error={"code": "insufficient_quota"})
    with pytest.raises(BackendError, match="quota of the key in OPENAI_API_KEY"):
        answers(backend, ASKED)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (body(chat_body("", finish_reason="content_filter")), "content filter"),
        (status(400, "filtered", error={"code": "content_filter"}), "content filter: filtered"),
        (status(400, "this is over the maximum context length", error={}), "prompt too long for the server"),
        (status(413, "large"), "prompt too long for the server"),
    ],
    ids=["filter", "filter as 400", "too long", "413"],
)
def test_a_request_that_is_lost_does_not_stop_the_others(
    server: Server, open_backend: Callable[..., OpenAIBackend], fault: Behaviour, reason: str
) -> None:
    """One attempt, an error for this request, an answer for the next."""
    backend = open_backend()
    server.seen.clear()
    server.script = [fault]
    lost, kept = answers(backend, ASKED, Request(kind="generate", text="Again?", max_tokens=8))

    assert lost.error.startswith(reason)
    assert (lost.text, kept.text, len(server.seen)) == (None, "Paris", 2)


def test_an_answer_cut_by_the_limit_says_so(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """``finish_reason: length`` is handed on; it is an answer."""
    backend = open_backend()
    server.standing = body(chat_body("Par", finish_reason="length"))

    assert [(r.text, r.finish_reason, r.error) for r in answers(backend, ASKED)] == [("Par", "length", "")]


def test_a_refusal_in_its_own_field_is_the_models_answer(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """The text of a refusal is kept, to be counted as unparsed by scoring."""
    backend = open_backend()
    server.standing = body(chat_body(None, message={"content": None, "refusal": "I cannot."}))

    assert [(r.text, r.error) for r in answers(backend, ASKED)] == [("I cannot.", "")]


def test_text_ends_at_a_stop_text_the_server_ignored(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """At most four stop texts are sent, all are obeyed."""
    backend = open_backend()
    server.standing = good("Paris; or not")
    (response,) = answers(backend, Request(kind="generate", text="x", max_tokens=8, stop=("1", "2", "3", "4", ";")))

    assert (response.text, response.finish_reason) == ("Paris", "stop")
    assert server.seen[-1][1]["stop"] == ["1", "2", "3", "4"]


def test_the_servers_wish_to_wait_is_followed_up_to_the_cap(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Seconds and dates ask for hours here; the account shows a wait of the cap and jitter, not of the backoff."""
    backend = open_backend(longest_wait=0.3, backoff=0.01)
    server.script = [status(429, retry_after="3600"), status(503, retry_after="Fri, 21 Nov 2098 10:00:00 GMT")]
    answers(backend, ASKED)

    assert 0.6 <= backend.stats["waited"] <= 0.6 + 2 * 0.001
    assert backend.stats["rate_limited"] == 1


def test_another_model_is_refused_at_the_start(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """A server that ignores the name and answers with what it has is no model asked for."""
    server.standing = body({**chat_body("Paris"), "model": "other"})
    with pytest.raises(BackendError, match=r"asked for model 'm' and answers as 'other'.*any_model=true"):
        open_backend()

    assert open_backend(any_model=True).fingerprint()["served"] == "other"


def test_another_model_in_the_middle_stops_the_run(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Answers of two models never stand in one run."""
    backend = open_backend()
    server.standing = body({**chat_body("Paris"), "model": "m-2026-01-01"})
    with pytest.raises(BackendError, match="began to answer as 'm-2026-01-01' where it was 'm' before"):
        answers(backend, ASKED)


def questions(number: int) -> list[Request]:
    """Different requests."""
    return [Request(kind="generate", text=f"Question {index}?", max_tokens=4) for index in range(number)]


def test_the_circuit_opens_after_failures_in_a_row(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """After three lost requests in a row nothing more is sent; an answer in between starts the count anew."""
    backend = open_backend(tries=1, circuit=3)
    server.seen.clear()
    server.script = [status(500), status(500), good("Paris")]
    server.standing = status(500)
    with pytest.raises(BackendError, match="3 requests in a row failed, the last with: server error 500: no") as caught:
        answers(backend, *questions(20))

    assert (len(server.seen), caught.value.exit_code) == (6, 4)


def test_a_storm_loses_and_doubles_nothing(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Under random faults on a third of all exchanges every request is answered exactly once, with its own answer."""
    backend = open_backend(concurrency=8, tries=12)
    rng = random.Random(5)
    faults = [fault for name, fault in HEALING.items() if name not in {"null content", "no message", "200 with an error", "a list"}]
    faults = [fault for fault in faults if fault is not HEALING["no choices"] and fault is not HEALING["choices of another form"]]

    def stormy(handler: Handler, sent: dict[str, Any]) -> None:
        with server.lock:
            fault = rng.choice(faults) if rng.random() < 1 / 3 else good(sent["messages"][-1]["content"].upper())
        fault(handler, sent)

    server.standing = stormy
    requests = questions(150)
    found = [response for batch in backend.run(requests) for response in batch]

    assert sorted(response.key for response in found) == sorted(request.key for request in requests)
    assert {r.key: r.text for r in found} == {request.key: request.text.upper() for request in requests}
    assert backend.stats["retries"] > 20


def test_no_more_requests_run_at_once_than_allowed(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """The server never sees more than ``concurrency`` requests, and does see them overlap."""
    backend = open_backend(concurrency=3)

    def slow(handler: Handler, sent: dict[str, Any]) -> None:
        time.sleep(0.05)
        good("Paris")(handler, sent)

    server.standing = slow
    answers(backend, *questions(12))

    assert 2 <= server.most_running <= 3


def test_the_rate_limit_spaces_requests(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """At 3,000 a minute 11 requests span at least ten times 20 ms: a bound from below that a slow machine cannot break."""
    backend = open_backend(rpm=3000, concurrency=8)
    server.seen.clear()
    answers(backend, *questions(11))
    times = sorted(when for *_, when in server.seen)

    assert times[-1] - times[0] > 10 * 0.02 * 0.9


def test_the_spending_ceiling_ends_the_asking(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Each answer costs 7 x 1 + 2 x 2 = 11 millionths; with a ceiling of 30 the fourth is never sent, and says why."""
    backend = open_backend(price_in=1.0, price_out=2.0, max_cost=30e-6)
    found = answers(backend, *questions(5))

    assert [r.error for r in found] == ["", ""] + ["spending ceiling of 3e-05 reached"] * 3
    assert backend.stats["cost"] == pytest.approx(33e-6)
    assert (backend.stats["prompt_tokens"], backend.stats["generated_tokens"]) == (21, 6)


def test_a_stopped_run_does_not_wait_for_a_hanging_server(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """While nothing comes an empty batch does, and closing drops what is under way."""
    backend = open_backend(timeout=600)
    server.standing = hang
    running = backend.run([ASKED])
    first = next(running)
    running.close()  # type: ignore[attr-defined]
    backend.close()

    assert list(first) == []


# What the server can do.


def words(text: str) -> list[str]:
    """Toy tokens: a word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def value(token: str) -> float:
    """Toy log-probability of a token."""
    return -len(token) / 8


def toy(handler: Handler, sent: dict[str, Any]) -> None:
    """Behave as a completions server with echo and alternatives; no chat."""
    if handler.path.endswith("chat/completions"):
        handler.send(404, '{"error": {"message": "no such page"}}')
        return
    tokens = words(sent["prompt"])
    values: list[float | None] = [None, *(value(token) for token in tokens[1:]), -0.5]
    choice = {
        "text": sent["prompt"] + " yes",
        "finish_reason": "length",
        "logprobs": {"tokens": [*tokens, " yes"], "token_logprobs": values},
    }
    handler.send(200, json.dumps({"model": "m", "choices": [choice], "usage": {"prompt_tokens": len(tokens), "completion_tokens": 1}}))


def test_choices_are_scored_by_echo_where_the_server_echoes(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Sums over exactly the continuation's tokens: " the red one" is -4/8 - 4/8 - 4/8, " Mars" is -5/8; the prompt has 4 tokens."""
    server.standing = toy
    backend = open_backend(api="auto", scoring="auto")
    (response,) = answers(
        backend, Request(kind="choice", text="Which planet is it?", system="Be brief.", continuations=(" the red one", " Mars"))
    )

    assert (backend.mode.api, backend.mode.scoring) == ("completions", "echo")
    assert response.logprobs == pytest.approx((-1.5, -0.625))
    assert (response.token_counts, response.prompt_tokens, response.boundary) == ((3, 1), 6, False)
    assert server.seen[-1][1]["prompt"] == "Be brief.\n\nWhich planet is it? Mars"


def test_white_space_at_the_end_of_the_prompt_counts_with_the_continuation(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Prompt "A " and continuation "B" are scored as " B", as lm-eval has it: -2/8."""
    server.standing = toy
    backend = open_backend(api="completions", scoring="echo")
    (response,) = answers(backend, Request(kind="choice", text="Say A ", continuations=("B",)))

    assert (response.logprobs, response.token_counts, response.boundary) == ((-0.25,), (1,), False)


def test_a_token_across_the_boundary_is_counted_and_told(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """The toy token " Answer:A" counts whole for the continuation "A": -9/8."""
    server.standing = toy
    backend = open_backend(api="completions", scoring="echo")
    (response,) = answers(backend, Request(kind="choice", text="Say. Answer:", continuations=("A",)))

    assert (response.logprobs, response.boundary, backend.stats["boundary"]) == ((-1.125,), True, 1)


def tops(text: str, *listed: tuple[str, float]) -> Behaviour:
    """Answer a chat with alternatives of the first token."""
    content = [{"token": listed[0][0], "logprob": listed[0][1], "top_logprobs": [{"token": t, "logprob": v} for t, v in listed]}]
    return body(chat_body(text, logprobs={"content": content}))


def test_letters_are_scored_by_the_first_tokens_alternatives(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Spellings that differ in white space add up; a letter that is not listed gets the lowest listed value, and that is counted."""
    server.standing = tops("A", ("A", -1.0), (" A", -1.0), ("B", -2.0), ("The", -3.0))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, Request(kind="choice", text="?", continuations=(" A", " B", " C")))

    assert backend.mode.scoring == "top"
    assert response.logprobs == pytest.approx((-0.306853, -2.0, -3.0), abs=1e-6)
    assert (response.token_counts, backend.stats["bounded"]) == ((1, 1, 1), 1)
    assert server.seen[-1][1]["max_tokens"] == 1


def test_words_are_scored_by_alternatives_only_when_all_are_listed(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """With "yes" and "no" listed the choice is scored; with "maybe" not listed its text is the answer."""
    server.standing = tops("Yes, it is", ("yes", -0.2), ("no", -2.0))
    backend = open_backend(scoring="auto")
    both, text = answers(
        backend,
        Request(kind="choice", text="?", continuations=(" yes", " no")),
        Request(kind="choice", text="?", continuations=(" yes", " maybe")),
    )

    assert both.logprobs == pytest.approx((-0.2, -2.0))
    assert (text.logprobs, text.text, backend.stats["scored_by_text"]) == ((), "Yes, it is", 1)


def test_letters_of_which_none_is_listed_are_asked_for_as_text(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """The one token of the first try is no answer; a second request lets the model speak."""
    server.standing = tops("The answer is B", ("The", -0.1), ("It", -2.5))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, Request(kind="choice", text="?", continuations=(" A", " B")))

    assert (response.logprobs, response.text) == ((), "The answer is B")
    assert server.seen[-1][1]["max_tokens"] == 16


def test_a_server_without_completions_is_asked_by_chat(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Completions answers 404, alternatives are refused with 400: chat with text is what is left."""

    def plain(handler: Handler, sent: dict[str, Any]) -> None:
        if not handler.path.endswith("chat/completions"):
            handler.send(404, '{"error": {"message": "no such page"}}')
        elif "logprobs" in sent:
            handler.send(400, '{"error": {"message": "logprobs are not supported"}}')
        elif "max_tokens" in sent:
            handler.send(400, '{"error": {"message": "use max_completion_tokens instead"}}')
        else:
            good("B")(handler, sent)

    server.standing = plain
    backend = open_backend(api="auto", scoring="auto")
    (response,) = answers(backend, Request(kind="choice", text="?", continuations=(" A", " B"), system="Be brief."))

    assert (backend.mode.api, backend.mode.scoring, backend.mode.limit_name) == ("chat", "text", "max_completion_tokens")
    assert (response.text, "chat" in backend.capabilities) == ("B", True)
    assert [message["role"] for message in server.seen[-1][1]["messages"]] == ["system", "user"]


def test_a_chat_template_means_the_chat_api(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """With ``--chat-template auto`` the completions API is not even tried."""
    open_backend(chat_template="auto", api="auto")

    assert {path for path, *_ in server.seen} == {"/v1/chat/completions"}


def test_an_option_the_server_cannot_honour_is_refused(server: Server, open_backend: Callable[..., OpenAIBackend]) -> None:
    """Asking for echo of a server that does not echo is an error, not another way of scoring."""
    server.standing = body({"model": "m", "choices": [{"text": "yes", "finish_reason": "stop"}]})
    with pytest.raises(BackendError, match="does not echo log-probabilities"):
        open_backend(api="completions", scoring="echo")


def test_a_server_that_is_not_there_is_said_at_the_start(open_backend: Callable[..., OpenAIBackend], server: Server) -> None:
    """Nobody listens: exit code 4 and the address, after a few attempts."""
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(BackendError, match=rf"{server.url}: gives no usable answer \(connection failed"):
        open_backend()


# Keys.


def test_the_key_is_sent_and_told_nobody(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server that repeats the key in every answer and error does not get it into any file, message or table."""
    from evalkit.cli.main import invoke

    monkeypatch.setenv("MY_KEY", CANARY)
    monkeypatch.setattr("sys.argv", ["evalkit", "run", "--model", CANARY])
    monkeypatch.chdir(tmp_path)
    name = f"m@{server.url},key_env=MY_KEY,api=chat,tries=1,backoff=0"
    words = [
        "run",
        "--model",
        f"openai:{name}",
        "--suite",
        "procedural",
        "--limit",
        "1",
        "--phrasings",
        "1",
        "--resamples",
        "100",
        "--out",
        "run",
    ]
    leaking = body(chat_body(f"the key is {CANARY}", finish_reason=CANARY))
    server.script = [leaking, leaking, status(500, f"bad key {CANARY}"), leaking]
    server.standing = leaking
    codes = [invoke(words)]
    server.standing = status(401, f"Incorrect API key provided: {CANARY}", **{"x_echo": CANARY})
    codes += [invoke([*words, "--fresh"]), invoke([*words, "--fresh", "--json"])]
    seen = capfd.readouterr()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holding = [str(path) for path in files if CANARY.encode() in path.read_bytes() or CANARY in str(path)]

    assert {headers["authorization"] for _, _, headers, _ in server.seen} == {f"Bearer {CANARY}"}
    assert codes == [3, 4, 4]
    assert any(b"the key is ***" in path.read_bytes() for path in files)
    assert (holding, CANARY in seen.out + seen.err) == ([], False)
    assert "MY_KEY" in seen.err


def test_without_a_key_none_is_sent(server: Server, open_backend: Callable[..., OpenAIBackend], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one's own needs no key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    open_backend()

    assert [headers for *_, headers, _ in server.seen if "authorization" in headers] == []


def test_the_public_server_without_a_key_is_an_error_before_any_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(BackendError, match="environment variable OPENAI_API_KEY is empty"):
        OpenAIBackend(ModelSpec(backend="openai", name="gpt-x"))


def test_a_key_that_cannot_be_sent_is_refused_unseen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line end in the middle of a key would be told by the HTTP library with the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nmore")
    with pytest.raises(BackendError) as caught:
        OpenAIBackend(ModelSpec(backend="openai", name=f"m@{server.url}"))

    assert ("OPENAI_API_KEY" in str(caught.value), "secret" in str(caught.value)) == (True, False)
