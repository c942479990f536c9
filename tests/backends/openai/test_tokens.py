"""Scoring by token ids against stand-ins of llama.cpp's and SGLang's servers that answer from
one small table.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from misbehaving_server import Handler, Server, answers, chat_body

from evalkit.backends.choice_trie import summed, wanted
from evalkit.backends.openai.backend import OpenAIBackend
from evalkit.errors import BackendError
from evalkit.records import Request

VOCABULARY = ["<s>", *"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz .:()\n<>|0123456789"]
SIZE = len(VOCABULARY)


def ids_of(text: str) -> list[int]:
    """One id a letter behind the start token; unknown letters vanish."""
    return [0, *(VOCABULARY.index(letter) for letter in text if letter in VOCABULARY)]


def behind(ids: list[int]) -> list[float]:
    """Log-probabilities of all tokens behind ids:
    some fixed distribution that depends on all of them.
    """
    seed = sum((place + 1) * token for place, token in enumerate(ids))
    raw = [math.sin(seed * 0.7 + token * 1.3) * 3 for token in range(SIZE)]
    total = math.log(math.fsum(map(math.exp, raw)))
    return [value - total for value in raw]


def value_of(prompt: str, tail: str) -> float:
    """Log-probability of a text behind a prompt."""
    ids = ids_of(prompt)
    found = 0.0
    for token in ids_of(tail)[1:]:
        found += behind(ids)[token]
        ids.append(token)
    return found


def rendered(messages: list[dict[str, str]]) -> str:
    """Stand for a chat template."""
    return "".join(f"<{m['role']}>{m['content']}\n" for m in messages) + "<assistant>\n"


class Native(Server):
    """A server with its own interface; `lie` changes what one end says."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner_name = owner
        self.lie: dict[str, Callable[[Any], Any]] = {}
        self.standing = self.answer
        self.http.RequestHandlerClass = type("Listing", (Handler,), {"do_GET": _listing})

    def answer(self, handler: Handler, body: dict[str, Any]) -> None:
        """Answer by the path."""
        path = handler.path
        found = {
            "/v1/chat/completions": self.chat,
            "/v1/completions": self.completion,
            "/apply-template": lambda b: {"prompt": rendered(b["messages"])},
            "/tokenize": self.tokenize,
            "/completion": self.llama,
            "/generate": self.sglang,
        }[path](body)
        handler.send(200, json.dumps(self.lie.get(path, lambda told: told)(found)))

    def chat(self, body: dict[str, Any]) -> Any:
        """Answer as chat; no alternatives, so that only ids give log-probabilities."""
        count = len(ids_of(rendered(body["messages"])))
        return chat_body("A") | {"usage": {"prompt_tokens": count, "completion_tokens": 1}}

    def completion(self, body: dict[str, Any]) -> Any:
        """Answer as completions."""
        usage = {"prompt_tokens": len(ids_of(body["prompt"])), "completion_tokens": 1}
        return {"model": "m", "choices": [{"text": "A", "finish_reason": "length"}], "usage": usage}

    def tokenize(self, body: dict[str, Any]) -> Any:
        """Give ids, in either server's form."""
        if self.owner_name == "llamacpp":
            return {"tokens": ids_of(body["content"])}
        return {"tokens": [ids_of(text) for text in body["prompt"]], "count": 1}

    def llama(self, body: dict[str, Any]) -> Any:
        """Give the `n_probs` likeliest tokens."""
        values = behind(body["prompt"])
        order = sorted(range(SIZE), key=lambda token: -values[token])[: min(body["n_probs"], 3)]
        if body["n_probs"] > 512:
            order = list(range(SIZE))
        tops = [{"id": t, "token": VOCABULARY[t], "logprob": values[t]} for t in order]
        return {"model": "m", "content": "A", "completion_probabilities": [{"top_logprobs": tops}]}

    def sglang(self, body: dict[str, Any]) -> Any:
        """Give the named tokens."""
        values = behind(body["input_ids"])
        rows = [[values[token], token, None] for token in body["token_ids_logprob"]]
        return {"text": "A", "meta_info": {"output_token_ids_logprobs": [rows]}}


def _listing(handler: Any) -> None:
    owner = handler.server.owner.owner_name
    handler.send(200, json.dumps({"data": [{"id": "m", "owned_by": owner}]}))


@pytest.fixture(params=["llamacpp", "sglang"])
def native(request: pytest.FixtureRequest, server: Server) -> Iterator[Native]:
    """Give both servers in turn."""
    made = Native(request.param)
    yield made
    made.gone.set()
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def opened(native: Native) -> Iterator[Callable[..., OpenAIBackend]]:
    """Give a function that opens a backend on the stand-in."""
    from evalkit.records import ModelSpec

    made: list[OpenAIBackend] = []

    def get(template: str = "none", **options: Any) -> OpenAIBackend:
        quick = {"tries": 2, "backoff": 0.01, "timeout": 5, **options}
        name = f"m@{native.url}"
        spec = ModelSpec(backend="openai", name=name, chat_template=template, options=quick)
        made.append(OpenAIBackend(spec))
        return made[-1]

    yield get
    for backend in made:
        backend.close()


