"""Every architecture family: the fast path gives what the model's own forward and `generate`
give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

torch = pytest.importorskip("torch")

FAST = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3", "gpt2", "gpt_neox", "opt"]
PLAIN = ["bloom", "mamba"]
ENCODER_DECODER = ["t5", "bart"]
MORE_FAST = ["gemma", "granite", "olmo2", "phi", "phi3", "stablelm", "cohere"]
MORE_ENCODER_DECODER = ["mt5", "umt5"]
ALL = [
    *FAST,
    *PLAIN,
    *ENCODER_DECODER,
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in MORE_FAST + MORE_ENCODER_DECODER),
]
INSTRUCTIONS = (
    "Pick the letter of the one correct reply.",
    "Read the sentence and say which of them it is, no more:",
)
QUESTIONS = (
    "Which planet is the largest of all?",
    "Two dogs follow the red fox home over the hill. Which one of them is the largest?",
    "A boat floats because water pushes it up. Yes or no?",
    "12 34 567 eight",
)
CHOICES = (
    (" A", " B", " C", " D"),
    (" Jupiter", " Saturn", " the Moon", " none of them all"),
    (" (A)", " (B)", " (A) Jupiter", " (C)"),
)


def choice_requests() -> list[Request]:
    """Instruction-first and instance-first prompts longer than a window of 16, several kinds of
    continuation.
    """
    texts = [f"{i}\n\n{q}\nAnswer:" for i in INSTRUCTIONS for q in QUESTIONS] + [
        f"{q}\n\n{i}\nAnswer:" for q in QUESTIONS for i in INSTRUCTIONS
    ]
    return [
        Request(kind="choice", text=text, continuations=choices)
        for text in texts
        for choices in CHOICES
    ]


def answers(
    directory: Path, requests: Sequence[Request], **options: object
) -> tuple[list[Response], dict[str, object]]:
    """Responses in the order of the requests, and the backend's statistics."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(
        ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32", options=options)
    )
    found = {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
    assert len(found) == len(requests)
    return [found[request.key] for request in requests], dict(backend.stats)


def one_by_one(directory: Path, requests: Sequence[Request]) -> list[list[float]]:
    """Log-likelihoods from full logits of one unpadded row per continuation, by the library
    alone.
    """
    import transformers as tf

    config = tf.AutoConfig.from_pretrained(directory)
    auto = tf.AutoModelForSeq2SeqLM if config.is_encoder_decoder else tf.AutoModelForCausalLM
    if config.model_type == "llava":
        auto = tf.AutoModelForImageTextToText
    model, tokenizer = (
        auto.from_pretrained(directory, dtype=torch.float32).eval(),
        tf.AutoTokenizer.from_pretrained(directory),
    )
    rows = []
    for request in requests:
        scores = []
        for choice in request.continuations:
            with torch.no_grad():
                if config.is_encoder_decoder:
                    prompt = tokenizer(request.text, return_tensors="pt").input_ids
                    tail = tokenizer(
                        choice, add_special_tokens=False, return_tensors="pt"
                    ).input_ids
                    logits = model(input_ids=prompt, labels=tail).logits[0]
                else:
                    n = len(tokenizer(request.text).input_ids)
                    whole = tokenizer(request.text + choice, return_tensors="pt").input_ids
                    tail = whole[:, n:]
                    logits = model(whole).logits[0, n - 1 : -1]
            scores.append(float(torch.log_softmax(logits, -1).gather(1, tail[0][:, None]).sum()))
        rows.append(scores)
    return rows


@pytest.mark.parametrize("kind", ALL)
def test_log_likelihoods_equal_those_of_one_row_per_choice(
    model_dir: Callable[..., Path], kind: str
) -> None:
    """Fast or fallen back, every log-likelihood is within 1e-4 nat of the library's and no
    decision changes.
    """
    encoder_decoder = kind in ENCODER_DECODER + MORE_ENCODER_DECODER
    pieces = "end" if encoder_decoder else "bytes"
    directory = model_dir(kind, pieces)
    requests = choice_requests()
    found, stats = answers(directory, requests)
    expected = one_by_one(directory, requests)

    assert stats["path"] == ("rows" if kind in PLAIN else "packed" if encoder_decoder else "tree")
    assert bool(stats["notice"]) == (kind in PLAIN)
    for response, scores in zip(found, expected, strict=True):
        assert list(response.logprobs) == pytest.approx(scores, abs=1e-4)
        assert max(range(4), key=response.logprobs.__getitem__) == max(
            range(4), key=scores.__getitem__
        )


@pytest.mark.parametrize("kind", FAST)
def test_shared_prefixes_are_used(model_dir: Callable[..., Path], kind: str) -> None:
    """Where the fast path runs, prompt tokens are answered from stored prefixes and fewer are
    computed than naively.
    """
    _, stats = answers(model_dir(kind), choice_requests())

    assert stats["reused"] > 0
    assert stats["planned"] < stats["naive"] / 3


def library_texts(directory: Path, requests: Sequence[Request]) -> list[str]:
    """Greedy texts by the library's `generate`, one unpadded prompt at a time, cut at the first
    stop.
    """
    import transformers as tf

    config = tf.AutoConfig.from_pretrained(directory)
    auto = tf.AutoModelForSeq2SeqLM if config.is_encoder_decoder else tf.AutoModelForCausalLM
    model, tokenizer = (
        auto.from_pretrained(directory, dtype=torch.float32).eval(),
        tf.AutoTokenizer.from_pretrained(directory),
    )
    texts = []
    for request in requests:
        prompt = tokenizer(request.text, return_tensors="pt").input_ids
        with torch.no_grad():
            ids = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=request.max_tokens,
                do_sample=False,
            )
        new = ids[0, 1 if config.is_encoder_decoder else prompt.shape[1] :]
        text = tokenizer.decode(new, skip_special_tokens=True)
        texts.append(min((text.split(stop)[0] for stop in request.stop), key=len, default=text))
    return texts


