"""Both ways of scoring are held against the model in float64."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from evalkit.backends.precision import FLOOR, TIMES

torch = pytest.importorskip("torch")


def deep(layers: int, dtype: str, *, family: str = "llama", spread: float = 0.08) -> Any:
    """A random model of so many layers, ready to score."""
    import transformers as tf

    from evalkit.backends.hf.loading import Loaded

    torch.manual_seed(layers)
    shared = {"vocab_size": 211, "initializer_range": spread, "pad_token_id": 0}
    if family == "llama":
        config: Any = tf.LlamaConfig(
            **shared,
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    else:
        config = tf.GPT2Config(**shared, n_embd=64, n_layer=layers, n_head=4, n_positions=256)
    model = tf.AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype)).eval()
    return Loaded(model, None, encoder_decoder=False, longest=256)


def works(number: int = 24) -> list[Any]:
    """Prompts of 10 to 120 tokens with three continuations."""
    from evalkit.backends.hf.layout import Work

    rng = random.Random(5)

    def some(n: int) -> tuple[int, ...]:
        return tuple(rng.choices(range(4, 211), k=n))

    return [Work(some(rng.randint(10, 120)), (some(1), some(3), some(6))) for _ in range(number)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layers", [2, 12, 30, 40])
@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_the_fast_path_is_taken_however_deep_the_model(
    dtype: str, layers: int, spread: float
) -> None:
    """Rounding grows with layers and weights on both ways alike,
    so depth alone is no reason against the fast one.
    """
    from evalkit.backends.hf.proof import choose

    path = choose(deep(layers, dtype, spread=spread), works())

    assert (path.name, path.notice) == ("tree", "")
    assert path.proof.reference == "float64"
    assert path.proof.error <= path.proof.allowed
    assert path.proof.allowed == max(TIMES * path.proof.plain_error, FLOOR[dtype])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_measured_noise_covers_what_the_two_ways_differ_by(dtype: str, family: str) -> None:
    """Over prompts that were not sampled, no log-probability differs by more than what is
    counted as rounding.
    """
    from evalkit.backends.hf.proof import choose, largest_difference
    from evalkit.backends.hf.rows import SingleScorer

    loaded = deep(12, dtype, family=family)
    path = choose(loaded, works(6))
    others = works(40)[6:]
    apart = largest_difference(path.scorer.score(others), SingleScorer(loaded).score(others))

    assert 0 < apart <= path.proof.noise


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_reference_is_the_model_converted_as_a_whole(dtype: str) -> None:
    """Module by module and all at once give the same numbers,
    where nothing inside the model casts to float32.
    """
    from evalkit.backends.hf.reference import in_float64
    from evalkit.backends.hf.rows import SingleScorer

    loaded, (work,) = deep(6, dtype, family="gpt2"), works(1)
    with in_float64(loaded):
        ((found, *_),) = SingleScorer(loaded).score([work])
    with torch.inference_mode():
        logits = loaded.model.double()(input_ids=torch.tensor([work.context])).logits[0, -1]

    assert found == pytest.approx(
        float(torch.log_softmax(logits, dim=-1)[work.tails[0][0]]), abs=1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_weights_come_back_bit_for_bit(dtype: str, family: str) -> None:
    """Parameters, buffers and their types are those of before, also when a forward fails."""
    from evalkit.backends.hf.reference import in_float64
    from evalkit.backends.hf.rows import SingleScorer

    loaded = deep(3, dtype, family=family)
    before = [(t.dtype, t.clone()) for t in [*loaded.model.parameters(), *loaded.model.buffers()]]
    with in_float64(loaded):
        SingleScorer(loaded).score(works(1))
    with pytest.raises(IndexError), in_float64(loaded):
        loaded.model(input_ids=torch.tensor([[999]]))

    after = [*loaded.model.parameters(), *loaded.model.buffers()]
    for (kind, values), tensor in zip(before, after, strict=True):
        assert tensor.dtype == kind
        assert torch.equal(tensor, values)


def test_without_float64_the_plain_path_and_the_fixed_tolerance_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device without float64 keeps the rule of fixed numbers,
    and the noise is said to be unknown.
    """
    from evalkit.backends.hf import proof

    def refuses(loaded: Any) -> Any:
        raise TypeError("no float64 here")

    monkeypatch.setattr(proof, "in_float64", refuses)
    path = proof.choose(deep(2, "float32"), works())

    assert (path.name, path.proof.reference, path.proof.allowed) == ("tree", "plain", 1e-4)
    assert math.isnan(path.proof.noise)
    assert math.isnan(path.proof.plain_error)


def test_a_path_beyond_the_plain_ones_error_is_refused_with_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mistake of 1e-3 nat, far below the old fixed tolerance of bfloat16, is found in float32
    and told with what was allowed.
    """
    from evalkit.backends.hf import proof

    original = proof.TreeScorer.score

    def off(self: Any, *args: Any) -> Any:
        return [[value + 1e-3 for value in row] for row in original(self, *args)]

    monkeypatch.setattr(proof.TreeScorer, "score", off)
    path = proof.choose(deep(2, "float32"), works())

    assert path.name == "rows"
    assert "the fast path is off by 0.001 nat from float64 where one row per choice is off by" in (
        path.notice
    )
