"""The HTTP backend against a real server on loopback that misbehaves on purpose."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from misbehaving_server import (
    ASKED,
    HEALING,
    Behaviour,
    Handler,
    Server,
    answers,
    body,
    chat_body,
    drip,
    good,
    hang,
    status,
)

from evalkit.backends.openai.backend import OpenAIBackend
from evalkit.errors import BackendError
from evalkit.records import Ask, Request


@pytest.mark.parametrize("fault", HEALING.values(), ids=HEALING)
def test_what_may_heal_is_tried_again(
    server: Server, open_backend: Callable[..., OpenAIBackend], fault: Behaviour
) -> None:
    """Two failures and then an answer give the answer, and three attempts are accounted for."""
    backend = open_backend()
    server.seen.clear()
    server.script = [fault, fault]
    (response,) = answers(backend, ASKED)

    assert (response.text, response.error, response.finish_reason, response.prompt_tokens) == (
        "Paris",
        "",
        "stop",
        7,
    )
    assert len(server.seen) == 3
    assert backend.stats["retries"] == 2


@pytest.mark.parametrize("fault", HEALING.values(), ids=HEALING)
def test_what_never_heals_is_an_error_and_no_answer(
    server: Server, open_backend: Callable[..., OpenAIBackend], fault: Behaviour
) -> None:
    """After the last attempt the response says why and holds nothing that could be scored."""
    backend = open_backend(tries=3)
    server.seen.clear()
    server.standing = fault
    (response,) = answers(backend, ASKED)

    assert response.error
    assert (response.text, response.logprobs, response.finish_reason) == (None, (), "error")
    assert len(server.seen) == 3


def test_a_server_that_hangs_times_out_and_is_asked_again(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """A hanging request is given up after the timeout; the next attempt is answered."""
    backend = open_backend(timeout=0.4)
    server.script = [hang]
    (response,) = answers(backend, ASKED)

    assert (response.text, backend.stats["retries"]) == ("Paris", 1)


def test_an_answer_that_drips_for_ever_times_out(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The deadline is for the answer as a whole, so that bytes trickling in do not prolong it."""
    backend = open_backend(timeout=0.4, tries=1)
    server.standing = drip
    (response,) = answers(backend, ASKED)

    assert (response.error, response.text) == ("timeout", None)


@pytest.mark.parametrize(
    ("code", "named", "asked"),
    [
        (400, "the server refuses", 2),
        (401, "OPENAI_API_KEY", 1),
        (403, "OPENAI_API_KEY", 2),
        (404, "no model 'm'", 1),
        (302, "not followed", 1),
    ],
)
def test_what_cannot_heal_stops_the_run_at_once(
    server: Server, open_backend: Callable[..., OpenAIBackend], code: int, named: str, asked: int
) -> None:
    """Exit code 4 and a message that names the cause;
    where the prompt may be at fault, a short known one is tried first.
    """
    backend = open_backend()
    server.seen.clear()
    server.standing = status(code, location="http://127.0.0.1:9/")
    with pytest.raises(BackendError, match=named) as caught:
        answers(backend, ASKED)

    assert caught.value.exit_code == 4
    assert len(server.seen) == asked


