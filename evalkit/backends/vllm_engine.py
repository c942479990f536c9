"""vLLM: ``vllm:NAME``, for causal models on GPUs.

Choices are read off next-token distributions, one prompt per inner node of the trie of their tokens
(one for letters), for which the engine's prefix cache works. Where that would cost more, or the
engine cannot name tokens, longer choices take one prompt each with prompt log-probabilities, which
bypass that cache. Prompts are encoded as by the Transformers backend, so boundary, chat template
and shortening are the same. Not handled here: encoder-decoder models, adapters, several nodes.

References
----------
vllm-project/vllm issues #13409 and #13949: prompt log-probabilities and the prefix cache.
"""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.backends.choice_trie import Ids, summed, wanted
from evalkit.backends.hf import files as hf_files
from evalkit.backends.hf.encoded import Encoded, Limits
from evalkit.backends.hf.encoding import Encoder
from evalkit.backends.hf.fingerprint import fingerprint
from evalkit.backends.hf.options import thoughts_of
from evalkit.backends.hf.sampling import seed_of
from evalkit.backends.hf.stops import Stops, stop_tokens
from evalkit.backends.template_kwargs import NAME, template_kwargs
from evalkit.errors import BackendError, ExtraMissingError, first_line
from evalkit.records import Ask, ModelSpec, Request, Response
from evalkit.records.reasoning import has_marks

__all__ = ["VLLMBackend"]

_WINDOW = 2048
"""Requests handed to the engine at once; it schedules them itself."""
_BLOCK = 16
"""Tokens of a prompt that the engine computes again, at most, where it finds it in its cache."""
_MOST_LABELS = 128
"""Token ids whose log-probabilities one request may name."""
_ENGINE_OPTIONS: dict[str, type] = {
    "enforce_eager": bool,
    "gpu_memory_utilization": float,
    "kv_cache_dtype": str,
    "max_logprobs": int,
    "max_model_len": int,
    "max_num_batched_tokens": int,
    "max_num_seqs": int,
    "quantization": str,
    "tensor_parallel_size": int,
}
_CHANGES_NUMBERS = ("kv_cache_dtype", "max_model_len", "quantization", "tensor_parallel_size")
_OTHER_OPTIONS = frozenset(
    {"allow_pickle", "allow_unknown", "reasoning_tokens", "trust_remote_code", NAME}
)


