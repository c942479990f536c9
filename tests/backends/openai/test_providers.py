"""One line of docs/providers.md per provider, against answers in the form that provider documents.

The bodies are written by us after the providers' documentation; none was recorded from a live
service. Each is asked one choice and one text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from misbehaving_server import CANARY, Handler, Server, answers

from evalkit.backends.openai.backend import OpenAIBackend
from evalkit.records import ModelSpec, Request
from evalkit.records.reasoning import split_reasoning

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
Answer = tuple[int, Any]
CHOICE = Request(kind="choice", text="2 + 2?\nA. 3\nB. 4\nAnswer:", continuations=(" A", " B"))
TEXT = Request(kind="generate", text="Capital of France?", max_tokens=8, stop=("\n",))
TOPS = [{"token": "B", "logprob": -0.1, "bytes": [66]}, {"token": "A", "logprob": -2.4}]


def chat(text: Any, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chat answer as OpenAI has it."""
    told = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    told["choices"][0] |= more.pop("choice", {})  # type: ignore[index]
    return told | more


def said(body: dict[str, Any]) -> str:
    """What every model here answers."""
    return "Paris" if "France" in json.dumps(body) else "B"


def openai(path: str, body: dict[str, Any]) -> Answer:
    """OpenAI: alternatives of every token, a fingerprint."""
    logprobs = {"content": [{"token": said(body), "logprob": -0.1, "top_logprobs": TOPS}]}
    choice = {"logprobs": logprobs if body.get("logprobs") else None}
    details = {"completion_tokens_details": {"reasoning_tokens": 0}}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, **details}
    return 200, chat(said(body), body, choice=choice, system_fingerprint="fp_44", usage=usage)


def azure(path: str, body: dict[str, Any]) -> Answer:
    """Azure: the same with its filters' results, under the deployment's address;
    another model name.
    """
    status, told = openai(path, body)
    told["choices"][0]["content_filter_results"] = {"hate": {"filtered": False}}
    return status, told | {"model": "gpt-4o-2024-11-20", "prompt_filter_results": []}


def anthropic(path: str, body: dict[str, Any]) -> Answer:
    """Anthropic: log-probabilities are ignored, stop texts of white space alone are refused."""
    if any(not stop.strip() for stop in body.get("stop", ())):
        message = "stop_sequences: each stop sequence must contain non-whitespace"
        return 400, {"error": {"message": message, "type": "invalid_request_error"}}
    return 200, chat(said(body), body)


def gemini(path: str, body: dict[str, Any]) -> Answer:
    """Gemini: errors come as a list; no log-probabilities."""
    if "logprobs" in body:
        error = {"code": 400, "message": "Invalid JSON payload: logprobs", "status": "INVALID"}
        return 400, [{"error": error}]
    return 200, chat(said(body), body, usage={"prompt_tokens": 9, "total_tokens": 40})


def mistral(path: str, body: dict[str, Any]) -> Answer:
    """Mistral: unknown fields are refused; content may come in parts with thoughts."""
    if "logprobs" in body:
        told = {"type": "extra_forbidden", "loc": ["body", "logprobs"], "msg": "Extra inputs"}
        return 422, {"detail": [told]}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "A or B?"}]}
    return 200, chat([thinking, {"type": "text", "text": said(body)}], body)


def bedrock(path: str, body: dict[str, Any]) -> Answer:
    """Bedrock: thoughts in the text."""
    return 200, chat(f"<reasoning>Let me see.</reasoning>{said(body)}", body)


def ollama(path: str, body: dict[str, Any]) -> Answer:
    """Ollama: a fingerprint of the program; alternatives as OpenAI has them."""
    status, told = openai(path, body)
    return status, told | {"system_fingerprint": "fp_ollama"}


def older_ollama(path: str, body: dict[str, Any]) -> Answer:
    """Ollama before 0.12.11: what is asked of log-probabilities is passed over."""
    return 200, chat(said(body), body, system_fingerprint="fp_ollama")


def vllm(path: str, body: dict[str, Any]) -> Answer:
    """vLLM: completions echo the prompt's tokens, the first without a value."""
    if path.endswith("chat/completions"):
        return openai(path, body)
    tokens = re.findall(r"\s?\S+|\s", body["prompt"]) if body.get("echo") else []
    values = [None, *(-2.5 if token == " A" else -0.2 for token in tokens[1:])]
    logprobs = {
        "tokens": [*tokens, said(body)],
        "token_logprobs": [*values[: len(tokens)], -0.3],
        "top_logprobs": [None] * (len(tokens) + 1),
        "text_offset": [0] * (len(tokens) + 1),
    }
    text = (body["prompt"] if body.get("echo") else "") + said(body)
    choice = {"index": 0, "text": text, "finish_reason": "length", "stop_reason": None}
    choice |= {"logprobs": logprobs if body.get("logprobs") else None, "prompt_logprobs": None}
    return 200, {
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": len(tokens), "completion_tokens": 1},
    }


def tgi(path: str, body: dict[str, Any]) -> Answer:
    """text-generation-inference: five alternatives at most, its own words for the end."""
    if body.get("top_logprobs", 0) > 5:
        return 422, {
            "error": "Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20",
            "error_type": "validation",
        }
    status, told = openai(path, body)
    told["choices"][0]["finish_reason"] = "eos_token"
    return status, told | {"system_fingerprint": "3.0.1-sha-bb9095a"}