LLAMA = pytest.mark.parametrize("native", ["llamacpp"], indirect=True)
"""For what only llama.cpp's interface has."""
LONG = Request(kind="choice", text="Which\nAnswer: ", continuations=(" (A)", " (B)", " C", " (AB)"))


def test_the_trie_of_choices_needs_each_place_once() -> None:
    """Choices that begin alike share their places; sums are those of each choice alone."""
    choices = [(1, 2, 3), (1, 2, 4), (5,)]
    nodes = wanted(choices)
    values = {node: {t: -0.1 * t - len(node) for t in tokens} for node, tokens in nodes.items()}

    assert nodes == {(): (1, 5), (1,): (2,), (1, 2): (3, 4)}
    assert summed(choices, values) == pytest.approx((-0.1 - 1.2 - 2.3, -0.1 - 1.2 - 2.4, -0.5))
    assert wanted([]) == {}


def test_choices_of_several_tokens_have_exact_values(
    native: Native, opened: Callable[..., OpenAIBackend]
) -> None:
    """Without a chat template: white space that ends the prompt goes to the choice,
    as by the library.
    """
    backend = opened()
    (found,) = answers(backend, LONG)

    assert backend.mode.scoring == "tokens"
    assert found.logprobs == pytest.approx(
        [value_of("Which\nAnswer:", " " + tail) for tail in LONG.continuations]
    )
    assert found.token_counts == (5, 5, 3, 6)
    assert found.prompt_tokens == len(ids_of("Which\nAnswer:"))


def test_llama_cpps_own_chat_template_is_used(
    native: Native, opened: Callable[..., OpenAIBackend]
) -> None:
    """Prompts go through the server's template, choices lose their first space; SGLang,
    which renders none, is asked by text.
    """
    backend = opened("auto")
    request = Request(kind="choice", text="Which", system="Be brief", continuations=(" A", " (B)"))
    (found,) = answers(backend, request)

    if native.owner_name == "sglang":
        assert backend.mode.scoring == "text"
        return
    sent = "<system>Be brief\n<user>Which\n<assistant>\n"
    assert found.sent == sent
    assert found.logprobs == pytest.approx([value_of(sent, "A"), value_of(sent, "(B)")])


@LLAMA
def test_a_template_that_drops_the_system_message_gets_it_in_the_users(
    native: Native, opened: Callable[..., OpenAIBackend]
) -> None:
    """Nothing of the prompt is lost; a template that drops the user's message leaves the cell
    missing.
    """
    backend = opened("auto")
    request = Request(kind="choice", text="Which", system="Be brief", continuations=(" A", " B"))
    native.lie["/apply-template"] = lambda told: {
        "prompt": told["prompt"].removeprefix("<system>Be brief\n")
    }
    (moved,) = answers(backend, request)
    native.lie["/apply-template"] = lambda told: {"prompt": "<assistant>"}
    (lost,) = answers(backend, request)

    assert moved.sent == "<user>Be brief\n\nWhich\n<assistant>\n"
    assert moved.logprobs == pytest.approx([value_of(moved.sent, "A"), value_of(moved.sent, "B")])
    assert lost.error == "the chat template leaves out a part of the prompt"


def test_choices_that_are_the_same_tokens_are_refused(
    opened: Callable[..., OpenAIBackend],
) -> None:
    """Two choices of the same ids, and a choice without any, have no values."""
    same = Request(kind="choice", text="Say", continuations=(" A", " A~"))
    none = Request(kind="choice", text="Say", continuations=("~", " B"))
    first, second = answers(opened(), same, none)

    assert first.error == "choices ' A' and ' A~' are the same tokens"
    assert second.error == "continuation '~' has no token of its own"


def test_a_server_whose_ids_do_not_add_up_is_asked_in_the_ordinary_way(
    native: Native, opened: Callable[..., OpenAIBackend]
) -> None:
    """Ids must be as many as the server itself counts; else the interface is not used,
    or refused where asked for.
    """
    native.lie["/v1/completions"] = lambda told: told | {"usage": {"prompt_tokens": 3}}

    assert opened().mode.scoring == "text"
    with pytest.raises(BackendError, match="does not score by token ids"):
        opened(scoring="tokens")


@pytest.mark.parametrize("told", [{}, {"meta_info": None}, {"completion_probabilities": [None]}])
def test_answers_of_another_form_leave_the_cell_missing(
    native: Native, opened: Callable[..., OpenAIBackend], told: dict[str, Any]
) -> None:
    """No value is made up where the server gives none."""
    backend = opened()
    end = "/generate" if native.owner_name == "sglang" else "/completion"
    native.lie[end] = lambda _: {"model": "m", **told}
    (found,) = answers(backend, LONG)

    assert found.error == "the server gives no log-probability of a choice's token"
    assert found.logprobs == ()


@LLAMA
def test_another_model_that_answers_in_between_leaves_the_cell_missing(
    native: Native, opened: Callable[..., OpenAIBackend]
) -> None:
    """llama.cpp names its model in every answer; values of two models are not mixed."""
    backend = opened()
    native.lie["/completion"] = lambda told: told | {"model": "other"}
    answers(backend, LONG)
    native.lie["/completion"] = lambda told: told | {"model": "m"}
    (found,) = answers(backend, LONG)

    assert found.error == "the server began to answer as 'm' instead of 'other'"
