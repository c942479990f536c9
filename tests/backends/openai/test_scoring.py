"""What a server is able to do, how choices are scored by it, and where the key goes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from misbehaving_server import (
    CANARY,
    Behaviour,
    Handler,
    Server,
    answers,
    body,
    chat_body,
    good,
    status,
)

from evalkit.backends.openai.backend import OpenAIBackend
from evalkit.errors import BackendError
from evalkit.records import ModelSpec, Request


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
    handler.send(
        200,
        json.dumps(
            {
                "model": "m",
                "choices": [choice],
                "usage": {"prompt_tokens": len(tokens), "completion_tokens": 1},
            }
        ),
    )


def test_choices_are_scored_by_echo_where_the_server_echoes(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Sums over exactly the continuation's tokens:
    " the red one" is -4/8 - 4/8 - 4/8, " Mars" is -5/8; the prompt has 4 tokens.
    """
    server.standing = toy
    backend = open_backend(api="auto", scoring="auto")
    (response,) = answers(
        backend,
        Request(
            kind="choice",
            text="Which planet is it?",
            system="Be brief.",
            continuations=(" the red one", " Mars"),
        ),
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


def test_a_token_across_the_boundary_is_counted_and_told(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The toy token " Answer:A" counts whole for the continuation "A": -9/8."""
    server.standing = toy
    backend = open_backend(api="completions", scoring="echo")
    (response,) = answers(
        backend, Request(kind="choice", text="Say. Answer:", continuations=("A",))
    )

    assert (response.logprobs, response.boundary, backend.stats["boundary"]) == ((-1.125,), True, 1)


def tops(text: str, *listed: tuple[str, float]) -> Behaviour:
    """Answer a chat with alternatives of the first token."""
    content = [
        {
            "token": listed[0][0],
            "logprob": listed[0][1],
            "top_logprobs": [{"token": t, "logprob": v} for t, v in listed],
        }
    ]
    return body(chat_body(text, logprobs={"content": content}))


def test_letters_are_scored_by_the_first_tokens_alternatives(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Spellings that differ in white space add up;
    a letter that is not listed gets the lowest listed value, and that is counted.
    """
    server.standing = tops("A", ("A", -1.0), (" A", -1.0), ("B", -2.0), ("The", -3.0))
    backend = open_backend(scoring="auto")
    (response,) = answers(
        backend, Request(kind="choice", text="?", continuations=(" A", " B", " C"))
    )

    assert backend.mode.scoring == "top"
    assert response.logprobs == pytest.approx((-0.306853, -2.0, -3.0), abs=1e-6)
    assert (response.token_counts, backend.stats["bounded"]) == ((1, 1, 1), 1)
    assert server.seen[-1][1]["max_tokens"] == 1


def test_words_are_scored_by_alternatives_only_when_all_are_listed(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """With "yes" and "no" listed the choice is scored;
    with "maybe" not listed its text is the answer.
    """
    server.standing = tops("Yes, it is", ("yes", -0.2), ("no", -2.0))
    backend = open_backend(scoring="auto")
    both, text = answers(
        backend,
        Request(kind="choice", text="?", continuations=(" yes", " no")),
        Request(kind="choice", text="?", continuations=(" yes", " maybe")),
    )

    assert both.logprobs == pytest.approx((-0.2, -2.0))
    assert (text.logprobs, text.text, backend.stats["scored_by_text"]) == ((), "Yes, it is", 1)


def test_letters_of_which_none_is_listed_are_asked_for_as_text(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The one token of the first try is no answer; a second request lets the model speak."""
    server.standing = tops("The answer is B", ("The", -0.1), ("It", -2.5))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, Request(kind="choice", text="?", continuations=(" A", " B")))

    assert (response.logprobs, response.text) == ((), "The answer is B")
    assert server.seen[-1][1]["max_tokens"] == 16


def test_a_server_without_completions_is_asked_by_chat(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Completions answers 404, alternatives are refused with 400:
    chat with text is what is left.
    """

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
    (response,) = answers(
        backend, Request(kind="choice", text="?", continuations=(" A", " B"), system="Be brief.")
    )

    assert (backend.mode.api, backend.mode.scoring, backend.mode.limit_name) == (
        "chat",
        "text",
        "max_completion_tokens",
    )
    assert (response.text, "chat" in backend.capabilities) == ("B", True)
    assert [message["role"] for message in server.seen[-1][1]["messages"]] == ["system", "user"]


def test_a_chat_template_means_the_chat_api(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """With ``--chat-template auto`` the completions API is not even tried."""
    open_backend(chat_template="auto", api="auto")

    assert {path for path, *_ in server.seen} == {"/v1/chat/completions"}


def test_an_option_the_server_cannot_honour_is_refused(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Asking for echo of a server that does not echo is an error, not another way of scoring."""
    server.standing = body({"model": "m", "choices": [{"text": "yes", "finish_reason": "stop"}]})
    with pytest.raises(BackendError, match="does not echo log-probabilities"):
        open_backend(api="completions", scoring="echo")


def test_a_server_that_is_not_there_is_said_at_the_start(
    open_backend: Callable[..., OpenAIBackend], server: Server
) -> None:
    """Nobody listens: exit code 4 and the address, after a few attempts."""
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(
        BackendError, match=rf"{server.url}: gives no usable answer \(connection failed"
    ):
        open_backend()


def test_the_key_is_sent_and_told_nobody(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A server that repeats the key in every answer and error does not get it into any file,
    message or table.
    """
    from evalkit.cli.main import invoke

    monkeypatch.setenv("MY_KEY", CANARY)
    monkeypatch.setattr("sys.argv", ["evalkit", "run", "--model", CANARY])
    monkeypatch.chdir(tmp_path)
    name = f"m@{server.url},key_env=MY_KEY,api=chat,tries=1,backoff=0"
    words = [
        "run",
        "--model",
        f"openai:{name}",
        *"--suite procedural --limit 1 --phrasings 1 --resamples 100 --out run".split(),
    ]
    leaking = body(chat_body(f"the key is {CANARY}", finish_reason=CANARY))
    server.script = [leaking, leaking, status(500, f"bad key {CANARY}"), leaking]
    server.standing = leaking
    codes = [invoke(words)]
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    server.standing = status(401, f"Incorrect API key provided: {CANARY}", **{"x_echo": CANARY})
    codes += [invoke([*words, "--fresh"]), invoke([*words, "--fresh", "--json"])]
    seen = capfd.readouterr()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holding = [
        str(path) for path in files if CANARY.encode() in path.read_bytes() or CANARY in str(path)
    ]

    assert {headers["authorization"] for _, _, headers, _ in server.seen} == {f"Bearer {CANARY}"}
    assert codes == [3, 4, 4]
    assert any(b"the key is ***" in content for content in stored)
    assert (holding, CANARY in seen.out + seen.err) == ([], False)
    assert "MY_KEY" in seen.err


def test_without_a_key_none_is_sent(
    server: Server, open_backend: Callable[..., OpenAIBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of one's own needs no key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    open_backend()

    assert [headers for *_, headers, _ in server.seen if "authorization" in headers] == []


def test_the_public_server_without_a_key_is_an_error_before_any_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message names the variable."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(BackendError, match="environment variable OPENAI_API_KEY is empty"):
        OpenAIBackend(ModelSpec(backend="openai", name="gpt-x"))


def test_a_key_that_cannot_be_sent_is_refused_unseen(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end in the middle of a key would be told by the HTTP library with the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nmore")
    with pytest.raises(BackendError) as caught:
        OpenAIBackend(ModelSpec(backend="openai", name=f"m@{server.url}"))

    assert ("OPENAI_API_KEY" in str(caught.value), "secret" in str(caught.value)) == (True, False)