class VLLMBackend:
    """A model run by vLLM.

    Parameters
    ----------
    spec
        What to load. Options: those of the engine listed in ``_ENGINE_OPTIONS``, ``allow_pickle``,
        ``allow_unknown``, ``reasoning_tokens``, ``trust_remote_code``.

    Raises
    ------
    BackendError
        When the model cannot be found or the engine does not start.
    ExtraMissingError
        When vLLM is not installed.
    """

    def __init__(self, spec: ModelSpec) -> None:
        options = _engine_options(spec)
        thoughts, variables = thoughts_of(spec), template_kwargs(spec.options.get(NAME))
        template = hf_files.read_template(spec.chat_template)
        try:
            import vllm
        except ImportError as error:
            raise ExtraMissingError("backend 'vllm'", "vllm") from error
        self._vllm = vllm
        self._spec = spec
        self._files = hf_files.locate(
            replace(spec, options={k: v for k, v in spec.options.items() if k in _OTHER_OPTIONS})
        )
        if self._files.config.get("is_encoder_decoder"):
            raise BackendError(
                f"{spec.name}: is an encoder-decoder model, which vLLM does not run. "
                f"Use --model hf:{spec.name}."
            )
        self._options = options
        self._engine: Any = self._started(options)
        config = self._engine.llm_engine.model_config
        self._dtype = str(config.dtype).removeprefix("torch.")
        # subtle: the engine wants room for one generated token behind prompt and continuation
        self._encoder = Encoder(
            self._engine.get_tokenizer(),
            encoder_decoder=False,
            limits=Limits(
                prompt=int(config.max_model_len) - 2,
                vocabulary=self._files.config.get("vocab_size"),
            ),
            template=template if template is not None else spec.chat_template,
            allow_unknown=bool(spec.options.get("allow_unknown")),
            thoughts=thoughts,
            variables=variables,
        )
        tokenizer = self._engine.get_tokenizer()
        ends = frozenset({tokenizer.eos_token_id, self._encoder.turn_end} - {None})
        self._stops = Stops(tokenizer, ends, opening=self._encoder.opening)
        self._names_ids = self._can_name_ids()
        counted = ("requests", "boundary", "truncated", "failed", "one_token", "prompts")
        self._seen = dict.fromkeys((*counted, "prompt_tokens"), 0)

    def _started(self, options: Mapping[str, Any]) -> Any:
        """Start the engine."""
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        given = {"max_logprobs": _MOST_LABELS, **options}
        try:
            return self._vllm.LLM(
                model=str(self._files.root),
                dtype=self._spec.dtype,
                seed=self._spec.seed,
                trust_remote_code=bool(self._spec.options.get("trust_remote_code")),
                enable_prefix_caching=True,
                **given,
            )
        except (RuntimeError, ValueError, OSError, TypeError, NotImplementedError) as error:
            raise BackendError(
                f"{self._spec.name}: vLLM does not start: {first_line(error)}. Check device, "
                "memory and options; --debug shows more."
            ) from error

    def _can_name_ids(self) -> bool:
        """Whether log-probabilities of the token ids a request names are given, however
        unlikely.
        """
        try:
            self._vllm.SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=[0])
        except TypeError:
            return False
        return True

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do."""
        return frozenset(
            {"choice", "generate", "chat"} if self._encoder.template else {"choice", "generate"}
        )

    @property
    def device(self) -> str:
        """Return where it runs."""
        return "cuda"

    @property
    def notices(self) -> list[str]:
        """Return what a reader of the numbers must know of the way the model is asked."""
        return self._encoder.notices

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return what was asked of the engine.

        Requests, prompts with their tokens, and how many were settled by one token.
        """
        return {**self._seen, "unknown": self._encoder.unknown}

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response, the engine's version included."""
        spec = replace(
            self._spec, options={k: v for k, v in self._spec.options.items() if k in _OTHER_OPTIONS}
        )
        found = fingerprint(spec, self._files, dtype=self._dtype, encoder=self._encoder)
        engine = {key: str(self._options[key]) for key in _CHANGES_NUMBERS if key in self._options}
        return {
            **found,
            "backend": "vllm",
            "engine": str(self._vllm.__version__),
            **{f"engine_{key}": value for key, value in engine.items()},
        }

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses window by window, each request exactly once.

        Raises
        ------
        BackendError
            When the engine dies; what was yielded is safe.
        """
        for start in range(0, len(asks), _WINDOW):
            items = self._encoder.encode([ask.request for ask in asks[start : start + _WINDOW]])
            self._seen["requests"] += len(items)
            self._seen["boundary"] += sum(item.boundary for item in items)
            self._seen["truncated"] += sum(item.truncated for item in items)
            failed = [item for item in items if item.error]
            if failed:
                yield self._counted([item.failure(item.error) for item in failed])
            sound = [item for item in items if not item.error]
            texts = [item for item in sound if item.request.kind == "generate"]
            along = [item for item in sound if item.request.kind == "choice" and self._pays(item)]
            done = {item.request.key for item in (*texts, *along)}
            if texts:
                yield self._counted(self._generated(texts))
            if along:
                answered, rest = self._along_tries(along)
                yield self._counted(answered)
                done -= {item.request.key for item in rest}
            longer = [item for item in sound if item.request.key not in done]
            if longer:
                yield self._counted(self._behind_prompts(longer))

    def _pays(self, item: Encoded) -> bool:
        """Whether the nodes of the choices' trie cost less than a prompt per choice."""
        nodes = wanted(item.tails)
        if len(nodes) == 1:
            return len(nodes[()]) <= _MOST_LABELS
        prompt, choices = len(item.context), dict.fromkeys(item.tails)
        return (
            self._names_ids
            and max(map(len, nodes.values())) <= _MOST_LABELS
            and prompt + _BLOCK * len(nodes) < sum(prompt + len(tail) for tail in choices)
        )

    def _asked(self, prompts: Sequence[Sequence[int]], parameters: Sequence[Any]) -> list[Any]:
        """Outputs of the engine, in the order of the prompts."""
        self._seen["prompts"] += len(prompts)
        self._seen["prompt_tokens"] += sum(map(len, prompts))
        try:
            outputs = self._engine.generate(
                [{"prompt_token_ids": list(ids)} for ids in prompts],
                sampling_params=list(parameters),
                use_tqdm=False,
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"{self._spec.name}: vLLM failed: {first_line(error)}. "
                "What was answered is stored; type the same command again."
            ) from error
        return list(outputs)

    def _generated(self, items: Sequence[Encoded]) -> list[Response]:
        """Texts, greedy or drawn.

        Where the chat template speaks of thoughts, stop texts and the limit of an answer are
        looked for behind them, here.
        """
        thinks = has_marks(self._encoder.template)
        asked = [item.bounded for item in items]
        parameters = [
            self._vllm.SamplingParams(
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                stop=None if thinks else list(request.stop) or None,
                stop_token_ids=self._ends(() if thinks else request.stop) or None,
                **({"skip_special_tokens": False} if thinks else {}),
                **_drawn(request),
            )
            for request in asked
        ]
        outputs = self._asked([item.context for item in items], parameters)
        found = []
        for item, request, output in zip(items, asked, outputs, strict=True):
            answer = output.outputs[0]
            if answer.finish_reason not in {"stop", "length"}:
                found.append(item.failure(f"engine gave up ({answer.finish_reason})"))
                continue
            text, finish = answer.text, answer.finish_reason
            if thinks:
                kept = self._stops.granted(answer.token_ids, request)
                text, why = self._stops.finish(kept, request)
                finish = finish if why == "length" and len(kept) == len(answer.token_ids) else why
            found.append(item.response(text=text, finish_reason=finish))
        return found

    def _ends(self, stops: Sequence[str]) -> list[int]:
        """Tokens that end a text: what ends a turn, and stop texts that are special tokens."""
        turn = self._encoder.turn_end
        ends = stop_tokens(self._engine.get_tokenizer(), stops)
        return ends if turn is None else [*ends, turn]

    def _along_tries(self, items: Sequence[Encoded]) -> tuple[list[Response], list[Encoded]]:
        """Choices from next-token distributions at the inner nodes of their tries.

        And the items of which some token was not given. The prompts themselves are asked first, so
        that the engine's cache holds them for what stands behind.
        """
        tries = {item.request.key: wanted(item.tails) for item in items}
        places = [(item, node) for item in items for node in tries[item.request.key]]
        values: dict[str, dict[Ids, dict[int, float]]] = {key: {} for key in tries}
        for behind in (False, True):
            asked = [(item, node) for item, node in places if bool(node) is behind]
            if not asked:
                continue
            outputs = self._asked(
                [(*item.context, *node) for item, node in asked],
                [self._naming(tries[item.request.key][node]) for item, node in asked],
            )
            for (item, node), output in zip(asked, outputs, strict=True):
                given = output.outputs[0].logprobs
                told = {token: entry.logprob for token, entry in given[0].items()} if given else {}
                values[item.request.key][node] = told
        answered: list[Response] = []
        rest: list[Encoded] = []
        for item in items:
            try:
                answered.append(item.scored(list(summed(item.tails, values[item.request.key]))))
            except KeyError:
                rest.append(item)
                continue
            self._seen["one_token"] += len(tries[item.request.key]) == 1
        return answered, rest

    def _naming(self, ids: Ids) -> Any:
        """Parameters that ask for the log-probabilities of tokens."""
        if self._names_ids:
            # subtle: some versions return nothing for named ids alone, others want the two to agree
            return self._vllm.SamplingParams(
                temperature=0.0,
                max_tokens=1,
                logprobs=len(ids),
                logprob_token_ids=list(ids),
                detokenize=False,
            )
        most = int(self._options.get("max_logprobs", _MOST_LABELS))
        return self._vllm.SamplingParams(
            temperature=0.0, max_tokens=1, logprobs=most, detokenize=False
        )

    def _behind_prompts(self, items: Sequence[Encoded]) -> list[Response]:
        """Every different choice behind its prompt, read off the prompt's log-probabilities."""
        rows = [(item, tail) for item in items for tail in dict.fromkeys(item.tails)]
        parameter = self._vllm.SamplingParams(
            temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False
        )
        outputs = self._asked(
            [(*item.context, *tail) for item, tail in rows], [parameter] * len(rows)
        )
        sums: dict[tuple[str, tuple[int, ...]], float] = {}
        for (item, tail), output in zip(rows, outputs, strict=True):
            positions = output.prompt_logprobs[len(item.context) :]
            sums[item.request.key, tail] = math.fsum(
                position[token].logprob for position, token in zip(positions, tail, strict=True)
            )
        return [
            item.scored([sums[item.request.key, tail] for tail in item.tails]) for item in items
        ]

    def _counted(self, batch: list[Response]) -> list[Response]:
        self._seen["failed"] += sum(bool(response.error) for response in batch)
        return batch

    def close(self) -> None:
        """Release the engine."""
        self._engine = None
        gc.collect()