@pytest.mark.parametrize("kind", ALL)
def test_generation_equals_the_librarys(model_dir: Callable[..., Path], kind: str) -> None:
    """Batched generation behind shared prefixes writes the same text as the library, prompt by
    prompt.
    """
    directory = model_dir(
        kind, "end" if kind in ENCODER_DECODER + MORE_ENCODER_DECODER else "bytes"
    )
    texts = dict.fromkeys(request.text for request in choice_requests())
    requests = [
        Request(
            kind="generate", text=text, max_tokens=5 + i % 14, stop=(("t", "X\n") if i % 2 else ())
        )
        for i, text in enumerate(texts)
    ]
    found, _ = answers(directory, requests)

    assert [response.text for response in found] == library_texts(directory, requests)
    assert {response.finish_reason for response in found} <= {"stop", "length"}


@pytest.mark.parametrize("kind", ["qwen3_moe", "gemma4", "llava"])
def test_a_type_that_is_not_listed_is_fast_where_it_proves_right(
    model_dir: Callable[..., Path], kind: str
) -> None:
    """A mixture of experts, heads that differ between layers,
    and a model that sees pictures too, whose tower's four positions say nothing of texts.
    """
    directory, requests = model_dir(kind), choice_requests()[::4]
    found, stats = answers(directory, requests)

    assert (stats["path"], stats["notice"]) == ("tree", "")
    assert stats["proof"]["reference"] == "float64"
    for response, scores in zip(found, one_by_one(directory, requests), strict=True):
        assert list(response.logprobs) == pytest.approx(scores, abs=1e-4)


def test_a_model_that_fills_gaps_is_refused(model_dir: Callable[..., Path]) -> None:
    """It sees the answer that it is asked for, so its log-probabilities would be no measure of
    anything.
    """
    with pytest.raises(BackendError, match=r"depends on what follows there.*model type 'bert'"):
        answers(model_dir("bert"), choice_requests()[:2])


def test_every_verified_type_is_tested_here(model_dir: Callable[..., Path]) -> None:
    """A model type enters the list of those that need no long prompt in their proof together
    with its test.
    """
    from evalkit.backends.hf.proof import VERIFIED

    aliases = {"gemma3": "gemma3_text"}

    assert {
        aliases.get(kind, kind)
        for kind in FAST + MORE_FAST + ENCODER_DECODER + MORE_ENCODER_DECODER
    } == VERIFIED


def test_a_configuration_under_which_the_forward_fails_is_said(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads, and the library's own forward raises whatever it likes: one line."""
    from evalkit.backends.hf.rows import SingleScorer

    def fails(*_: object) -> None:
        raise IndexError("bounds of a window\nand more")

    monkeypatch.setattr(SingleScorer, "score", fails)
    with pytest.raises(BackendError, match=r"cannot run the model: bounds of a window\. Check"):
        answers(model_dir("llama"), choice_requests()[:2])
