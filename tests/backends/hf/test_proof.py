"""The fast path proves itself, and computes what the plan says."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.backends.hf.layout import visible
from evalkit.backends.hf.tree import common_prefix
from evalkit.records import Ask, ModelSpec, Request

torch = pytest.importorskip("torch")
WORDS = (
    "planet",
    "boat",
    "dog",
    "fox",
    "hill",
    "water",
    "sentence",
    "letter",
    "reply",
    "true",
    "red",
    "home",
    "largest",
    "none",
    "eight",
)


def spec_of(directory: Path, **fields: Any) -> ModelSpec:
    """Specification of a local model in float32 on the CPU."""
    return ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32", **fields)


def grid_of(
    phrasings: int, instances: int, *, letters: bool, first: str = "instruction"
) -> list[Request]:
    """Prompts of phrasings x instances with four continuations."""
    rng = random.Random(3)

    def some(n: int) -> str:
        return " ".join(rng.choices(WORDS, k=n))

    asked = [some(rng.randint(8, 24)) + "." for _ in range(phrasings)]
    found = []
    for n in range(instances):
        body = f"{n} {some(rng.randint(12, 40))}?"
        choices = (" A", " B", " C", " D") if letters else tuple(f" {some(4)}" for _ in range(4))
        parts = [(i, body) if first == "instruction" else (body, i) for i in asked]
        found += [
            Request(kind="choice", text=f"{a}\n\n{b}\nAnswer:", continuations=choices)
            for a, b in parts
        ]
    return found


@pytest.mark.parametrize("broken", ["mask", "position"])
def test_a_fast_path_that_is_wrong_is_not_taken(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A mask that hides nothing, or positions that are off, are found at the start;
    the numbers come out right anyway.
    """
    from evalkit.backends.hf import packed
    from evalkit.backends.hf.backend import HFBackend

    requests = grid_of(2, 4, letters=False)
    right = {
        r.key: r
        for batch in HFBackend(spec_of(model_dir("llama"), options={"path": "plain"})).run(
            list(map(Ask, requests))
        )
        for r in batch
    }
    name = "visible" if broken == "mask" else "grid"
    original = getattr(packed, name)

    def wrong(*args: Any) -> Any:
        first, second = original(*args)
        return (
            (first | True, second)
            if broken == "mask"
            else (first, second + 3 * (second > second.min() + 4))
        )

    monkeypatch.setattr(packed, name, wrong)
    backend = HFBackend(spec_of(model_dir("llama")))
    found = {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}

    assert backend.stats["path"] == "rows"
    assert "the fast path is off by" in backend.stats["notice"]
    for key, response in found.items():
        assert response.logprobs == pytest.approx(right[key].logprobs, abs=1e-4)


