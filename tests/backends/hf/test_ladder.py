"""Every way of the ladder equals `plain`: one prompt, one continuation, one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.records import Ask, ModelSpec, Request

torch = pytest.importorskip("torch")

from evalkit.backends.hf.backend import HFBackend  # noqa: E402  # they need torch
from evalkit.backends.hf.encoder_decoder import EncoderDecoderScorer  # noqa: E402
from evalkit.backends.hf.layout import Work, mask_forms  # noqa: E402
from evalkit.backends.hf.loading import Loaded  # noqa: E402
from evalkit.backends.hf.packed import TreeScorer  # noqa: E402
from evalkit.backends.hf.plain import behind, ids_of, log_probability  # noqa: E402
from evalkit.backends.hf.rows import RowScorer, SingleScorer  # noqa: E402

CAUSAL = [("llama", "bytes"), ("mistral", "start"), ("gemma3", "start"), ("gpt2", "bytes")]
ENCODER_DECODER = [("t5", "end"), ("bart", "end")]
TEXTS = [
    (
        "Pick the letter of the one correct reply.\n\nWhich planet is the largest?\nAnswer:",
        " (A) (B)",
    ),
    ("Is it so? Yes or no? ", "yes no true"),
    ("12 34 567 eight nine ten. Which word is the first of them all? It is the", " fox twelve"),
]
"""Prompts and the words that become their choices, alone and together."""


def loaded_of(directory: Path) -> Loaded:
    """Return a model as the backend holds it."""
    return HFBackend(
        ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")
    ).loaded


def works_of(loaded: Loaded) -> tuple[list[Work], list[list[float]]]:
    """Return prompts as work, and what `plain` gives for each of their continuations."""
    works, expected = [], []
    for text, words in TEXTS:
        choices = [words, words.rpartition(" ")[0], words + words.replace(" ", "", 1)]
        pairs = [
            ids_of(loaded.tokenizer, text, choice, encoder_decoder=loaded.encoder_decoder)
            for choice in choices
        ]
        context = tuple(pairs[0][0])
        works.append(Work(context, tuple(tuple(tail) for _, tail in pairs)))
        expected.append([log_probability(loaded.model, context, tail) for _, tail in pairs])
    return works, expected


WAYS = [
    (*model, way)
    for model in CAUSAL + ENCODER_DECODER
    for way in ("single", "rows", "branches", "behind stored prefixes")
    if model in CAUSAL or way != "behind stored prefixes"  # an encoder reads both ways
]


@pytest.mark.parametrize(("kind", "pieces", "way"), WAYS)
def test_every_way_of_scoring_equals_the_plain_one(
    model_dir: Callable[..., Path], kind: str, pieces: str, way: str
) -> None:
    """To 1e-4 nat in float32, batched, with choices of several tokens that begin alike."""
    loaded = loaded_of(model_dir(kind, pieces))
    works, expected = works_of(loaded)
    if way in ("single", "rows"):
        found = (SingleScorer if way == "single" else RowScorer)(loaded).score(works)
    elif loaded.encoder_decoder:
        found = EncoderDecoderScorer(loaded).score(works)
    else:
        scorer = TreeScorer(loaded, mask_forms(loaded.model.config)[0])
        if way == "branches":
            found = scorer.score(works)
        else:
            cut = [len(work.context) // 2 for work in works]
            bank = scorer.bank([w.context[:n] for w, n in zip(works, cut, strict=True)])
            rest = [
                replace(work, context=work.context[n:], prefix=n, slot=slot)
                for slot, (work, n) in enumerate(zip(works, cut, strict=True))
            ]
            found = scorer.score(rest, bank)

    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("kind", "pieces"), [*CAUSAL[:2], *ENCODER_DECODER, ("bloom", "bytes")])
def test_the_whole_backend_equals_the_plain_way(
    model_dir: Callable[..., Path], kind: str, pieces: str
) -> None:
    """From text to log-probability and from text to generated ids, whatever way the engine
    takes.
    """
    backend = HFBackend(
        ModelSpec(
            backend="hf",
            name=str(model_dir(kind, pieces)),
            device="cpu",
            dtype="float32",
            options={"allow_unknown": True},  # the small vocabulary has no capital I
        )
    )
    loaded = backend.loaded
    choices = tuple(words for _, words in TEXTS)
    asked = [Request(kind="choice", text=text, continuations=choices) for text, _ in TEXTS]
    asked += [Request(kind="generate", text=text, max_tokens=6) for text, _ in TEXTS]
    found = {one.key: one for batch in backend.run(list(map(Ask, asked))) for one in batch}

    for request in asked:
        if request.kind == "choice":
            plain = [
                log_probability(
                    loaded.model,
                    *ids_of(
                        loaded.tokenizer,
                        request.text,
                        choice,
                        encoder_decoder=loaded.encoder_decoder,
                    ),
                )
                for choice in choices
            ]
            assert found[request.key].logprobs == pytest.approx(plain, abs=1e-4)
        else:
            assert found[request.key].text == _greedy(loaded, request.text, 6)


def _greedy(loaded: Loaded, text: str, number: int) -> str:
    """Return the greedy text of a prompt by `plain.behind`, one token at a time."""
    context = loaded.tokenizer(text)["input_ids"]
    ids: list[int] = []
    while len(ids) < number and (not ids or ids[-1] != loaded.tokenizer.eos_token_id):
        ids.append(int(behind(loaded.model, context, ids)[-1].argmax()))
    return str(loaded.tokenizer.decode(ids, skip_special_tokens=True))
