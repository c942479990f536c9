"""Instructive decoding, logit arithmetic and the contrast of two checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.mitigations.applying import opened
from evalkit.backends.mitigations.instructive import NOISES, instruction_spans, noisy
from evalkit.errors import BackendError, UsageError
from evalkit.records import Ask, ModelSpec, Request, Response

KINDS = ("causal", "encoder-decoder")


def choice(question: str, continuations: tuple[str, ...] = (" True", " False")) -> Request:
    """Return a choice request with an instruction before its question."""
    head = "Say whether the statement is true.\n\n"
    return Request(
        kind="choice",
        text=f"{head}{question}\nAnswer:",
        body=(len(head), len(head) + len(question)),
        continuations=continuations,
    )


def generation(question: str) -> Request:
    """Return a generation request with an instruction before its question."""
    head = "Give the one correct reply.\n\n"
    return Request(
        kind="generate",
        text=f"{head}{question}\nAnswer:",
        body=(len(head), len(head) + len(question)),
        max_tokens=6,
    )


REQUESTS = [
    choice("not True and False"),
    choice("Is it so?", (" A", " B", " yes no", " yes yes")),
    generation("Which word stands first?"),
    generation("1 2 3"),
]


def answers(directory: Path, *mitigations: str) -> dict[str, Response]:
    """Return all responses of a model under mitigations, by request key."""
    backend = opened(ModelSpec(backend="hf", name=str(directory), device="cpu"), mitigations)
    try:
        return {
            response.key: response
            for batch in backend.run(list(map(Ask, REQUESTS)))
            for response in batch
        }
    finally:
        backend.close()


def close(a: Response, b: Response) -> bool:
    """Whether two responses agree to the precision of float32."""
    return a.text == b.text and a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "mitigation",
    [
        "instructive:eps=0",
        "contrast:with={other},weight=0",
        "arithmetic:tuned={other},base={other},scale=0",
    ],
)
def test_strength_zero_gives_the_plain_responses_bit_for_bit(
    small_model: Callable[..., Path],
    kind: str,
    mitigation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mitigation that is turned off changes nothing, not the last bit, on as many threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else measured at every start
    found = answers(small_model(kind), mitigation.format(other=small_model(kind, 2)))

    assert found == answers(small_model(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_small_models_return_the_large_one(
    small_model: Callable[..., Path], kind: str
) -> None:
    """Large + (small - small) is the large model."""
    small = small_model(kind, 2)
    found, plain = (
        answers(small_model(kind), f"arithmetic:tuned={small},base={small}"),
        answers(small_model(kind)),
    )

    assert all(close(found[key], plain[key]) for key in plain)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tuned_small_model_equal_to_the_large_one_counts_twice_less_its_base(
    small_model: Callable[..., Path], kind: str
) -> None:
    """Large + (large - other) is the contrast of the two with weight 1."""
    large, other = small_model(kind), small_model(kind, 2)
    added, contrasted = (
        answers(large, f"arithmetic:tuned={large},base={other}"),
        answers(large, f"contrast:with={other},weight=1"),
    )

    assert all(close(added[key], contrasted[key]) for key in added)
    assert not all(close(added[key], plain) for key, plain in answers(large).items())


def reference(directory: Path, request: Request, eps: float, noise: str) -> list[float]:
    """Return choice log-probabilities of instructive decoding by one unpadded forward per choice
    and branch.
    """
    import torch
    import transformers as tf

    model: Any = tf.AutoModelForCausalLM.from_pretrained(directory)
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(directory)
    found = []
    for continuation in request.continuations:
        sides = []
        for text in (request.text, noisy(request, noise).text):
            context, whole = (
                tokenizer(text)["input_ids"],
                tokenizer(text + continuation)["input_ids"],
            )
            with torch.no_grad():
                sides.append(model(torch.tensor([whole])).logits[0, len(context) - 1 : -1])
        target = torch.tensor(whole[len(context) :])
        mixed = torch.log_softmax(sides[0] - eps * sides[1], dim=-1)
        found.append(float(mixed[torch.arange(len(target)), target].sum()))
    return found


@pytest.mark.parametrize("noise", NOISES)
def test_choices_are_scored_by_the_renormalised_difference(
    small_model: Callable[..., Path], noise: str
) -> None:
    """Batched and padded branches give what one forward per choice and branch gives."""
    found = answers(small_model(), f"instructive:eps=0.3,noise={noise}")

    for request in REQUESTS[:2]:
        assert found[request.key].logprobs == pytest.approx(
            reference(small_model(), request, 0.3, noise), abs=1e-4
        )


def test_generation_takes_the_likeliest_token_of_the_difference(
    small_model: Callable[..., Path],
) -> None:
    """Generation in a batch, with padding and states kept, is the step-by-step argmax without
    either.
    """
    import torch
    import transformers as tf

    model: Any = tf.AutoModelForCausalLM.from_pretrained(small_model())
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(small_model())
    found = answers(small_model(), "instructive:eps=0.9,noise=random")

    for request in REQUESTS[2:]:
        sides = [
            tokenizer(text)["input_ids"] for text in (request.text, noisy(request, "random").text)
        ]
        ids: list[int] = []
        while len(ids) < request.max_tokens and ids[-1:] != [1]:
            with torch.no_grad():
                real, spoilt = (model(torch.tensor([side + ids])).logits[0, -1] for side in sides)
            ids.append(int((real - 0.9 * spoilt).argmax()))
        assert found[request.key].text == tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
def test_both_branches_cost_two_prompts(small_model: Callable[..., Path], kind: str) -> None:
    """The tokens of both prompts are counted."""
    found, plain = (
        answers(small_model(kind), "instructive:noise=opposite"),
        answers(small_model(kind)),
    )

    assert all(found[key].prompt_tokens > 2 * plain[key].prompt_tokens for key in plain)


def test_noise_touches_the_instruction_and_nothing_else() -> None:
    """Question, listed choices and cue stay; so does the span of the question."""
    question = "not True"
    text = f"{question}\nA. yes\nB. no\n\nSay which is so, in one word.\nAnswer:"
    request = Request(kind="choice", text=text, body=(0, len(question)), continuations=(" A", " B"))
    found = {noise: noisy(request, noise) for noise in NOISES}

    assert [text[start:end] for start, end in instruction_spans(request)] == [
        "Say which is so, in one word."
    ]
    assert all(
        made.text.startswith(f"{question}\nA. yes\nB. no\n\n") and made.text.endswith("\nAnswer:")
        for made in found.values()
        if made != found["null"]
    )
    assert found["null"].text == f"{question}\nA. yes\nB. no\n\nAnswer:"
    assert len({made.text for made in found.values()} | {text}) == len(NOISES) + 1
    assert noisy(request, "random") == found["random"]


def test_the_fingerprint_names_the_mitigation_and_the_other_weights(
    small_model: Callable[..., Path],
) -> None:
    """Nothing is mixed in the store: strength, noise and the other model's weights all change
    the fingerprint.
    """
    specs = ["instructive", "instructive:eps=0.2", "instructive:noise=random"]
    specs += [f"contrast:with={small_model(seed=seed)}" for seed in (2, 3)]
    seen = []
    for text in specs:
        backend = opened(ModelSpec(backend="hf", name=str(small_model()), device="cpu"), [text])
        seen.append(str(backend.fingerprint()["mitigations"]))
        backend.close()

    assert len(set(seen)) == len(specs)


def test_what_needs_logits_is_refused_behind_what_hides_them(
    small_model: Callable[..., Path],
) -> None:
    """The order that has no meaning is refused with the reason."""
    spec = ModelSpec(backend="hf", name=str(small_model()), device="cpu")

    with pytest.raises(BackendError, match="needs the logits of the model"):
        opened(spec, ["calibrate", "instructive"])
    with pytest.raises(BackendError, match="needs the logits of the model"):
        opened(ModelSpec(backend="scripted", name="seen_only"), ["instructive"])


def test_a_model_with_another_vocabulary_is_refused(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Logits of different tokens are not added."""
    import transformers as tf

    other = tmp_path / "other"
    tf.AutoModelForCausalLM.from_pretrained(small_model()).save_pretrained(other)
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(small_model())
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(other)

    with pytest.raises(BackendError, match="has another vocabulary"):
        answers(small_model(), f"contrast:with={other}")


@pytest.mark.parametrize(
    "text", ["instructive:eps=1.5", "instructive:noise=loud", "contrast", "arithmetic:tuned=x"]
)
def test_options_out_of_range_are_refused(small_model: Callable[..., Path], text: str) -> None:
    """A strength, noise or model that means nothing is a usage error."""
    with pytest.raises((UsageError, BackendError)):
        answers(small_model(), text)