def test_an_encoder_decoder_path_that_is_wrong_is_not_taken(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Branches of continuations that see each other are found at the start."""
    from evalkit.backends.hf import encoder_decoder
    from evalkit.backends.hf.backend import HFBackend

    def wrong(works: Any, positions: Any, bank: Any) -> Any:
        allowed, keys = visible(works, positions, bank)
        return allowed | np.tri(allowed.shape[1], dtype=np.bool_), keys

    monkeypatch.setattr(encoder_decoder, "visible", wrong)
    backend = HFBackend(spec_of(model_dir("t5", "end"), options={"allow_unknown": True}))
    list(backend.run(list(map(Ask, grid_of(2, 3, letters=False)))))

    assert backend.stats["path"] == "rows"


@pytest.mark.parametrize("letters", [True, False])
@pytest.mark.parametrize("first", ["instruction", "instance"])
def test_computed_tokens_are_those_of_the_formula(
    model_dir: Callable[..., Path], letters: bool, first: str
) -> None:
    """Prefixes once, the rest of every prompt, k - 1 tokens per continuation:
    within 3 % of that, padding included.
    """
    import transformers as tf

    from evalkit.backends.hf.backend import HFBackend

    tokenizer = tf.AutoTokenizer.from_pretrained(model_dir("llama"))
    phrasings, instances = (3, 100) if first == "instruction" else (20, 24)
    requests = grid_of(phrasings, instances, letters=letters, first=first)
    ids = [tokenizer(request.text)["input_ids"] for request in requests]
    by_phrasing = [ids[p::phrasings] for p in range(phrasings)]
    by_instance = [ids[n * phrasings : (n + 1) * phrasings] for n in range(instances)]
    formula = 0
    for group in by_phrasing if first == "instruction" else by_instance:
        shared = min(min(common_prefix(group[0], other), len(other) - 1) for other in group)
        formula += shared + sum(len(prompt) - shared for prompt in group)
    for request, prompt in zip(requests, ids, strict=True):
        tails = [
            tuple(tokenizer(request.text + choice)["input_ids"][len(prompt) :])
            for choice in request.continuations
        ]
        formula += len({tail[:j] for tail in tails for j in range(1, len(tail))})
    backend = HFBackend(spec_of(model_dir("llama")))
    list(backend.run(list(map(Ask, requests))))

    assert backend.stats["computed"] <= 1.03 * formula
    assert backend.stats["planned"] == pytest.approx(formula, rel=0.03)


def test_the_vocabulary_head_runs_at_answer_positions_only(model_dir: Callable[..., Path]) -> None:
    """That is one position per distinct beginning of a continuation, whatever the length of the
    prompt.
    """
    import transformers as tf

    from evalkit.backends.hf.backend import HFBackend

    tokenizer = tf.AutoTokenizer.from_pretrained(model_dir("llama"))
    tails = [
        tuple(tokenizer("Answer:" + choice)["input_ids"][len(tokenizer("Answer:")["input_ids"]) :])
        for choice in (" A", " B", " C", " D")
    ]
    backend = HFBackend(spec_of(model_dir("llama")))
    requests = grid_of(3, 20, letters=True)
    list(backend.run(list(map(Ask, requests[:4]))))
    rows = []
    backend.loaded.model.get_output_embeddings().register_forward_hook(
        lambda module, args, output: rows.append(output.shape[:-1].numel())
    )
    list(backend.run(list(map(Ask, requests[4:]))))

    assert sum(rows) == (len(requests) - 4) * len(
        {tail[:j] for tail in tails for j in range(len(tail))}
    )


def test_finished_rows_are_dropped_from_generation(model_dir: Callable[..., Path]) -> None:
    """Tokens fed one by one are those after each row's first, not the longest row's for all."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("llama")))
    requests = [
        Request(kind="generate", text=f"Two dogs and {i}", max_tokens=n)
        for i, n in enumerate((1, 2, 3, 30))
    ]
    list(backend.run(list(map(Ask, requests))))

    assert backend.stats["generated"] == sum(request.max_tokens - 1 for request in requests)


def test_costs_are_measured_when_there_is_enough_to_do(model_dir: Callable[..., Path]) -> None:
    """Over 500 prompts the costs of sharing come from this machine, within the clamped ranges."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("llama")))
    list(backend.run(list(map(Ask, grid_of(4, 130, letters=True)))))
    costs = backend.stats["costs"]

    assert 0.02 <= costs["copy"] <= 0.5
    assert 1.0 <= costs["launch"] <= 64.0
    assert backend.stats["reused"] > 0


def test_rounding_of_large_log_probabilities_does_not_end_the_fast_path(
    model_dir: Callable[..., Path],
) -> None:
    """Sums of several hundred nat differ in the fourth place by float32 alone;
    the tolerance grows with them.
    """
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("t5_large_logits", "end")))
    found = [
        r for batch in backend.run(list(map(Ask, grid_of(2, 4, letters=False)))) for r in batch
    ]

    assert min(value for response in found for value in response.logprobs) < -150
    assert backend.stats["path"] == "packed"


def test_differences_are_relative_beyond_a_hundred_nat() -> None:
    """0.004 at -400 nat counts as 0.001, at -40 nat as 0.004;
    a number beside NaN is infinitely far.
    """
    from evalkit.backends.hf.proof import largest_difference

    assert largest_difference([[-400.004]], [[-400.0]]) == pytest.approx(0.001)
    assert largest_difference([[-40.004]], [[-40.0]]) == pytest.approx(0.004)
    assert largest_difference([[float("nan")]], [[-1.0]]) == float("inf")


@pytest.mark.parametrize("letters", [True, False])
def test_an_encoder_reads_every_prompt_once_and_a_decoder_every_beginning_once(
    model_dir: Callable[..., Path], letters: bool
) -> None:
    """Prompt tokens, one start token, and one position per different beginning of the choices:
    within 3 % of that.
    """
    import transformers as tf

    from evalkit.backends.hf.backend import HFBackend

    tokenizer = tf.AutoTokenizer.from_pretrained(model_dir("t5", "end"))
    requests = grid_of(4, 60, letters=letters)
    formula = 0
    for request in requests:
        tails = [
            tuple(ids)
            for ids in tokenizer(list(request.continuations), add_special_tokens=False)["input_ids"]
        ]
        beginnings = {tail[:n] for tail in tails for n in range(1, len(tail))}
        formula += len(tokenizer(request.text)["input_ids"]) + 1 + len(beginnings)
    backend = HFBackend(spec_of(model_dir("t5", "end"), options={"allow_unknown": True}))
    list(backend.run(list(map(Ask, requests))))

    assert backend.stats["planned"] == formula
    assert formula <= backend.stats["computed"] <= 1.03 * formula


def test_a_compiled_model_scores_the_same_and_generates_as_before(
    model_dir: Callable[..., Path],
) -> None:
    """The option traces the model; log-probabilities and texts do not move.
    What the compiler does to it is the compiler's.
    """
    from evalkit.backends.hf.backend import HFBackend

    requests = [
        *grid_of(3, 4, letters=False),
        Request(kind="generate", text="The red fox", max_tokens=6),
    ]
    plain, traced = (
        HFBackend(spec_of(model_dir("llama"), options=options))
        for options in ({}, {"compile": "eager"})
    )
    expected, found = (
        {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
        for backend in (plain, traced)
    )

    assert (traced.stats["path"], traced.stats["notice"]) == ("tree", "")
    assert traced.loaded.model.base_model._compiled_call_impl is not None
    for key, response in found.items():
        assert response.logprobs == pytest.approx(expected[key].logprobs, abs=1e-4)
        assert response.text == expected[key].text


def test_a_compiler_that_fails_is_left_out_and_named(model_dir: Callable[..., Path]) -> None:
    """An unknown compiler costs a notice, not the run."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("llama"), options={"compile": "no-such-compiler"}))
    found = [r for batch in backend.run(list(map(Ask, grid_of(2, 2, letters=True)))) for r in batch]

    assert (backend.stats["path"], len(found)) == ("tree", 4)
    assert backend.stats["notice"] == "Not compiled, because the compiler fails."


@pytest.mark.parametrize(
    ("family", "changes", "needs"),
    [
        ("llama", {}, False),
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}},
            True,
        ),
        ("gpt2", {}, False),
        ("mistral", {}, True),
        ("gemma3", {}, True),
        ("t5", {}, False),
    ],
)
def test_the_longest_prompt_is_in_the_proof_where_length_could_matter(
    model_dir: Callable[..., Path], family: str, changes: dict[str, Any], needs: bool
) -> None:
    """Sliding windows and scaled positions show on long prompts only;
    elsewhere the longest one would cost most and show nothing.
    """
    from transformers import AutoConfig

    from evalkit.backends.hf.layout import Work
    from evalkit.backends.hf.samples import samples_of, treats_by_length

    config = AutoConfig.from_pretrained(model_dir(family))
    for name, value in changes.items():
        setattr(config, name, value)
    works = [Work(tuple(range(1, n)), ((5,), (6, 7))) for n in range(10, 90)]
    lengths = [len(work.context) for work in samples_of(works, longest=treats_by_length(config))]

    assert treats_by_length(config) == needs
    assert lengths == ([9, 28, 48, 88] if needs else [9, 28, 48])


def test_small_windows_and_tokenizer_calls_change_no_answer(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts that are tokenised, sorted and grouped a few at a time,
    or one by one when they are long, score the same, each once.
    """
    from evalkit.backends.hf import backend as hf
    from evalkit.backends.hf import encoding

    requests = grid_of(3, 7, letters=False)
    whole = {
        r.key: r.logprobs
        for batch in hf.HFBackend(spec_of(model_dir("llama"))).run(list(map(Ask, requests)))
        for r in batch
    }
    monkeypatch.setattr(hf, "_WINDOW_CHARACTERS", 700)
    monkeypatch.setattr(encoding, "_PER_CALL", 90)
    found = [
        r
        for batch in hf.HFBackend(spec_of(model_dir("llama"))).run(list(map(Ask, requests)))
        for r in batch
    ]

    assert sorted(r.key for r in found) == sorted(whole)
    for response in found:
        assert response.logprobs == pytest.approx(whole[response.key], abs=1e-4)
