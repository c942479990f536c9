"""What a language model says against a changed wording: how improbable it is by itself,
and how much of it the original explains.

A slip of grammar costs a text likelihood that its original has; a near copy that asks something
else is explained by its original but for the words that matter. Only totals of log-probabilities
are needed, so any backend that scores choices will do, however small its model.

References
----------
Likelihood of one text given the other: Kauchak and Barzilay 2006, Thompson and Post 2020.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

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


def nats(
    ask: Likelihood, original: str, candidates: Sequence[str]
) -> list[tuple[float, float, float]]:
    """Return minus log-probabilities per candidate: original and candidate alone, candidate after
    original.

    Candidates of one original are asked together, since they share what stands before them.
    """
    one, *rest = (_plain(text) for text in (original, *candidates))
    first, *alone = ask(ALONE, [one, *rest])
    given = ask(GIVEN.format(one=one), rest)
    return [(first, *costs) for costs in zip(alone, given, strict=True)]


def likelihood_signals(
    costs: tuple[float, float, float], original: str, candidate: str
) -> dict[str, float]:
    """Return the signs of a pair from what `nats` returns, per word, two words added to either
    text; each counts again in proportion to how near the texts are.
    """
    first, second, given = costs
    ours = len(_WORD.findall(original)) + 2
    theirs = len(_WORD.findall(candidate)) + 2
    found = {
        "costs more a word": _within(second / theirs - first / ours, 3.0),
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
