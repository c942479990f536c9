"""Validators that weigh many signs or ask a model: fitted, encoder, NLI,
and a language model both ways.

Each makes a `evalkit.catalog.library.meaning.Validator`. Their error rates on labelled pairs are in
docs/meaning.md; one whose rates are not there must be measured before it is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.catalog.library.comparer import shipped_comparer
from evalkit.catalog.library.fitted import GOALS, features, fit_named, probability
from evalkit.catalog.library.meaning import (
    Validator,
    Verdict,
    labels_kept,
    length_ratio,
    slots_kept,
)
from evalkit.catalog.library.reading import bare
from evalkit.errors import BackendError, UsageError
from evalkit.phrasings.perturb.encoders import MINILM, encoder_named, similarity
from evalkit.phrasings.perturb.rewriters import pretrained
from evalkit.records import Ask, ModelSpec, Phrasing, Request
from evalkit.registry import BACKENDS

if TYPE_CHECKING:
    from evalkit.phrasings.perturb.encoders import Encoder

__all__ = [
    "asked_validator",
    "encoder_validator",
    "fitted_validator",
    "in_english",
    "nli_validator",
    "validators_for",
]

REWORDINGS = frozenset({"word", "paraphrase", "back_translation"})
"""Perturbations whose copies are meant to be good English; the fitted rules are for these, and for
what a person wrote."""


def encoder_validator(encoder: str | Encoder, *, threshold: float = 0.75) -> Validator:
    """Return a validator by the cosine of sentence embeddings.

    Needs ``evalkit[semantic]`` when the encoder is named.

    Parameters
    ----------
    encoder
        Name or folder of a sentence-transformers model, or a function texts -> rows.
    threshold
        Least cosine; calibrate it for the encoder (`calibrate`).
    """
    function = encoder_named(encoder) if isinstance(encoder, str) else encoder

    def similar(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
        cosine = similarity(function, bare(original.text), [bare(candidate.text)])[0]
        return Verdict(validator="encoder", score=max(0.0, min(1.0, cosine)), threshold=threshold)

    return similar


def in_english(phrasing: Phrasing) -> bool:
    """Return whether a phrasing is in English, the one language that the fitted rules know."""
    return phrasing.language.partition("-")[0] == "en"


def fitted_validator(
    *,
    goal: str = "few refused",
    encoder: str | None = None,
) -> Validator:
    """Return a validator by all signals together, weighed on labelled pairs (docs/meaning.md).

    Parameters
    ----------
    goal
        What the threshold was chosen for, one of `evalkit.catalog.library.fitted.GOALS`.
    encoder
        ``minilm``, the encoder that the network stands on; None for the rules alone.

    Raises
    ------
    UsageError
        When there is no such goal.
    """
    if goal not in GOALS:
        raise UsageError(
            f"meaning check: goal {goal!r} is not known; accepted: {', '.join(GOALS)}."
        )
    fit = fit_named("encoder" if encoder else "rules")
    network = shipped_comparer() if encoder else None

    def kept(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
        values = features(original.text, candidate.text, labels, comparer=network)
        against = sorted(
            ((weight * values[name], name) for name, weight in fit.weights.items()), reverse=True
        )
        note = ", ".join(name for amount, name in against[:3] if amount > 0.3)
        return Verdict(
            validator="fitted",
            score=probability(fit, values),
            threshold=fit.thresholds[goal],
            note=note,
        )

    return kept


@lru_cache(maxsize=2)
def _nli_model(name: str) -> Any:
    """Return tokenizer, model and index of the entailment label."""
    tokenizer, model = pretrained(name, "sequence-classification", use="NLI model")
    names = {str(label).lower(): int(index) for index, label in model.config.id2label.items()}
    index = next(
        (place for label, place in sorted(names.items()) if label.startswith("entail")), None
    )
    if index is None:
        raise BackendError(
            f"{name}: has labels {', '.join(sorted(names))}; one called entailment is needed. "
            "Name an NLI model."
        )
    return tokenizer, model, index


def nli_validator(name: str, *, threshold: float = 0.5) -> Validator:
    """Return a validator by entailment in both directions: the smaller of the two probabilities.

    Parameters
    ----------
    name
        Folder or hub id of a sequence-classification model with a label ``entailment``.
    threshold
        Least probability; calibrate it for the model.
    """

    def entails(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
        import torch

        tokenizer, model, index = _nli_model(name)
        first, second = bare(original.text), bare(candidate.text)
        batch = tokenizer(
            [first, second], [second, first], return_tensors="pt", padding=True, truncation=True
        )
        with torch.inference_mode():
            probability = model(**batch).logits.softmax(dim=-1)[:, index]
        return Verdict(validator="nli", score=float(probability.min()), threshold=threshold)

    return entails


_QUESTION = (
    "Two instructions for the same kind of item are given. "
    "Would somebody who follows the second one give the very answer, in the very form, "
    "that the first one asks for?\n\nFirst instruction: {one}\nSecond instruction: "
    "{two}\nAnswer yes or no:"
)
_LANGUAGE = (
    "Is this instruction free of mistakes of grammar, with no word missing and none too many?"
    "\n\nInstruction: {text}\nAnswer yes or no:"
)


@lru_cache(maxsize=2)
def _backend(kind: str, name: str) -> Any:
    return BACKENDS.load(kind)(ModelSpec(backend=kind, name=name))


def asked_validator(model: str, *, threshold: float = 0.5) -> Validator:
    """Return a validator that asks a language model whether the texts ask the same, both ways
    round, and whether the changed one is free of mistakes.

    The score is the smallest of the three probabilities of ``yes`` against ``no``, so that a text
    which asks more, or less, fails in one of the directions.

    Parameters
    ----------
    model
        ``BACKEND:NAME``; the backend must score choices.
    threshold
        Least probability; calibrate it for the model (`evalkit.catalog.library.meaning.calibrate`).

    Raises
    ------
    UsageError
        When the backend is not known.
    BackendError
        When the model gives no probabilities.
    """
    kind, colon, name = model.partition(":")
    if not colon or kind not in BACKENDS:
        raise UsageError(
            f"meaning check: model {model!r} is not accepted; BACKEND:NAME is, "
            f"with {', '.join(BACKENDS.names())}."
        )

    def asked(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
        texts = (bare(original.text), bare(candidate.text))
        questions = [_QUESTION.format(one=one, two=two) for one, two in (texts, texts[::-1])]
        requests = [
            Request(kind="choice", text=text, continuations=(" yes", " no"))
            for text in (*questions, _LANGUAGE.format(text=texts[1]))
        ]
        answers = {
            response.key: response
            for batch in _backend(kind, name).run([Ask(request) for request in requests])
            for response in batch
        }
        chances = []
        for request in requests:
            response = answers.get(request.key)
            if response is None or len(response.logprobs) != 2:
                reason = response.error if response and response.error else "it gave none"
                raise BackendError(
                    f"{model}: gives no probabilities for yes and no: {reason}. "
                    "Name a model that scores choices."
                )
            yes, no = response.logprobs
            chances.append(1.0 / (1.0 + math.exp(min(700.0, no - yes))))
        return Verdict(validator="model", score=min(chances), threshold=threshold)

    return asked


def validators_for(
    candidate: Phrasing,
    *,
    encoder: str | None = None,
    nli: str | None = None,
    model: str | None = None,
) -> list[Validator]:
    """Return what a candidate has to pass: slots, labels, length, the fitted rules,
    and the models named.

    Typos, ciphers, noise and layout are not held against the fitted rules, which know good English,
    and neither are texts in other languages.

    Parameters
    ----------
    candidate
        What is checked.
    encoder, nli, model
        Names of models, see `encoder_validator`, `nli_validator`, `asked_validator`; ``minilm``
        joins the fitted rules instead of standing beside them.
    """
    last = candidate.perturbation.rpartition("+")[2].partition(":")[0]
    wanted: list[Validator] = [slots_kept, labels_kept, length_ratio]
    if in_english(candidate) and (not last or last in REWORDINGS):
        joined = encoder if encoder == MINILM else None
        wanted.append(fitted_validator(encoder=joined))
    if encoder and encoder != MINILM:
        wanted.append(encoder_validator(encoder))
    wanted += [nli_validator(nli)] if nli else []
    return wanted + ([asked_validator(model)] if model else [])
