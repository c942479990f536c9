"""What a language model says against a changed wording: how improbable it is by itself,
and given the original, both ways.

A slip of grammar costs a text likelihood that its original has; a text that asks something else is
improbable as a second wording of the original, and as a further wording of the task. Only totals of
log-probabilities are needed, so any backend that scores choices will do, however small its model.

References
----------
Conditional against unconditional likelihood, both ways: Kauchak and Barzilay 2006 and Thompson and
Post 2020 score paraphrases by the likelihood of one text given the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from evalkit.catalog.library.patterns import FUNCTION_WORDS, normalised_words
from evalkit.catalog.library.reading import stem
from evalkit.errors import BackendError, UsageError
from evalkit.records import Ask, ModelSpec, Request
from evalkit.registry import BACKENDS

__all__ = ["Likelihood", "likelihood_named", "likelihood_signals", "nats"]

Likelihood = Callable[[str, Sequence[str]], list[float]]
"""Context and texts -> minus the log-probability of every text after the context, nats."""
_SLOT = re.compile(r"\{\{\s*(\w+).*?\}\}", re.DOTALL)
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[\w']+")
ALONE = "Instruction:\n"
GIVEN = (
    "One instruction in two wordings that ask for exactly the same.\n"
    "First wording:\n{one}\nSecond wording:\n"
)
FURTHER = "The same instruction in several wordings.\n"
LONGEST = 300
"""Characters of another wording at most that the model is shown."""
SHOWN = 8
"""Other wordings that it is shown: the nearest to the original."""


def nats(
    ask: Likelihood, original: str, candidate: str, others: Sequence[str] = ()
) -> tuple[float, float, float, float, float]:
    """Return minus log-probabilities: original and candidate alone, candidate after original,
    original after candidate, candidate after the task's wordings.
    """
    one, two = _plain(original), _plain(candidate)
    alone = ask(ALONE, [one, two])
    known = _nearest(one, two, others)
    return (
        alone[0],
        alone[1],
        ask(GIVEN.format(one=one), [two])[0],
        ask(GIVEN.format(one=two), [one])[0],
        ask(FURTHER + "".join(f"{text}\n" for text in [*known, one]), [two])[0],
    )


def likelihood_signals(
    costs: tuple[float, float, float, float, float], original: str, candidate: str
) -> dict[str, float]:
    """Return the signs of a pair from what `nats` returns;
    each counts again in proportion to how near the texts are.

    All but the first are per word, two words added to either text.
    """
    first, second, given, back, further = costs
    ours = len(_WORD.findall(original)) + 2
    theirs = len(_WORD.findall(candidate)) + 2
    found = {
        "costs more": _within((second - first) / 10, 4.0),
        "costs more a word": _within(second / theirs - first / ours, 3.0),
        "odd after": _within(given / theirs, 4.0),
        "odd before": _within(back / ours, 4.0),
        "odd for the task": _within(further / theirs, 4.0),
        "odder for the task": _within((further - given) / theirs, 2.0),
        "explained": _within((second - given) / theirs, 5.0),
    }
    matcher = SequenceMatcher(None, original.split(), candidate.split(), autojunk=False)
    near = matcher.ratio() ** 2
    return found | {f"{name}, near": value * near for name, value in found.items()}


def _within(value: float, most: float) -> float:
    return max(0.0, min(most, value))


def _plain(text: str) -> str:
    """Return a wording in one line, slots in square brackets."""
    return _SPACES.sub(" ", _SLOT.sub(r"[\1]", text)).strip()


def _nearest(one: str, two: str, others: Sequence[str]) -> list[str]:
    """Return the other wordings that share most content words with the original, the nearest
    last.
    """
    mine = _content(one)
    texts = [text for text in map(_plain, others) if text not in (one, two)]

    def share(text: str) -> tuple[float, str]:
        theirs = _content(text)
        return len(theirs & mine) / (1 + len(theirs | mine)), text

    return sorted((text for text in texts if len(text) < LONGEST), key=share)[-SHOWN:]


@lru_cache(maxsize=4096)
def _content(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in normalised_words(text) if word not in FUNCTION_WORDS)


@lru_cache(maxsize=2)
def likelihood_named(model: str) -> Likelihood:
    """Return the likelihoods of a language model, loaded once.

    Parameters
    ----------
    model
        ``BACKEND:NAME``; the backend must score choices. Prompts are plain, without chat template.

    Raises
    ------
    UsageError
        When the backend is not known.
    BackendError
        When the model gives no log-probabilities.
    """
    kind, colon, name = model.partition(":")
    if not colon or kind not in BACKENDS:
        raise UsageError(
            f"--likelihood {model!r}: is not accepted; BACKEND:NAME is, "
            f"with {', '.join(BACKENDS.names())}."
        )
    backend: Any = BACKENDS.load(kind)(ModelSpec(backend=kind, name=name, chat_template="none"))

    def ask(context: str, texts: Sequence[str]) -> list[float]:
        request = Request(kind="choice", text=context, continuations=tuple(texts))
        for batch in backend.run([Ask(request)]):
            for response in batch:
                if len(response.logprobs) == len(texts):
                    return [-float(value) for value in response.logprobs]
                raise BackendError(
                    f"{model}: gives no log-probabilities of texts: {response.error or 'none'}. "
                    "Name a model that scores choices."
                )
        raise BackendError(f"{model}: gives no answer. Name a model that scores choices.")

    return ask
