"""Transformers models, causal and encoder-decoder.

Log-probabilities of continuations, and greedy generation.

Not handled here: other engines, training, sampling.
"""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf import files as hf_files
from evalkit.backends.hf.encoded import Encoded, portions
from evalkit.backends.hf.encoding import Encoder
from evalkit.backends.hf.engine import Budget, Engine
from evalkit.backends.hf.fingerprint import fingerprint
from evalkit.backends.hf.generation import Greedy
from evalkit.backends.hf.hidden_states import last_states
from evalkit.backends.hf.layout import Work
from evalkit.backends.hf.library_loop import LibraryGreedy, stop_strings, unusual_settings
from evalkit.backends.hf.linears import arrange
from evalkit.backends.hf.loading import Loaded, is_out_of_memory, load, quiet
from evalkit.backends.hf.options import check_options, thoughts_of
from evalkit.backends.hf.packed import TreeScorer
from evalkit.backends.hf.proof import Path, compiled, measured_costs
from evalkit.backends.hf.proven import proven
from evalkit.backends.hf.stops import Stops, end_tokens
from evalkit.backends.hf.tree import Costs
from evalkit.backends.precision import could_turn, noise
from evalkit.backends.template_kwargs import NAME, refuse_unread, template_kwargs
from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

__all__ = ["HFBackend"]

_log = logging.getLogger(__name__)
_WINDOW = 16384
"""Most requests that are tokenised, sorted and grouped by prefix together."""
_WINDOW_CHARACTERS = 1 << 24
"""Most characters of theirs: the ids of a window and of the next one, 36 bytes a token, then take
about 300 MB."""
_WORTH_MEASURING = 500


