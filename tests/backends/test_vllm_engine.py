"""The vLLM backend against a stand-in with the engine's interface,
and against the engine itself where there is a GPU.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from evalkit.errors import BackendError, ExtraMissingError
from evalkit.records import Ask, ModelSpec, Request

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CHOICES = [
    Request(
        kind="choice",
        text="Which planet is the largest?\nAnswer:",
        continuations=(" A", " Yes", " no"),
    ),
    Request(
        kind="choice",
        text="Which planet is the largest of all?\nAnswer:",
        continuations=(" Jupiter", " Saturn and the Moon", " no"),
    ),
    Request(kind="choice", text="Say which one. ", continuations=("(A)", "(B)", "(A)")),
    Request(kind="choice", text="", continuations=("Yes", " no")),
]
TEXTS = [
    Request(kind="generate", text="Two dogs", max_tokens=6),
    Request(kind="generate", text="Read the sentence", max_tokens=12, stop=(" ",)),
]


@dataclass(frozen=True)
class Parameters:
    """The engine's `SamplingParams`, as far as it is used; an unknown name is a TypeError,
    as there.
    """

    temperature: float = 1.0
    max_tokens: int = 16
    stop: Any = None
    stop_token_ids: Any = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    detokenize: bool = True


@dataclass(frozen=True)
class OldParameters:
    """`SamplingParams` of an engine that gives the most likely tokens only."""

    temperature: float = 1.0
    max_tokens: int = 16
    stop: Any = None
    stop_token_ids: Any = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True


class Engine:
    """The engine's `LLM` with a Transformers model inside; refuses what the engine refuses."""

    made: ClassVar[list[Engine]] = []

    def __init__(
        self,
        *,
        model: str,
        dtype: str,
        max_logprobs: int = 20,
        max_model_len: int = 512,
        **options: Any,
    ) -> None:
        self.options = options
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            model, dtype=getattr(torch, dtype)
        ).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self.max_logprobs, self.max_model_len = max_logprobs, max_model_len
        self.llm_engine = SimpleNamespace(
            model_config=SimpleNamespace(max_model_len=max_model_len, dtype=getattr(torch, dtype))
        )
        self.asked: list[tuple[list[int], Any]] = []
        Engine.made.append(self)

    def get_tokenizer(self) -> Any:
        """Return the tokenizer."""
        return self.tokenizer

    def generate(
        self, prompts: list[dict[str, list[int]]], *, sampling_params: list[Any], use_tqdm: bool
    ) -> list[Any]:
        """Return one output per prompt."""
        assert len(prompts) == len(sampling_params)
        return [
            self._one(prompt["prompt_token_ids"], given)
            for prompt, given in zip(prompts, sampling_params, strict=True)
        ]

    @torch.inference_mode()
    def _one(self, ids: list[int], given: Any) -> Any:
        if len(ids) + 1 > self.max_model_len:
            raise ValueError(
                f"The prompt (length {len(ids)}) is longer than the maximum model length of "
                f"{self.max_model_len}."
            )
        if (given.logprobs or 0) > self.max_logprobs:
            raise ValueError(
                f"Requested sample logprobs of {given.logprobs}, which is greater than max "
                f"allowed: {self.max_logprobs}"
            )
        assert given.temperature == 0.0
        self.asked.append((ids, given))
        values = self.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        before = [
            None,
            *(
                {token: SimpleNamespace(logprob=values[i, token].item())}
                for i, token in enumerate(ids[1:])
            ),
        ]
        text, tokens, reason = "", list(ids), "length"
        for _ in range(given.max_tokens):
            best = int(self.model(torch.tensor([tokens])).logits[0, -1].argmax())
            tokens.append(best)
            if best == self.tokenizer.eos_token_id:
                reason = "stop"
                break
            text = self.tokenizer.decode(tokens[len(ids) :], skip_special_tokens=True)
            ends = [text.index(stop) for stop in given.stop or () if stop in text]
            if ends:
                text, reason = text[: min(ends)], "stop"
                break
        named = list(getattr(given, "logprob_token_ids", None) or [])
        listed = (
            values[-1].topk(min(given.logprobs, values.shape[-1])).indices.tolist()
            if given.logprobs
            else []
        )
        after = (
            [
                {
                    token: SimpleNamespace(logprob=values[-1, token].item())
                    for token in (*named, *listed)
                }
            ]
            if named or listed
            else None
        )
        output = SimpleNamespace(text=text, finish_reason=reason, logprobs=after)
        return SimpleNamespace(
            prompt_logprobs=before if given.prompt_logprobs is not None else None, outputs=[output]
        )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Put the stand-in where the engine would be."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams, module.__version__ = Engine, Parameters, "0.33.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    Engine.made.clear()
    return module