def lm_studio(path: str, body: dict[str, Any]) -> Answer:
    """LM Studio: log-probabilities are null; figures of its own beside the answer."""
    return 200, chat(said(body), body, choice={"logprobs": None}, stats={"tokens_per_second": 5})


@dataclass(frozen=True)
class Provider:
    """How one provider answers, and what is made of it."""

    answer: Callable[[str, dict[str, Any]], Answer]
    model: str
    scoring: str
    options: dict[str, Any] = field(default_factory=dict)
    template: str = "auto"
    header: str = "authorization"


PROVIDERS = {
    "OpenAI": Provider(openai, "gpt-4o", "top"),
    "Azure": Provider(
        azure, "my-deployment", "top", {"api_version": "2024-10-21"}, header="api-key"
    ),
    "Anthropic": Provider(anthropic, "claude-sonnet-4-5", "text"),
    "Gemini": Provider(gemini, "gemini-2.5-flash", "text"),
    "Mistral": Provider(mistral, "magistral-small-latest", "text"),
    "Bedrock": Provider(bedrock, "openai.gpt-oss-20b-1:0", "text"),
    "Ollama": Provider(ollama, "llama3.2:1b", "top"),
    "Ollama before 0.12.11": Provider(older_ollama, "llama3.2:1b", "text"),
    "vLLM": Provider(vllm, "Qwen/Qwen2.5-0.5B-Instruct", "echo", template="none"),
    "TGI": Provider(tgi, "HuggingFaceTB/SmolLM2-135M-Instruct", "top"),
    "LM Studio": Provider(lm_studio, "smollm2-135m-instruct", "text"),
}


@pytest.fixture(params=PROVIDERS, ids=str)
def opened(
    request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Provider, OpenAIBackend]]:
    """Give each provider with a backend on it."""
    provider = PROVIDERS[request.param]

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        status, told = provider.answer(handler.path, body)
        handler.send(status, json.dumps(told))

    server.standing = behave
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    backend = OpenAIBackend(
        ModelSpec(
            backend="openai",
            name=f"{provider.model}@{server.url.removesuffix('/v1') if provider.header == 'api-key' else server.url}",  # noqa: E501
            chat_template=provider.template,
            options={"tries": 2, "backoff": 0.01, "timeout": 5, **provider.options},
        )
    )
    yield provider, backend
    backend.close()


def test_a_choice_and_a_text_are_answered_in_every_providers_form(
    opened: tuple[Provider, OpenAIBackend], server: Server
) -> None:
    """Log-probabilities where the provider gives them, else text;
    the key goes where the provider looks for it.
    """
    provider, backend = opened
    choice, text = answers(backend, CHOICE, TEXT)
    headers = {name.lower(): value for name, value in server.seen[-1][2].items()}

    assert backend.mode.scoring == provider.scoring
    assert (choice.error, text.error) == ("", "")
    if provider.scoring == "text":
        assert split_reasoning(choice.text or "")[1] == "B"
    else:
        assert choice.logprobs[1] > choice.logprobs[0]
    assert split_reasoning(text.text or "")[1] == "Paris"
    assert CANARY in headers[provider.header]


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (lambda stops: "" if all(map(str.strip, stops)) else "each stop sequence", ["Question:"]),
        (lambda stops: "Unsupported parameter: 'stop' is not supported" if stops else "", None),
    ],
    ids=["white space", "any"],
)
def test_stop_texts_that_a_server_refuses_are_looked_for_in_the_answer(
    refused: Callable[[list[str]], str], left: list[str] | None, server: Server, monkeypatch: Any
) -> None:
    """The rest is sent; the text is cut at the first of all of them."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if said := refused(body.get("stop", [])):
            handler.send(400, json.dumps({"error": {"message": said}}))
        else:
            handler.send(200, json.dumps(chat("Paris\nQuestion: next", body)))

    server.standing = behave
    backend = OpenAIBackend(
        ModelSpec(backend="openai", name=f"m@{server.url}", chat_template="auto")
    )
    (found,) = answers(backend, replace(TEXT, stop=("\n", "Question:")))
    backend.close()

    assert (found.error, found.text, found.finish_reason) == ("", "Paris", "stop")
    assert server.seen[-1][1].get("stop") == left


def test_azures_address_names_deployment_and_version(server: Server, monkeypatch: Any) -> None:
    """``/openai/deployments/NAME/chat/completions?api-version=...``, the key in ``api-key``
    alone.
    """
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    server.standing = lambda handler, body: handler.send(200, json.dumps(azure("", body)[1]))
    name = f"my-deployment@{server.url.removesuffix('/v1')},api_version=2024-10-21"
    OpenAIBackend(ModelSpec(backend="openai", name=name, chat_template="auto")).close()
    path, _, headers, _ = server.seen[0]

    assert path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    assert "authorization" not in {name.lower() for name in headers}


def test_the_page_has_a_line_for_every_provider() -> None:
    """Each tested provider, and llama.cpp and SGLang (tested in test_tokens.py),
    with a command that can be read.
    """
    from evalkit.backends.openai.settings import read_settings

    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| `--model openai:([^`]+)`", text, re.MULTILINE))

    assert rows.keys() == {*PROVIDERS, "llama.cpp", "SGLang"} - {"Ollama before 0.12.11"}
    for name in rows.values():
        assert read_settings(ModelSpec(backend="openai", name=name, chat_template="auto")).model