class HFBackend:
    """A Transformers model as a backend.

    Parameters
    ----------
    spec
        What to load and how. Options: ``max_length`` (most tokens), ``token_budget`` (tokens of a
        batch), ``path`` (``auto`` or ``plain``: one row per choice), ``attention`` (implementation
        name), ``compile`` (compiler for scoring: true or its name), ``device_map``,
        ``proof`` (``auto`` or ``always``: also where one is remembered), ``allow_pickle``,
        ``trust_remote_code``, ``allow_unknown`` (ask what the tokenizer has no token for).

    Raises
    ------
    BackendError
        When the model cannot be found, is not acceptable or cannot be loaded.
    ExtraMissingError
        When torch or Transformers is not installed.
    """

    def __init__(self, spec: ModelSpec) -> None:
        check_options(spec)
        template = hf_files.read_template(spec.chat_template)
        refuse_unread(template or "", template_kwargs(spec.options.get(NAME)) if template else {})
        self._files = hf_files.locate(spec)
        self._begin(spec, load(spec, self._files), template)

    def _begin(self, spec: ModelSpec, loaded: Loaded, template: str | None) -> None:
        """Hold a model that is in memory; `template` is the text of a chat template file."""
        self._spec = spec
        self._loaded: Loaded | None = loaded
        self._encoder = self._reader(template if template is not None else spec.chat_template)
        self._dtype = loaded.dtype_name
        model, tokenizer = loaded.model, loaded.tokenizer
        self._stops = Stops(
            tokenizer,
            end_tokens(model, tokenizer, self._encoder.turn_end),
            stop_strings(model.generation_config),
            opening=self._encoder.opening,
        )
        self._virtual: tuple[int, ...] = ()
        self._adapted: dict[str, str] = {}
        self._engine: Engine | None = None
        self._seconds = {"encoding": 0.0, "waiting_for_encoding": 0.0, "proving": 0.0}
        self._seen = {"requests": 0, "boundary": 0, "truncated": 0, "unstable": 0, "failed": 0}

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do; ``logits`` stands for `loaded`, `encode`, `stops`, `adapt` and
        `files`.
        """
        return frozenset(
            {"choice", "embed", "generate", "logits"}
            | ({"chat"} if self._encoder.template else set())
        )

    @property
    def loaded(self) -> Loaded:
        """Return the model and its tokenizer.

        Raises
        ------
        BackendError
            After `close`.
        """
        if self._loaded is None:
            raise BackendError(f"{self._spec.name}: the backend is closed. Make a new one.")
        return self._loaded

    @property
    def spec(self) -> ModelSpec:
        """Return what was asked for."""
        return self._spec

    @property
    def stops(self) -> Stops:
        """Return what decides when a generation ends."""
        return self._stops

    @property
    def files(self) -> hf_files.ModelFiles:
        """Return the files the model was loaded from."""
        return self._files

    @property
    def device(self) -> str:
        """Return the device the model is on; empty after `close`."""
        return str(self._loaded.device) if self._loaded is not None else ""

    @property
    def notices(self) -> list[str]:
        """Return what a reader of the numbers must know of the way the model is asked."""
        return self._encoder.notices

    @property
    def opening(self) -> str:
        """Return what a user should know before the first prompt, one line:
        precision, threads, chat template.
        """
        parts = [self._dtype, *([self.loaded.threads] if self.loaded.threads else [])]
        if not self._encoder.template:
            return ", ".join([*parts, "no chat template"])
        own = self._spec.chat_template in ("", "auto")
        parts.append(f"chat template {'of the tokenizer' if own else self._spec.chat_template}")
        if text := self._encoder.default_system:
            parts.append(f"which puts the system text {text!r} before prompts that have none")
        return ", ".join(parts)

    def adapt(
        self, change: Callable[[Loaded], None], *, virtual: tuple[int, ...] = (), label: str
    ) -> None:
        """Change the model in place before it is used.

        Parameters
        ----------
        change
            Changes weights or modules of the loaded model.
        virtual
            Ids put before every prompt; `change` made the model understand those beyond its
            vocabulary.
        label
            What enters the fingerprint under ``adapter``.

        Raises
        ------
        BackendError
            When the model has answered already.
        """
        if self._engine is not None:
            raise BackendError(
                f"{self._spec.display}: has answered already and cannot be changed any more. "
                "Open it again."
            )
        loaded = self.loaded
        change(loaded)
        before = self._adapted.get("adapter", "")
        self._adapted["adapter"] = f"{before} | {label}" if before else label
        self._virtual = virtual + self._virtual
        self._encoder = self._reader(self._encoder.template or "none", taken=len(self._virtual))

    def _reader(self, template: str, *, taken: int = 0) -> Encoder:
        """What turns requests into ids, `taken` positions being used already."""
        loaded = self.loaded
        return Encoder(
            loaded.tokenizer,
            encoder_decoder=loaded.encoder_decoder,
            limits=replace(loaded.limits, prompt=loaded.longest - taken),
            template=template,
            allow_unknown=bool(self._spec.options.get("allow_unknown")),
            thoughts=thoughts_of(self._spec),
            variables=template_kwargs(self._spec.options.get(NAME)),
        )

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Return requests as the ids that are fed, in order."""
        found = self._encoder.encode(requests)
        if not self._virtual:
            return found
        return [
            item if item.error else replace(item, context=self._virtual + item.context)
            for item in found
        ]

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return what was computed and saved so far.

        ``unknown`` prompts were asked though the tokenizer has no token for a part of them.
        ``naive``, ``planned``, ``computed``, ``reused`` and ``generated`` are tokens (see
        `engine.Counts`), ``boundary`` counts prompts whose tokens were no beginning of the joint
        encoding, ``unstable`` decisions whose margin is within the noise, ``path`` names the way of
        scoring, ``proof`` how exact it and the plain one are, ``noise`` how far rounding may move a
        log-probability (nats), and ``notice`` says why the path is not the fast one.
        """
        counts = asdict(self._engine.snapshot()) if self._engine is not None else {}
        path = self._engine.path if self._engine is not None else None
        return {
            **self._seen,
            "unknown": self._encoder.unknown,
            **counts,
            "path": path.name if path else "",
            "proof": path.proof.told() if path else {},
            "noise": path.proof.noise if path else math.nan,
            "notice": path.notice if path else "",
            "costs": asdict(self._engine.costs) if self._engine is not None else {},
            "seconds": dict(self._seconds),
        }

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response."""
        return {
            **fingerprint(self._spec, self._files, dtype=self._dtype, encoder=self._encoder),
            **self._adapted,
        }

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses batch by batch, in any order, each request exactly once."""
        requests = [ask.request for ask in asks]
        windows = list(
            portions(
                requests,
                (len(request.text) for request in requests),
                characters=_WINDOW_CHARACTERS,
                items=_WINDOW,
            )
        )
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="evalkit-tokens") as pool:
            ahead: Future[list[Encoded]] | None = (
                pool.submit(self._encode, windows[0]) if windows else None
            )
            for number in range(len(windows)):
                assert ahead is not None  # one future is always under way while windows remain
                start = perf_counter()
                items = ahead.result()
                self._seconds["waiting_for_encoding"] += perf_counter() - start
                ahead = (
                    pool.submit(self._encode, windows[number + 1])
                    if number + 1 < len(windows)
                    else None
                )
                yield from self._window(items)

    def embed(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Return the hidden state behind each prompt, shape (request, width).

        See `hidden_states.last_states`.

        Raises
        ------
        BackendError
            When a prompt cannot be asked, or the model has no vocabulary head.
        """
        items = self.encode(requests)
        for item in items:
            if item.error or not item.context:
                raise BackendError(
                    f"{self._spec.display}: a prompt cannot be encoded ({item.error or 'empty'}). "
                    "Leave --representations out."
                )
        with quiet():
            return last_states(self.loaded, [item.context for item in items])

    def _encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Encode one window; runs beside the device."""
        start = perf_counter()
        found = self.encode(requests)
        self._seconds["encoding"] += perf_counter() - start
        return found

    def _window(self, items: Sequence[Encoded]) -> Iterator[list[Response]]:
        """Answer the requests of one window."""
        self._seen["requests"] += len(items)
        self._seen["boundary"] += sum(item.boundary for item in items)
        self._seen["truncated"] += sum(item.truncated for item in items)
        failed = [item for item in items if item.error]
        if failed:
            yield self._counted([item.failure(item.error) for item in failed])
        choices = [item for item in items if not item.error and item.request.kind == "choice"]
        texts = [item for item in items if not item.error and item.request.kind == "generate"]
        if not choices and not texts:
            return
        engine = self._ready(choices or texts)
        if choices:
            for scored in engine.score(choices):
                yield self._counted([self._scored(item, answer) for item, answer in scored])
        if texts:
            for generated in engine.generate(texts):
                yield self._counted([self._generated(item, answer) for item, answer in generated])

    def _ready(self, items: Sequence[Encoded]) -> Engine:
        """Return the engine, choosing and proving the path on first use."""
        if self._engine is None:
            loaded = self.loaded
            works = [Work(item.context, item.tails) for item in items]
            try:
                start = perf_counter()
                arrange(loaded.model)
                with quiet():
                    path = proven(loaded, self._spec, works, self.fingerprint())
                    if how := self._spec.options.get("compile"):
                        path = compiled(loaded, path, "inductor" if how is True else str(how))
                    costs = Costs()
                    if (
                        isinstance(path.scorer, TreeScorer)
                        and len(items) >= _WORTH_MEASURING
                        and loaded.longest >= 256
                    ):
                        costs = measured_costs(path.scorer, works[0])
                self._seconds["proving"] = perf_counter() - start
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise BackendError(
                    f"{self._spec.display}: no memory left to score one prompt. "
                    "Use a smaller dtype or another device."
                ) from error
            if path.notice:
                _log.warning("%s: %s", self._spec.display, path.notice)
            budget = Budget.on(loaded, self._spec.batch_size)
            if self._spec.options.get("token_budget"):
                budget.tokens = budget.stored = int(self._spec.options["token_budget"])
            self._engine = Engine(loaded, path, self._greedy(loaded, path, budget), budget, costs)
        return self._engine

    def _greedy(self, loaded: Loaded, path: Path, budget: Budget) -> Greedy | LibraryGreedy:
        """Return the way of generating that the model allows."""
        scorer = path.scorer if isinstance(path.scorer, TreeScorer) else None
        fast = scorer is not None or path.name == "packed"
        if not fast or unusual_settings(vars(loaded.model.generation_config)):
            return LibraryGreedy(loaded, self._stops)
        feeding = {"feeding": budget.tokens, "launch": budget.launch}
        return Greedy(loaded, scorer, self._stops, **feeding)

    def _scored(self, item: Encoded, answer: list[float] | str) -> Response:
        """Response to a choice request."""
        response = item.failure(answer) if isinstance(answer, str) else item.scored(answer)
        if response.logprobs:
            self._seen["unstable"] += could_turn(
                zip(item.tails, response.logprobs, strict=True),
                noise(self._dtype, max(map(len, item.tails)), self._measured()),
            )
        return response

    def _measured(self) -> float | None:
        """Noise that the proof measured; None where it could not."""
        found = self._engine.path.proof.noise if self._engine is not None else math.nan
        return found if math.isfinite(found) else None

    def _generated(self, item: Encoded, answer: list[int] | str) -> Response:
        """Response to a generation request."""
        if isinstance(answer, str):
            return item.failure(answer)
        text, reason = self._stops.finish(answer, item.request)
        return item.response(text=text, finish_reason=reason)

    def _counted(self, batch: list[Response]) -> list[Response]:
        self._seen["failed"] += sum(bool(response.error) for response in batch)
        return batch

    def close(self) -> None:
        """Release the weights."""
        self._loaded = None
        self._engine = None
        gc.collect()
