"""The same number on every engine: one model, the same tasks, phrasings and instances.

Largest differences of log-probabilities and numbers of changed answers are printed (``pytest -rP``),
so that a change shows even where it stays within what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real
EIGHT_BITS = 1.0
"""Nats by which llama.cpp may differ: it rounds activations to 8 bits in front of every 4-bit
product, where dequantised weights meet activations in float32."""


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


def margin(values: tuple[float, ...]) -> float:
    """Distance of the best choice from the next, nats."""
    best, second, *_ = sorted(values, reverse=True)
    return best - second


def test_the_real_model_takes_the_fast_path(ran: Callable[..., Any], file: Path) -> None:
    """Thirty layers, judged against float64; the chat template of the file is in use and its system text said."""
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


def test_lm_eval_gives_the_same_log_probabilities(
    ran: Callable[..., Any], file: Path, directory: Path
) -> None:
    """lm-eval's own hf model over the directory, by its own chat template: no changed answer, and within a hundredth of a nat, 0.0017 when this was written."""
    options = {"pretrained": str(directory), "dtype": "float32", "device": "cpu"}
    theirs = ran("lm-eval:hf", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    worst, flips = apart(ours, theirs)
    print(f"largest difference {worst:.2g} nat")

    assert len(theirs.logprobs) == 24
    assert flips == []
    assert worst <= 0.01


def test_llama_cpp_flips_only_what_its_rounding_can(
    ran: Callable[..., Any], file: Path, server: str
) -> None:
    """By log-probabilities, an answer differs from the file's only where the two best choices lie close."""
    options = {"any_model": True}
    served = ran(f"openai:smollm2@{server}", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    _, flips = apart(ours, served)
    print(f"changed answers: {len(flips)} of {len(ours.predictions)}")

    assert served.manifest.counts.missing == 0
    assert [c for c in flips if margin(ours.logprobs[c]) > 2 * EIGHT_BITS] == []


def test_answers_by_text_are_counted_apart(
    ran: Callable[..., Any], file: Path, server: str
) -> None:
    """What the model writes is another question than what it finds likeliest among choices: no cell is missing, and what says no choice is unparsed, never a wrong choice."""
    options = {"any_model": True, "scoring": "text"}
    written = ran(f"openai:smollm2@{server}", options=options, chat_template="auto")
    _, flips = apart(ran(str(file), dtype="float32"), written)
    unread = [cell for cell, said in written.predictions.items() if not said]
    print(f"changed answers: {len(flips)} of {len(written.predictions)}, unread: {len(unread)}")

    assert written.manifest.counts.missing == 0
    assert len(unread) == written.manifest.counts.unparsed
