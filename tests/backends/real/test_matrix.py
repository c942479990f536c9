"""The same number on every engine: one model, the same tasks, phrasings and instances.

Largest differences of log-probabilities and numbers of changed answers are printed (``pytest
-rP``), so that a change shows even where it stays within what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit import catalog
from evalkit.backends.hf.backend import HFBackend
from evalkit.records import Ask, Request

pytestmark = pytest.mark.real


def apart(one: Any, other: Any) -> tuple[float, list[Any]]:
    """Largest difference of log-probabilities, nats, and the cells whose answer changed."""
    shared = one.logprobs.keys() & other.logprobs.keys()
    worst = max(
        (
            abs(a - b)
            for cell in shared
            for a, b in zip(one.logprobs[cell], other.logprobs[cell], strict=True)
        ),
        default=0.0,
    )
    flips = [c for c, said in one.predictions.items() if other.predictions[c] != said]
    return worst, flips


def test_the_real_model_takes_the_fast_path(ran: Callable[..., Any], file: Path) -> None:
    """Thirty layers, judged against float64; the chat template of the file is in use and its
    system text said.
    """
    engine = ran(str(file), dtype="float32").manifest.attempts[-1].engine

    assert (engine["path"], engine["notice"]) == ("tree", "")
    assert engine["proof"]["reference"] == "float64"
    assert ran(str(file), dtype="float32").manifest.model.chat_template == "auto"


def test_a_gguf_file_and_its_dequantised_directory_agree(
    ran: Callable[..., Any], file: Path, directory: Path
) -> None:
    """The same weights by two ways of loading: nothing beyond rounding, no changed answer."""
    of_file, of_directory = (ran(str(path), dtype="float32") for path in (file, directory))
    worst, flips = apart(of_file, of_directory)
    print(f"largest difference {worst:.2g} nat")

    assert len(of_file.logprobs) == 24
    assert flips == []
    assert worst <= of_file.manifest.attempts[-1].engine["noise"]


def test_lm_eval_gives_the_same_answers(
    ran: Callable[..., Any], file: Path, directory: Path
) -> None:
    """lm-eval's own hf model over the directory: no changed answer,
    and each number apart by one token that lm-eval counts.

    lm-eval moves white space that ends a prompt to the choice, so it also counts the line break
    that the chat template puts before the answer. Its log-probability, asked for by itself, is the
    whole difference.
    """
    options = {"pretrained": str(directory), "dtype": "float32", "device": "cpu"}
    theirs = ran("lm-eval:hf", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    break_of = line_breaks(file, [ours.responses[cell].sent for cell in ours.logprobs])
    rest = max(
        abs(theirs.logprobs[cell][i] - value - break_of[ours.responses[cell].sent])
        for cell, values in ours.logprobs.items()
        for i, value in enumerate(values)
    )
    worst, flips = apart(ours, theirs)
    print(f"largest difference {worst:.2g} nat, {rest:.2g} without the line break")

    assert len(theirs.logprobs) == 24
    assert flips == []
    assert rest <= 1e-4


def line_breaks(file: Path, prompts: list[str]) -> dict[str, float]:
    """Log-probability of the line break that ends each prompt."""
    spec = catalog.load_model(str(file), dtype="float32", chat_template="none")
    backend = HFBackend(spec)
    # without a chat template white space that ends a prompt goes to the choices
    asks = {
        text: Request(kind="choice", text=text, continuations=("A", "")) for text in set(prompts)
    }
    with_a = {r.key: r for batch in backend.run(list(map(Ask, asks.values()))) for r in batch}
    backend.close()
    return {text: with_a[request.key].logprobs[1] for text, request in asks.items()}


@pytest.mark.parametrize(
    ("weights", "bound"),
    [("exact_server", 2e-3), ("server", 0.5)],
    ids=["float32", "4 bits"],
)
def test_llama_cpp_gives_the_same_numbers(
    ran: Callable[..., Any], file: Path, request: pytest.FixtureRequest, weights: str, bound: float
) -> None:
    """By token ids: the dequantised weights within rounding, the 4-bit file within what its integer
    kernels round; no changed answer.

    Measured: 0.0005 nat in float32 (0.010 with llama.cpp's half-precision attention), 0.23 nat
    with 4-bit weights, whose products llama.cpp takes with activations rounded to 8 bits.
    """
    address = request.getfixturevalue(weights)
    served = ran(f"openai:smollm2@{address}", options={"any_model": True}, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    worst, flips = apart(ours, served)
    print(f"largest difference {worst:.2g} nat, changed answers: {len(flips)} of 24")

    assert served.manifest.attempts[-1].engine["scoring"] == "tokens"
    assert len(served.logprobs) == len(ours.logprobs) == 24
    assert [served.responses[cell].sent for cell in ours.logprobs] == [
        ours.responses[cell].sent for cell in ours.logprobs
    ]
    assert worst <= bound
    assert flips == []


def test_llama_cpp_writes_the_same_texts(
    ran: Callable[..., Any], file: Path, exact_server: str
) -> None:
    """Answers by text differ from answers by log-probability because another question is asked:
    the engine writes what ours writes.

    Every text of llama.cpp over float32 weights is the text that our engine writes behind the same
    prompt; what says no choice is unparsed, never a wrong choice.
    """
    options = {"any_model": True, "scoring": "text"}
    written = ran(f"openai:smollm2@{exact_server}", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    sent = {cell: ours.responses[cell].sent for cell in written.responses}
    texts = greedy_texts(file, list(sent.values()))
    same = [cell for cell, r in written.responses.items() if r.text == texts[sent[cell]]]
    unread = [cell for cell, said in written.predictions.items() if not said]
    _, flips = apart(ours, written)
    print(f"same texts: {len(same)}, other answers: {len(flips)}, unread: {len(unread)}, of 24")

    assert written.manifest.counts.missing == 0
    assert len(same) == len(written.responses) == 24
    assert len(unread) == written.manifest.counts.unparsed


def greedy_texts(file: Path, prompts: list[str]) -> dict[str, str | None]:
    """What our engine writes behind each prompt, 16 tokens at most."""
    spec = catalog.load_model(str(file), dtype="float32", chat_template="none")
    backend = HFBackend(spec)
    asks = {text: Request(kind="generate", text=text, max_tokens=16) for text in set(prompts)}
    found = {r.key: r for batch in backend.run(list(map(Ask, asks.values()))) for r in batch}
    backend.close()
    return {text: found[request.key].text for text, request in asks.items()}
