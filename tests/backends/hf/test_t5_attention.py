"""Less arithmetic in T5-like attention: what is left out,
and that the numbers stay the library's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.records import ModelSpec

torch = pytest.importorskip("torch")

from evalkit.backends.hf.encoder_decoder import EncoderDecoderScorer  # noqa: E402
from evalkit.backends.hf.files import locate  # noqa: E402
from evalkit.backends.hf.layout import Work  # noqa: E402  # they need torch
from evalkit.backends.hf.loading import Loaded, load  # noqa: E402
from evalkit.backends.hf.rows import SingleScorer  # noqa: E402

LETTERS = ((5,), (6,), (7,))
LONG = ((5, 9, 11), (5, 9, 12, 4), (6,), (8, 8, 8, 8, 8))


def loaded_of(directory: Path) -> Loaded:
    """A model in float32 on the CPU."""
    spec = ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")
    return load(spec, locate(spec))


def prompts(tails: tuple[tuple[int, ...], ...]) -> list[Work]:
    """Prompts of different lengths, so that rows are padded."""
    return [Work(tuple(range(10, 10 + n)), tails) for n in (90, 70, 23, 90)]


def products_of_the_prompt(loaded: Loaded, works: list[Work]) -> int:
    """How often keys or values of a prompt are computed while `works` are scored."""
    calls = []
    scorer = EncoderDecoderScorer(loaded)
    for block in loaded.model.get_decoder().block:
        for name in ("k", "v"):
            getattr(block.layer[1].EncDecAttention, name).register_forward_hook(
                lambda *args: calls.append(1)
            )
    scorer.score(works)
    return len(calls)


@pytest.mark.parametrize("kind", ["t5", "umt5"])
@pytest.mark.parametrize("tails", [LETTERS, LONG])
def test_scores_are_those_of_one_unpadded_row_per_choice(
    model_dir: Callable[..., Path], kind: str, tails: Any
) -> None:
    """Joined biases, branches behind one start token and reordered products change no
    log-likelihood by 1e-4 nat.
    """
    loaded = loaded_of(model_dir(kind, "end"))
    expected = SingleScorer(loaded).score(prompts(tails))
    found = EncoderDecoderScorer(loaded).score(prompts(tails))

    assert [value for row in found for value in row] == pytest.approx(
        [value for row in expected for value in row], abs=1e-4
    )


def test_letters_are_read_without_keys_and_values_of_the_prompt(
    model_dir: Callable[..., Path],
) -> None:
    """One decoder position per prompt weighs the encoder's states themselves;
    a short prompt is not worth it.
    """
    loaded = loaded_of(model_dir("t5", "end"))
    short = [Work((10, 11), LONG)]

    assert products_of_the_prompt(loaded, prompts(LETTERS)) == 0
    assert products_of_the_prompt(loaded, short) == 2 * len(loaded.model.get_decoder().block)


def test_what_is_placed_ends_with_the_scoring(model_dir: Callable[..., Path]) -> None:
    """The library's own forward gives the same logits before and after."""
    loaded = loaded_of(model_dir("t5", "end"))
    ids = torch.arange(10, 40)[None]

    def logits() -> Any:
        with torch.inference_mode():
            return loaded.model(input_ids=ids, decoder_input_ids=ids[:, :5]).logits

    before = logits()
    EncoderDecoderScorer(loaded).score(prompts(LONG))

    assert torch.equal(before, logits())


def test_adapters_on_the_attention_keep_the_librarys_order(model_dir: Callable[..., Path]) -> None:
    """Where a projection is more than its weight, keys and values are computed by it."""
    loaded = loaded_of(model_dir("t5", "end"))

    class Wrapped(torch.nn.Linear):  # type: ignore[misc,name-defined]
        pass

    for block in loaded.model.get_decoder().block:
        block.layer[1].EncDecAttention.v.__class__ = Wrapped

    assert products_of_the_prompt(loaded, prompts(LETTERS)) == 2 * len(
        loaded.model.get_decoder().block
    )