def test_a_quota_that_is_used_up_stops_the_run(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
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
        (
            status(400, "this is over the maximum context length", error={}),
            "prompt too long for the server",
        ),
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


def test_an_answer_cut_by_the_limit_says_so(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """``finish_reason: length`` is handed on; it is an answer."""
    backend = open_backend()
    server.standing = body(chat_body("Par", finish_reason="length"))

    assert [(r.text, r.finish_reason, r.error) for r in answers(backend, ASKED)] == [
        ("Par", "length", "")
    ]


def test_a_refusal_in_its_own_field_is_the_models_answer(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The text of a refusal is kept, to be counted as unparsed by scoring."""
    backend = open_backend()
    server.standing = body(chat_body(None, message={"content": None, "refusal": "I cannot."}))

    assert [(r.text, r.error) for r in answers(backend, ASKED)] == [("I cannot.", "")]


def test_text_ends_at_a_stop_text_the_server_ignored(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """At most four stop texts are sent, all are obeyed."""
    backend = open_backend()
    server.standing = good("Paris; or not")
    (response,) = answers(
        backend, Request(kind="generate", text="x", max_tokens=8, stop=("1", "2", "3", "4", ";"))
    )

    assert (response.text, response.finish_reason) == ("Paris", "stop")
    assert server.seen[-1][1]["stop"] == ["1", "2", "3", "4"]


def test_the_servers_wish_to_wait_is_followed_up_to_the_cap(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Seconds and dates ask for hours here; the account shows a wait of the cap and jitter,
    not of the backoff.
    """
    backend = open_backend(longest_wait=0.3, backoff=0.01)
    server.script = [
        status(429, retry_after="3600"),
        status(503, retry_after="Fri, 21 Nov 2098 10:00:00 GMT"),
    ]
    answers(backend, ASKED)

    assert 0.6 <= backend.stats["waited"] <= 0.6 + 2 * 0.001
    assert backend.stats["rate_limited"] == 1


def test_another_model_is_refused_at_the_start(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """A server that ignores the name and answers with what it has is no model asked for."""
    server.standing = body({**chat_body("Paris"), "model": "other"})
    with pytest.raises(
        BackendError, match=r"asked for model 'm' and answers as 'other'.*any_model=true"
    ):
        open_backend()

    assert open_backend(any_model=True).fingerprint()["served"] == "other"


def test_another_model_in_the_middle_stops_the_run(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Answers of two models never stand in one run."""
    backend = open_backend()
    server.standing = body({**chat_body("Paris"), "model": "m-2026-01-01"})
    with pytest.raises(
        BackendError, match="began to answer as 'm-2026-01-01' where it was 'm' before"
    ):
        answers(backend, ASKED)


def questions(number: int) -> list[Request]:
    """Different requests."""
    return [
        Request(kind="generate", text=f"Question {index}?", max_tokens=4) for index in range(number)
    ]


def test_the_circuit_opens_after_failures_in_a_row(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """After three lost requests in a row nothing more is sent;
    an answer in between starts the count anew.
    """
    backend = open_backend(tries=1, circuit=3)
    server.seen.clear()
    server.script = [status(500), status(500), good("Paris")]
    server.standing = status(500)
    with pytest.raises(
        BackendError, match="3 requests in a row failed, the last with: server error 500: no"
    ) as caught:
        answers(backend, *questions(20))

    assert (len(server.seen), caught.value.exit_code) == (6, 4)


def test_a_storm_loses_and_doubles_nothing(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Under random faults on a third of all exchanges every request is answered exactly once,
    with its own answer.
    """
    backend = open_backend(concurrency=8, tries=12)
    rng = random.Random(5)
    faults = [
        fault
        for name, fault in HEALING.items()
        if name not in {"null content", "no message", "200 with an error", "a list"}
    ]
    faults = [
        fault
        for fault in faults
        if fault is not HEALING["no choices"] and fault is not HEALING["choices of another form"]
    ]

    def stormy(handler: Handler, sent: dict[str, Any]) -> None:
        with server.lock:
            fault = (
                rng.choice(faults)
                if rng.random() < 1 / 3
                else good(sent["messages"][-1]["content"].upper())
            )
        fault(handler, sent)

    server.standing = stormy
    requests = questions(150)
    found = [response for batch in backend.run(list(map(Ask, requests))) for response in batch]

    assert sorted(response.key for response in found) == sorted(request.key for request in requests)
    assert {r.key: r.text for r in found} == {
        request.key: request.text.upper() for request in requests
    }
    assert backend.stats["retries"] > 20


def test_no_more_requests_run_at_once_than_allowed(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The server never sees more than ``concurrency`` requests, and does see them overlap."""
    backend = open_backend(concurrency=3)

    def slow(handler: Handler, sent: dict[str, Any]) -> None:
        time.sleep(0.05)
        good("Paris")(handler, sent)

    server.standing = slow
    answers(backend, *questions(12))

    assert 2 <= server.most_running <= 3


def test_the_rate_limit_spaces_requests(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """At 3,000 a minute 11 requests span about ten times 20 ms or more;
    arrivals on a busy machine jitter, so seven tenths are asked.
    """
    backend = open_backend(rpm=3000, concurrency=8)
    server.seen.clear()
    answers(backend, *questions(11))
    times = sorted(when for *_, when in server.seen)

    assert times[-1] - times[0] > 10 * 0.02 * 0.7


def test_the_spending_ceiling_ends_the_asking(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Each answer costs 7 x 1 + 2 x 2 = 11 millionths;
    with a ceiling of 30 the fourth is never sent, and says why.
    """
    backend = open_backend(price_in=1.0, price_out=2.0, max_cost=30e-6)
    found = answers(backend, *questions(5))

    assert [r.error for r in found] == ["", ""] + ["spending ceiling of 3e-05 reached"] * 3
    assert backend.stats["cost"] == pytest.approx(33e-6)
    assert (backend.stats["prompt_tokens"], backend.stats["generated_tokens"]) == (21, 6)


def test_a_stopped_run_does_not_wait_for_a_hanging_server(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """While nothing comes an empty batch does, and closing drops what is under way."""
    backend = open_backend(timeout=600)
    server.standing = hang
    running = backend.run([Ask(ASKED)])
    first = next(running)
    running.close()  # type: ignore[attr-defined]
    backend.close()

    assert list(first) == []
