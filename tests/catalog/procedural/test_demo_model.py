"""The shipped demo checkpoint: complete, small, what its card says, and better than guessing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.catalog.instances import load_instances
from evalkit.catalog.models import load_model
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.procedural.generate import FAMILIES
from evalkit.catalog.tasks import load_task
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Prompt

CHANCE = {
    "boolean": 1 / 2,
    "calendar": 1 / 4,
    "comparison": 1 / 3,
    "counting": 1 / 5,
    "navigation": 1 / 2,
    "regex": 1 / 2,
    "tracking": 1 / 3,
}
MARGIN = 0.1


@pytest.fixture(scope="module")
def folder() -> Path:
    """Return the folder of the checkpoint."""
    return data_root("models") / "demo"


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    """Return the model and tokenizer as Transformers opens them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_the_folder_is_at_most_twelve_megabytes(folder: Path) -> None:
    """Weights, tokenizer, card and all stay within 12 000 000 bytes."""
    assert (
        1_000_000
        < sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        <= 12_000_000
    )


def test_the_card_names_the_hash_of_the_weights(folder: Path) -> None:
    """The sha256 in the model card is that of model.safetensors."""
    card = (folder / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"\b[0-9a-f]{64}\b", card) == [
        hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    ]


def test_demo_is_a_model_like_any_other(folder: Path) -> None:
    """``--model demo`` and the folder's path give the same specification:
    Transformers, tuned on the tuning half.
    """
    named, by_path = load_model("demo"), load_model(str(folder))

    assert named == by_path
    assert (named.backend, named.tuned_on, named.chat_template) == (
        "hf",
        ("evalkit-tuning",),
        "none",
    )


def test_the_checkpoint_opens_with_transformers(loaded: tuple[Any, Any]) -> None:
    """Every weight is there and finite, and the tokenizer knows every byte."""
    import torch

    model, tokenizer = loaded
    text = "Wörter, 漢字, 407 + PQ\n\tcode"

    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert max(tokenizer(text)["input_ids"]) < model.config.vocab_size


def answered(model: Any, tokenizer: Any, prompt: Prompt) -> str:
    """Return the likeliest continuation, or the greedy text of at most ten tokens."""
    import torch

    start = tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
    if not prompt.continuations:
        for _ in range(10):
            token = int(model(torch.tensor([start])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            start.append(token)
        return str(tokenizer.decode(start)[len(prompt.text) :].strip())
    scores = []
    for continuation in prompt.continuations:
        end = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        logprobs = model(torch.tensor([start + end])).logits[0, len(start) - 1 : -1].log_softmax(-1)
        scores.append(sum(float(logprobs[k, token]) for k, token in enumerate(end)))
    return prompt.labels[scores.index(max(scores))]


def seen_score(family: str, model: Any, tokenizer: Any) -> float:
    """Return the share of sixty held-out instances answered correctly, each in one of the tuning
    phrasings.
    """
    import torch

    task = load_task(f"procedural/{family}")
    phrasings = [item for item in load_phrasings(task) if item.source == "evalkit-tuning"]
    right = 0
    with torch.no_grad():
        for k, instance in enumerate(load_instances(task)[:60]):
            prompt = render_prompt(task, phrasings[k % len(phrasings)], instance)
            wanted = (
                instance.references[0]
                if instance.target is None
                else prompt.labels[instance.target]
            )
            right += answered(model, tokenizer, prompt) == wanted
    return right / 60


@pytest.mark.slow
def test_most_families_are_clearly_above_chance_in_seen_wording(loaded: tuple[Any, Any]) -> None:
    """At least six of ten families score a tenth above guessing on instances never trained on."""
    scores = {family: seen_score(family, *loaded) for family in FAMILIES}
    above = [
        family for family, score in scores.items() if score >= CHANCE.get(family, 0.0) + MARGIN
    ]

    assert len(above) >= 6, scores