def _drawn(request: Request) -> dict[str, Any]:
    """Parameters of a text that is drawn; none for a greedy one."""
    if request.temperature == 0.0:
        return {}
    return {"top_p": request.top_p, "seed": seed_of(request)}


def _engine_options(spec: ModelSpec) -> dict[str, Any]:
    """Options for the engine with their types; anything else is refused."""
    if spec.device not in {"auto", "cuda"}:
        raise BackendError(
            f"device {spec.device!r}: vLLM takes the GPUs it is shown; set CUDA_VISIBLE_DEVICES "
            "and leave --device out."
        )
    unknown = sorted(set(spec.options) - set(_ENGINE_OPTIONS) - _OTHER_OPTIONS)
    if unknown:
        known = ", ".join(sorted({*_ENGINE_OPTIONS, *_OTHER_OPTIONS}))
        raise BackendError(
            f"option {unknown[0]!r}: backend 'vllm' does not know it; {known} are accepted. "
            "Remove it."
        )
    found: dict[str, Any] = {}
    for name, value in spec.options.items():
        if name in _ENGINE_OPTIONS:
            kind = _ENGINE_OPTIONS[name]
            try:
                found[name] = str(value).lower() in {"true", "1"} if kind is bool else kind(value)
            except (TypeError, ValueError):
                raise BackendError(
                    f"option {name}: {value!r} is no {kind.__name__}. Give a number."
                ) from None
    if spec.batch_size is not None:
        found.setdefault("max_num_seqs", spec.batch_size)
    return found
