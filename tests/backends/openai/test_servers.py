"""Servers of many kinds: what they refuse, how they think, what they call too long,
where they stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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
from evalkit.backends.openai.faults import redacted, too_long
from evalkit.errors import BackendError
from evalkit.records import ModelSpec, Request, seed_of
from evalkit.records.reasoning import split_reasoning

CHOICE = Request(kind="choice", text="Which letter?", continuations=(" A", " B"))
FORMS = {
    "llama.cpp": (
        400,
        "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
    ),
    "vllm": (
        400,
        "The decoder prompt (length 4390) is longer than the maximum model length of 4096.",
    ),
    "tgi": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
    "gemini": (
        400,
        "The input token count (4390) exceeds the maximum number of tokens allowed (4096).",
    ),
    "unheard of": (400, "That is more text than this little machine can chew."),
}


def tops(*listed: tuple[str, float], text: str = "B") -> dict[str, Any]:
    """Chat answer with alternatives of the first token."""
    rows = [{"token": token, "logprob": value} for token, value in listed]
    return chat_body(text, logprobs={"content": [{"top_logprobs": rows}]})


def refusing(wanted: Callable[[dict[str, Any]], str], then: Behaviour) -> Behaviour:
    """Refuse with status 400 and what `wanted` says, as long as it says something."""

    def behave(handler: Handler, sent: dict[str, Any]) -> None:
        said = wanted(sent)
        if said:
            handler.send(400, json.dumps({"error": {"message": said}}))
        else:
            then(handler, sent)

    return behave


@pytest.mark.parametrize(("code", "said"), FORMS.values(), ids=FORMS)
def test_a_prompt_that_is_refused_is_missing_and_the_others_are_answered(
    server: Server, open_backend: Callable[..., OpenAIBackend], code: int, said: str
) -> None:
    """Whatever words a server has for it; that a short known prompt is answered tells the row
    from the server.
    """
    backend = open_backend()
    fault = status(code, said)
    server.standing = lambda handler, sent: (
        fault if "long" in sent["messages"][-1]["content"] else good("Paris")
    )(handler, sent)
    asked = [
        Request(kind="generate", text=text, max_tokens=8) for text in ("a", "long", "b", "long too")
    ]
    found = answers(backend, *asked)

    assert [response.text for response in found] == ["Paris", None, "Paris", None]
    assert said in found[1].error
    assert found[1].error.startswith(
        "refused with status 400" if "chew" in said else "prompt too long for the server"
    )


def test_a_server_that_refuses_the_known_prompt_too_ends_the_run(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The fault then lies in the server or the settings, and every row would be lost."""
    backend = open_backend()
    server.standing = status(422, "prompt exceeds the limit")
    with pytest.raises(BackendError, match="prompt exceeds the limit"):
        answers(backend, Request(kind="generate", text="a", max_tokens=8))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("This model's maximum context length is 4096 tokens.", True),
        ("prompt is too long: 210000 tokens > 200000 maximum", True),
        ("Too many input tokens. Max input tokens: 2048", True),
        ("Requested sample logprobs of 20, which is greater than max allowed: 5", False),
        ("'temperature' does not support 0 with this model", False),
        ("Request too large for this model on tokens per min (TPM): Limit 30000", False),
        ("invalid max_tokens value, the valid range is [1, 8192]", False),
        ("no such model", False),
    ],
)
def test_words_tell_a_long_prompt_from_a_wrong_setting(said: str, expected: bool) -> None:
    """Words about the text and about a limit, and none about a setting."""
    assert too_long(said) is expected


