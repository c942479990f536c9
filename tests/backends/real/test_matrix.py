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


def test_lm_eval_gives_the_same_answers(
    ran: Callable[..., Any], file: Path, directory: Path
) -> None:
    """lm-eval's own hf model over the directory, by its own chat template: no changed answer.

    The log-probabilities differed by 0.0017 nat when this was written, cause not found; the bound guards
    against drift and shows no equality.
    """
    options = {"pretrained": str(directory), "dtype": "float32", "device": "cpu"}
    theirs = ran("lm-eval:hf", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    worst, flips = apart(ours, theirs)
    print(f"largest difference {worst:.2g} nat")

    assert len(theirs.logprobs) == 24
    assert flips == []
    assert worst <= 0.01


def test_llama_cpp_answers_every_cell_and_changed_answers_are_counted(
    ran: Callable[..., Any], file: Path, server: str
) -> None:
    """By log-probabilities no cell is missing; how many answers differ is printed, and no bound is claimed.

    15 of 24 differed when this was written, not explained: how the label is found among the
    alternatives and llama.cpp's rounding are where to look.
    """
    options = {"any_model": True}
    served = ran(f"openai:smollm2@{server}", options=options, chat_template="auto")
    ours = ran(str(file), dtype="float32")
    _, flips = apart(ours, served)
    print(f"changed answers: {len(flips)} of {len(ours.predictions)}")

    assert served.manifest.counts.missing == 0
    assert served.predictions.keys() == ours.predictions.keys()


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
