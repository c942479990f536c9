"""The short way to the tokens of continuations gives the tokens of the joint encoding."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.hf.tails import Tails

transformers = pytest.importorskip("transformers")

CUES = (
    "Answer:",
    "Answer: (",
    "The one correct reply is",
    "Reply:\nAnswer:",
    "A.\nAnswer:",
    "so it is [",
    "Antwort – ",
    "答え：",
)
CHOICES = (
    " A",
    "A",
    " (B)",
    "B)",
    "\nA",
    " none of them all",
    "none, 12",
    " Jupiter",
    "",
    " 木",
    "\n\nYes",
)


def joint(
    encode: Callable[[list[str]], list[list[int]]],
    items: list[tuple[str, tuple[int, ...], tuple[str, ...]]],
) -> list[Any]:
    """Tails by encoding prompt and continuation whole, one after the other."""
    found = []
    for context, ids, choices in items:
        whole = [tuple(encode([context + choice])[0]) for choice in choices]
        found.append(
            (tuple(w[len(ids) :] for w in whole), any(w[: len(ids)] != ids for w in whole))
        )
    return found


def items_of(
    encode: Callable[[list[str]], list[list[int]]], n: int
) -> list[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Prompts of changing bodies and cues."""
    texts = [
        (
            f"Which of {i} words is the {i * 7919 % 1013}th one?\n{'x' * (i % 5)} fox, "
            f"{i}\n{CUES[i % len(CUES)]}"
        ).rstrip()
        for i in range(n)
    ]
    return [(text, tuple(encode([text])[0]), CHOICES) for text in texts]


@pytest.mark.parametrize("pieces", ["bytes", "start"])
def test_tails_equal_those_of_the_joint_encoding(
    model_dir: Callable[..., Path], pieces: str
) -> None:
    """Byte-level and word-piece tokenizers: the same tails and the same boundary flags as
    encoding everything whole.
    """
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir("llama", pieces))

    def encode(texts: list[str]) -> list[list[int]]:
        return [list(ids) for ids in tokenizer(texts)["input_ids"]] if texts else []

    items = items_of(encode, 200)
    tails = Tails(encode)

    assert tails.encode(items) == joint(encode, items)
    assert tails.local


def test_prompts_are_not_encoded_again_for_their_continuations() -> None:
    """Past the checked ones, letters encoded do not grow with the continuations."""
    letters = 0

    def encode(texts: Any) -> list[list[int]]:
        nonlocal letters
        letters += sum(map(len, texts))
        return [[ord(c) for c in text] for text in texts]

    tails = Tails(encode)
    items = [
        (
            f"{'word ' * 40}{i}\nAnswer:",
            tuple(map(ord, f"{'word ' * 40}{i}\nAnswer:")),
            (" A", " B"),
        )
        for i in range(1000)
    ]
    tails.encode(items[:100])
    letters = 0
    tails.encode(items[100:])

    assert tails.local
    assert letters < 900 * 200 / 20


def test_a_tokenizer_that_looks_far_back_is_found_out() -> None:
    """When the last tokens depend on the beginning of the text, everything is encoded whole and
    comes out right.
    """

    def encode(texts: Any) -> list[list[int]]:
        return [
            [ord(c) for c in text] + ([len(text)] if text.endswith("A") else []) for text in texts
        ]

    items = [
        (f"{'word ' * i}\nAnswer:", tuple(map(ord, f"{'word ' * i}\nAnswer:")), (" A", " B"))
        for i in range(1, 30)
    ]
    tails = Tails(encode)

    assert tails.encode(items) == joint(encode, items)
    assert not tails.local


@pytest.mark.data
@pytest.mark.parametrize("name", ["gpt2_hf", "mistral_v1", "sentencepiece_1k"])
def test_tails_of_published_tokenizers_equal_those_of_the_joint_encoding(name: str) -> None:
    """GPT-2's byte-level BPE and SentencePiece models with a dummy space in front:
    the same tails and boundary flags.
    """
    data = os.environ.get("EVALKIT_DATA")
    if not data or not (Path(data) / "tokenizers" / name).is_dir():
        pytest.skip(f"EVALKIT_DATA names no directory with tokenizers/{name}")
    folder = Path(data) / "tokenizers" / name
    if name == "gpt2_hf":
        made = transformers.AutoTokenizer.from_pretrained(folder)

        def encode(texts: list[str]) -> list[list[int]]:
            return [list(ids) for ids in made(texts)["input_ids"]] if texts else []
    else:
        sentencepiece = pytest.importorskip("sentencepiece")
        model = sentencepiece.SentencePieceProcessor(model_file=str(next(folder.glob("*.model"))))

        def encode(texts: list[str]) -> list[list[int]]:
            return [[1, *ids] for ids in model.encode(list(texts))] if texts else []

    items = items_of(encode, 200)
    tails = Tails(encode)

    assert tails.encode(items) == joint(encode, items)
    assert tails.local