def test_fewer_alternatives_are_asked_for_where_the_server_allows_fewer(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """A server that names its limit of 7 is asked for 7."""
    server.standing = refusing(
        lambda sent: "top_logprobs must be at most 7" if sent.get("top_logprobs", 0) > 7 else "",
        body(tops(("B", -0.1), ("A", -3.0))),
    )
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert (backend.mode.scoring, backend.mode.alternatives) == ("top", 7)
    assert response.logprobs == (-3.0, -0.1)


def test_completions_that_list_alternatives_as_the_chat_api_does_are_read(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """llama.cpp answers /v1/completions with ``logprobs.content``."""
    rows = [{"token": " B", "logprob": -0.2}, {"token": " A", "logprob": -3.0}]
    choice = {
        "text": " B",
        "finish_reason": "length",
        "logprobs": {"content": [{"token": " B", "logprob": -0.2, "top_logprobs": rows}]},
    }
    server.standing = body({"model": "m", "choices": [choice]})
    backend = open_backend(api="completions", scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert (backend.mode.scoring, response.logprobs) == ("top", (-3.0, -0.2))


def test_labels_that_hold_next_to_nothing_are_asked_for_as_text(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The article "A" with probability 0.002 is no answer where the model begins with "The"."""
    server.standing = body(tops(("The", -0.1), ("It", -2.6), ("A", -6.2), text="The answer is B."))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert (response.logprobs, response.text) == ((), "The answer is B.")
    assert backend.stats["scored_by_text"] == 1


def test_labels_with_less_than_half_of_the_probability_are_counted(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """exp(-1.2) + exp(-3) = 0.35 is enough to decide and little enough to be told."""
    server.standing = body(tops(("The", -0.5), ("B", -1.2), ("A", -3.0)))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert (response.logprobs, backend.stats["thin"]) == ((-3.0, -1.2), 1)


def test_what_a_hosted_reasoning_model_refuses_is_left_out_and_said(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """max_tokens, temperature and logprobs are refused one after the other;
    each notice is a sentence.
    """

    def wanted(sent: dict[str, Any]) -> str:
        if "max_tokens" in sent:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        if "temperature" in sent:
            return "'temperature' does not support 0 with this model."
        return "logprobs are not supported" if "logprobs" in sent else ""

    server.standing = refusing(wanted, good("B"))
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert response.text == "B"
    assert server.seen[-1][1].keys() == {"model", "max_completion_tokens", "messages"}
    assert server.seen[-1][1]["max_completion_tokens"] == 16 + 2048
    assert [notice.split(",")[0].split(":")[0] for notice in backend.notices] == [
        "Choices are scored by the text of the answers",
        "The server takes no temperature",
        "The model thinks before it answers",
    ]


DRAWN = Request(kind="generate", text="A word?", max_tokens=4, temperature=0.8)


def test_answers_that_are_drawn_are_asked_for_with_seeds(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """One per prompt and repeat, the same each time; none where nothing is drawn."""
    server.standing = good("pear")
    backend = open_backend(scoring="text")
    answers(backend, DRAWN, replace(DRAWN, repeat=1), replace(DRAWN, temperature=0.0))
    bodies = [entry[1] for entry in server.seen]
    seeds = {
        temperature: [sent.get("seed") for sent in bodies if sent.get("temperature") == temperature]
        for temperature in (0.8, 0)
    }

    assert sorted(seeds[0.8]) == sorted([seed_of(DRAWN), seed_of(replace(DRAWN, repeat=1))])
    assert set(seeds[0]) == {None}
    assert all(0 <= seed < 2**31 for seed in seeds[0.8])
    assert backend.stats["seeds"] == {"sent": 2, "refused": 0}


def test_a_server_that_refuses_a_seed_is_asked_without(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Nothing is missing, and the manifest's counts say it."""
    server.standing = refusing(
        lambda sent: "Extra inputs are not permitted: seed" if "seed" in sent else "", good("pear")
    )
    backend = open_backend(scoring="text", concurrency="1")
    responses = answers(backend, DRAWN, replace(DRAWN, repeat=1))

    assert [response.text for response in responses] == ["pear", "pear"]
    assert backend.stats["seeds"] == {"sent": 0, "refused": 2}
    assert sum("seed" in entry[1] for entry in server.seen) == 1


def test_logprobs_that_a_key_may_not_ask_for_mean_text_and_no_wrong_key(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """Status 403 for log-probabilities alone is not blamed on the key."""
    forbidden = status(403, "You are not allowed to request logprobs from this model")
    server.standing = lambda handler, sent: (forbidden if sent.get("logprobs") else good("B"))(
        handler, sent
    )
    backend = open_backend(scoring="auto")

    assert backend.mode.scoring == "text"
    assert backend.notices == [
        (
            "Choices are scored by the text of the answers, because the server gives no "
            "log-probabilities; scores cannot be compared with those by log-probabilities."
        )
    ]


def test_thoughts_are_kept_beside_the_answer(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """In a field of their own or in the text, they come before the answer in <think> marks;
    stops cut the answer alone.
    """
    content = chat_body("B\nEND more")
    content["choices"][0]["message"]["reasoning_content"] = "A or B? END"
    server.standing = body(content)
    backend = open_backend(scoring="auto")
    (apart,) = answers(backend, Request(kind="generate", text="?", max_tokens=8, stop=("END",)))
    server.standing = good("<think>A? END</think>\n\nB\nEND more")
    (inside,) = answers(backend, Request(kind="generate", text="??", max_tokens=8, stop=("END",)))

    assert split_reasoning(apart.text or "") == ("A or B? END", "B")
    assert split_reasoning(inside.text or "") == ("A? END", "B")
    assert (backend.mode.reasons, server.seen[-1][1]["max_tokens"]) == (True, 8 + 2048)
    assert "stop" not in server.seen[-1][1]


def test_thoughts_without_an_answer_are_an_empty_answer(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """``content: null`` beside thoughts is no fault of the server."""
    content = chat_body(None)
    content["choices"][0]["message"]["reasoning_content"] = "still thinking"
    server.standing = body(content)
    backend = open_backend(scoring="auto")
    (response,) = answers(backend, CHOICE)

    assert (response.error, split_reasoning(response.text or "")) == ("", ("still thinking", ""))


def test_answers_are_shared_only_where_versions_can_be_told_apart(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """A system_fingerprint of the model does; that of a server program does not;
    another one later ends it.
    """
    server.standing = good("B")
    without = open_backend()
    server.standing = body({**chat_body("B"), "system_fingerprint": "b4321-0abc12"})
    program = open_backend()
    server.standing = body({**chat_body("B"), "system_fingerprint": "fp_1"})
    told = open_backend()
    before = "unversioned" in told.capabilities
    server.standing = body({**chat_body("B"), "system_fingerprint": "fp_2"})
    answers(told, Request(kind="generate", text="?", max_tokens=8))

    assert {"unversioned"} <= without.capabilities & program.capabilities
    assert (before, "unversioned" in told.capabilities) == (False, True)
    assert (told.fingerprint()["version"], told.stats["versions"]["fp_2"]) == ("fp_1", 1)


def test_a_fingerprint_names_the_model_and_not_its_place(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """The same model on another port has the same fingerprint and the same label."""
    told = open_backend().fingerprint()
    spec = ModelSpec(backend="openai", name=f"m@{server.url},concurrency=3")

    assert str(server.http.server_port) not in json.dumps(dict(told))
    assert (told["model"], spec.display) == ("m", "m")


def test_azure_has_its_own_address_and_header(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deployment in the path, version in the query, key in ``api-key``;
    the name it answers with is the model's.
    """
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    server.standing = body({**chat_body("B"), "model": "gpt-x-2024-08-06"})
    base = server.url.removesuffix("/v1")
    backend = OpenAIBackend(
        ModelSpec(
            backend="openai",
            name=f"mine@{base}?api-version=2024-10-21",
            options={"api": "chat", "scoring": "text"},
        )
    )
    backend.close()
    path, _, headers, _ = server.seen[0]

    assert path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert (headers["api-key"], "authorization" in headers) == (CANARY, False)


SPELLED = "".join(f"\\u{ord(letter):04x}" for letter in CANARY)


@pytest.mark.parametrize(
    "spelled",
    [
        CANARY,
        SPELLED,
        SPELLED.replace("\\", "\\\\"),
        CANARY.replace("-", "%2d"),
        CANARY.replace("-", "&#45;"),
    ],
    ids=["plain", "JSON", "JSON in JSON", "address", "HTML"],
)
def test_a_key_in_any_spelling_is_taken_out(
    server: Server, open_backend: Callable[..., OpenAIBackend], spelled: str
) -> None:
    """In the name of a model, in a text and in an error body."""
    server.standing = body(
        f'{{"model": "{spelled}", "choices": [{{"message": {{"content": "{spelled}"}}, '
        f'"finish_reason": "stop"}}]}}'
    )
    backend = open_backend(any_model=True)
    (response,) = answers(backend, Request(kind="generate", text="?", max_tokens=8))
    server.standing = lambda handler, _: handler.send(
        500, f'{{"error": {{"message": "bad key {spelled}"}}}}'
    )
    (failed,) = answers(backend, Request(kind="generate", text="??", max_tokens=8))
    server.standing = lambda handler, _: handler.send(401, f"<p>bad key {spelled}</p>")
    with pytest.raises(BackendError) as caught:
        answers(backend, Request(kind="generate", text="???", max_tokens=8))
    told = [backend.mode.served, str(response.text), failed.error, str(caught.value)]

    assert [redacted(text, CANARY) for text in told] == told
    assert all("***" in text for text in told)
    assert CANARY not in "".join(told)


def test_variables_of_the_chat_template_are_sent_with_every_request(
    server: Server, open_backend: Callable[..., OpenAIBackend]
) -> None:
    """In the field that vLLM, SGLang and llama.cpp read, by the chat API;
    they are part of the fingerprint.
    """
    variables = '{"enable_thinking": false}'
    backend = open_backend(chat_template_kwargs=variables, reasoning_effort="low", api="auto")
    bodies: list[dict[str, Any]] = []
    server.standing = lambda handler, sent: (bodies.append(sent), good("B")(handler, sent))[1]
    answers(backend, Request(kind="generate", text="Which letter?", max_tokens=4))

    assert backend.mode.api == "chat"
    assert bodies[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert bodies[-1]["reasoning_effort"] == "low"
    assert backend.fingerprint()["chat_template_kwargs"] == variables
    assert backend.notices[0] == f"The chat template gets {variables}."
    with pytest.raises(BackendError, match="needs the chat API"):
        open_backend(chat_template_kwargs=variables, api="completions")