def spec(directory: Path, **changes: Any) -> ModelSpec:
    """Specification of a small model."""
    return ModelSpec(**{"backend": "vllm", "name": str(directory), "dtype": "float32", **changes})


def by_key(backend: Any, requests: list[Request]) -> list[Any]:
    """Responses in the order of the requests, each exactly once."""
    found = [response for batch in backend.run(list(map(Ask, requests))) for response in batch]
    assert len(found) == len(requests)
    keyed = {response.key: response for response in found}
    return [keyed[request.key] for request in requests]


@pytest.mark.parametrize("pieces", ["bytes", "start"])
def test_log_likelihoods_equal_those_of_the_transformers_backend(
    model_dir: Callable[..., Path], stand_in: ModuleType, pieces: str
) -> None:
    """Same weights, same boundary rule, same numbers:
    choices of one and of several tokens, repeated ones, an empty prompt.
    """
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", pieces)
    expected = by_key(
        HFBackend(ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")),
        CHOICES,
    )
    found = by_key(VLLMBackend(spec(directory)), CHOICES)

    assert [(r.error, r.token_counts, r.prompt_tokens) for r in found] == [
        ("", r.token_counts, r.prompt_tokens) for r in expected
    ]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_generation_equals_that_of_the_transformers_backend(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """Greedy texts with stop texts and limits come out the same."""
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    expected = by_key(
        HFBackend(ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")),
        TEXTS,
    )
    found = by_key(VLLMBackend(spec(directory)), TEXTS)

    assert [(r.text, r.finish_reason) for r in found] == [
        (r.text, r.finish_reason) for r in expected
    ]


def test_labels_of_one_token_take_one_prompt(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """Three labels of one token are one prompt without prompt log-probabilities,
    which would bypass the prefix cache.
    """
    from evalkit.backends.vllm_engine import VLLMBackend

    backend = VLLMBackend(spec(model_dir("llama", "bytes")))
    by_key(backend, CHOICES[:1])
    ((_, given),) = Engine.made[-1].asked

    assert (len(given.logprob_token_ids), given.prompt_logprobs, given.max_tokens) == (3, None, 1)
    assert (backend.stats["one_token"], backend.stats["prompts"]) == (1, 1)
    assert Engine.made[-1].options["enable_prefix_caching"] is True


def test_long_choices_behind_a_long_prompt_walk_their_trie(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """One prompt per place where the choices' tokens are wanted, no prompt log-probabilities;
    behind a short prompt one per choice costs less. The numbers are the same.
    """
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    choices = (" Saturn and the Moon", " Saturn and the Sun", " no")
    long, short = (
        Request(kind="choice", text=text, continuations=choices)
        for text in ("The red fox runs over the hill. " * 12 + "Which?", "Which?")
    )
    backend = VLLMBackend(spec(directory))
    found = by_key(backend, [long, short])
    transformers_backend = HFBackend(
        ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")
    )
    expected = by_key(transformers_backend, [long, short])
    named = [given for _, given in Engine.made[-1].asked if given.logprob_token_ids]

    for mine, theirs in zip(found, expected, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
        assert mine.token_counts == theirs.token_counts
    assert sum(given.prompt_logprobs == 1 for _, given in Engine.made[-1].asked) == 3
    assert backend.stats["prompts"] == 3 + len(named)
    assert max(len(given.logprob_token_ids) for given in named) <= 3


@pytest.mark.parametrize(("most", "prompts"), [(1000, 1), (1, 4)])
def test_an_older_engine_gives_the_same_numbers(
    model_dir: Callable[..., Path],
    stand_in: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    prompts: int,
) -> None:
    """Where ids cannot be named, the most likely tokens are asked for;
    a label that is not among them is scored behind its prompt.
    """
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    expected = by_key(VLLMBackend(spec(directory)), CHOICES[:1])
    monkeypatch.setattr(stand_in, "SamplingParams", OldParameters)
    backend = VLLMBackend(spec(directory, options={"max_logprobs": most}))
    found = by_key(backend, CHOICES[:1])

    assert found[0].logprobs == pytest.approx(expected[0].logprobs, abs=1e-6)
    assert backend.stats["prompts"] == prompts


def test_a_prompt_that_is_too_long_is_shortened_before_the_engine_sees_it(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """The engine refuses what is too long; the middle of the body goes instead,
    and the response says so.
    """
    from evalkit.backends.vllm_engine import VLLMBackend

    body = "The red fox runs over the hill. " * 40
    text = f"Is it true?\n\n{body}\nAnswer:"
    request = Request(
        kind="choice", text=text, body=(13, 13 + len(body)), continuations=(" Yes or no", " no")
    )
    backend = VLLMBackend(spec(model_dir("llama", "bytes"), options={"max_model_len": 64}))
    (response,) = by_key(backend, [request])

    assert (response.error, response.truncated, len(response.logprobs)) == ("", True, 2)
    assert (response.sent[:11], response.sent[-7:]) == ("Is it true?", "Answer:")


def test_the_fingerprint_tells_engine_and_version(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """The same weights under another engine, version or quantization are another model."""
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    first = VLLMBackend(spec(directory)).fingerprint()
    again = VLLMBackend(spec(directory, batch_size=4)).fingerprint()
    stand_in.__version__ = "0.34.0"  # type: ignore[attr-defined]
    newer = VLLMBackend(spec(directory, options={"kv_cache_dtype": "fp8"})).fingerprint()

    assert first == again
    assert {key for key in newer if first.get(key) != newer[key]} == {
        "engine",
        "engine_kv_cache_dtype",
    }


def test_an_engine_that_dies_ends_the_run(
    model_dir: Callable[..., Path], stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is shown, with exit code 4."""
    from evalkit.backends.vllm_engine import VLLMBackend

    backend = VLLMBackend(spec(model_dir("llama", "bytes")))
    monkeypatch.setattr(
        Engine,
        "generate",
        lambda *_, **__: (_ for _ in ()).throw(RuntimeError("EngineCore died\nsecond line")),
    )
    with pytest.raises(
        BackendError, match=r"vLLM failed: EngineCore died\. What was answered is stored"
    ) as caught:
        by_key(backend, CHOICES)

    assert caught.value.exit_code == 4


def test_values_that_are_no_numbers_are_errors(
    model_dir: Callable[..., Path], stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN from the engine is no answer."""
    from evalkit.backends.vllm_engine import VLLMBackend

    backend = VLLMBackend(spec(model_dir("llama", "bytes")))
    ids = range(500)
    broken = SimpleNamespace(
        text="",
        finish_reason="length",
        logprobs=[{i: SimpleNamespace(logprob=float("nan")) for i in ids}],
    )
    monkeypatch.setattr(
        Engine,
        "generate",
        lambda *_, **__: [SimpleNamespace(prompt_logprobs=None, outputs=[broken])],
    )

    assert [(r.error, r.logprobs) for r in by_key(backend, CHOICES[:1])] == [("nan", ())]


def test_options_and_device_are_checked(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """Unknown options, wrong types and a device of our choosing are refused before the engine
    starts.
    """
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    with pytest.raises(BackendError, match="option 'max_len': backend 'vllm' does not know it"):
        VLLMBackend(spec(directory, options={"max_len": 1}))
    with pytest.raises(BackendError, match="option max_model_len: 'many' is no int"):
        VLLMBackend(spec(directory, options={"max_model_len": "many"}))
    with pytest.raises(BackendError, match="set CUDA_VISIBLE_DEVICES"):
        VLLMBackend(spec(directory, device="cuda:1"))

    assert Engine.made == []


def test_without_vllm_the_extra_is_named(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is the line to type."""
    from evalkit.backends.vllm_engine import VLLMBackend

    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'evalkit\[vllm\]'"):
        VLLMBackend(spec(model_dir("llama", "bytes")))


def test_an_encoder_decoder_is_sent_to_the_other_backend(
    model_dir: Callable[..., Path], stand_in: ModuleType
) -> None:
    """The message names the backend that runs it."""
    from evalkit.backends.vllm_engine import VLLMBackend

    with pytest.raises(BackendError, match="Use --model hf:"):
        VLLMBackend(spec(model_dir("t5", "end")))


@pytest.mark.gpu
@pytest.mark.slow
def test_the_engine_itself_agrees_with_the_transformers_backend(
    model_dir: Callable[..., Path],
) -> None:
    """On a GPU with vLLM: log-likelihoods within 0.05 nat in fp32 and the same choices."""
    if importlib.util.find_spec("vllm") is None or not torch.cuda.is_available():
        pytest.skip("needs vLLM and a CUDA device")
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.vllm_engine import VLLMBackend

    directory = model_dir("llama", "bytes")
    expected = by_key(
        HFBackend(ModelSpec(backend="hf", name=str(directory), device="cuda", dtype="float32")),
        CHOICES,
    )
    found = by_key(
        VLLMBackend(
            spec(directory, options={"gpu_memory_utilization": 0.3, "enforce_eager": True})
        ),
        CHOICES,
    )

    for mine, theirs in zip(found, expected, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=0.05)
