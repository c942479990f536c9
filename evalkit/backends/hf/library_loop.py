"""Greedy decoding by the library's own loop, for models that need more than the likeliest token.

Prompts of equal length and limit go together, so that nothing is padded, unless the library writes
rows side by side otherwise than alone (RWKV). The loop runs in a thread, so that rows are handed on
while others are still written. Not handled here: stored prefixes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import groupby
from queue import SimpleQueue
from threading import Event
from typing import Any

from evalkit.backends.hf.generation import Ended
from evalkit.backends.hf.layout import Work
from evalkit.backends.hf.loading import Loaded, is_out_of_memory, quiet
from evalkit.backends.hf.packed import Bank
from evalkit.backends.hf.stops import Stops
from evalkit.errors import BackendError, first_line
from evalkit.records import Request

__all__ = ["LibraryGreedy", "stop_strings", "unusual_settings"]

_TOLD_EVERY = 1.0
"""Seconds between two looks at what has ended."""
_SHIFTED = 0.1
"""Share of the probability of a next token by which no rounding moves it."""
_LEFT_OUT = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "stop_strings": None,
    "max_time": None,
    "max_length": None,
    "penalty_alpha": None,
    "dola_layers": None,
    "prompt_lookup_num_tokens": None,
    "constraints": None,
    "force_words_ids": None,
    "num_beam_groups": None,
    "diversity_penalty": None,
}
"""Settings that are not a greedy answer's, and what stands for them; `Stops` knows stop texts."""
_HARMLESS = frozenset(_LEFT_OUT) | {
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p"),
    *("epsilon_cutoff", "eta_cutoff", "renormalize_logits", "remove_invalid_values"),
    *("early_stopping", "length_penalty", "max_new_tokens", "low_memory", "is_assistant"),
    *("use_cache", "cache_implementation", "cache_config", "max_cache_len", "prefill_chunk_size"),
    *("output_attentions", "output_hidden_states", "output_scores", "output_logits"),
    *("return_dict_in_generate", "compile_config", "disable_compile", "transformers_version"),
    *("continuous_batching_config", "use_mtp", "speculation_type", "max_matching_ngram_size"),
    *("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"),
    *("assistant_early_exit", "assistant_lookbehind", "target_lookbehind"),
    *("assistant_ensemble_weight",),
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "repetition_penalty": (1.0,),
    "encoder_repetition_penalty": (1.0,),
    "guidance_scale": (1.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "token_healing": (False,),
}


def unusual_settings(config: Mapping[str, Any]) -> list[str]:
    """Return the generation settings under which a greedy answer is not made of the likeliest
    tokens.

    Parameters
    ----------
    config
        Settings by name; whatever is not known to be harmless counts.
    """
    return sorted(
        name
        for name, value in config.items()
        if name not in _HARMLESS
        and not name.startswith("_")
        and value not in (None, [], {}, *_NEUTRAL.get(name, ()))
    )


def stop_strings(config: Any) -> list[str]:
    """Return the texts after which generation settings end an answer."""
    found = getattr(config, "stop_strings", None) or []
    return [found] if isinstance(found, str) else list(found)


class LibraryGreedy:
    """Greedy decoding by the library's own loop, over prompts of equal length so that nothing is
    padded.

    Parameters
    ----------
    loaded
        The model.
    stops
        When rows end.
    """

    def __init__(self, loaded: Loaded, stops: Stops) -> None:
        self._loaded = loaded
        self._stops = stops
        self._together: bool | None = None
        # subtle: what is None in a call is taken from the model's own settings, so they are changed
        for name, value in _LEFT_OUT.items():
            setattr(loaded.model.generation_config, name, value)

    def run(
        self, works: Sequence[Work], requests: Sequence[Request], bank: Bank | None = None
    ) -> Iterator[list[Ended]]:
        """Yield the rows that ended, about once a second, length after length, each row once;
        `bank` must be None.

        Nothing may have ended in a second.
        """
        if bank is not None:
            raise ValueError("the library's own loop takes no stored prefixes")
        if any(request.temperature > 0 for request in requests):
            raise BackendError(
                "--temperature: this model generates by the library's own loop, "
                "which draws no answers here (its type, or its generation_config.json, "
                "asks for that loop). Leave --temperature out."
            )

        def alike(row: int) -> tuple[int, int]:  # some settings force the last token there may be
            return len(works[row].context), requests[row].max_tokens

        for _, group in groupby(sorted(range(len(works)), key=alike), key=alike):
            rows = list(group)
            together = len(rows) == 1 or self._side_by_side([works[i].context for i in rows[:2]])
            for part in [rows] if together else [[row] for row in rows]:
                for found in self._told([works[i] for i in part], [requests[i] for i in part]):
                    yield [(part[place], ids) for place, ids in found]

    def _side_by_side(self, contexts: Sequence[Sequence[int]]) -> bool:
        """Whether the library writes two rows together as it writes them alone; asked once."""
        import torch

        if self._together is None:
            prompts = torch.tensor(contexts, device=self._loaded.device)
            try:
                both = self._expected(prompts)
                alone = torch.cat([self._expected(row[None]) for row in prompts])
                shifted = float((both - alone).abs().sum(dim=-1).max()) / 2
            except (
                Exception
            ) as error:  # whatever a batch does to a type of model, rows alone remain
                if is_out_of_memory(error):
                    raise
                shifted = 1.0
            self._together = shifted <= _SHIFTED
        return self._together

    def _expected(self, prompts: Any) -> Any:
        """Probabilities of the second token behind each prompt, shape (prompt, vocabulary)."""
        import torch

        with torch.inference_mode():
            scores = self._loaded.model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                **{"min_new_tokens": 2, "max_new_tokens": 2},
                **{"output_scores": True, "return_dict_in_generate": True},
            ).scores
        return torch.softmax(scores[1].float(), dim=-1)

    def _told(self, works: Sequence[Work], requests: Sequence[Request]) -> Iterator[list[Ended]]:
        """Yield the rows of one length as they end;
        the library's loop runs in a thread and ends when nobody listens.
        """
        ended: SimpleQueue[Ended] = SimpleQueue()
        halt = Event()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="evalkit-generate") as pool:
            loop = pool.submit(self._equal, works, requests, ended, halt)
            try:
                done = False
                while not done:
                    with quiet():  # not in the thread: what it changes is everybody's
                        done = bool(wait([loop], timeout=_TOLD_EVERY).done)
                    if not done:
                        yield _drained(ended)
                if error := loop.exception():
                    if found := _drained(ended):
                        yield found
                    raise error
                yield _drained(ended)
            finally:
                halt.set()

    def _equal(
        self,
        works: Sequence[Work],
        requests: Sequence[Request],
        ended: SimpleQueue[Ended],
        halt: Event,
    ) -> None:
        """Generate behind prompts of one length and limit, and put every row into `ended` when it
        ends.
        """
        import torch

        stops, encoder_decoder = self._stops, self._loaded.encoder_decoder
        prompts = torch.tensor([work.context for work in works], device=self._loaded.device)
        skip = 1 if encoder_decoder else prompts.shape[1]
        broken: set[int] = set()
        told: set[int] = set()

        def tell(row: int, new: list[int] | None) -> None:
            if row not in told:
                told.add(row)
                ended.put((row, new))

        def done(ids: Any, scores: Any, **kwargs: Any) -> Any:
            del kwargs
            if scores is not None:
                bad = ~torch.isfinite(scores[-1].float().max(dim=-1).values)
                broken.update(torch.nonzero(bad).flatten().tolist())
            for row, new in enumerate(ids[:, skip:].tolist()):
                if row in broken:
                    tell(row, None)
                elif row not in told and stops.done(new, requests[row]):
                    tell(row, new)
            flags = [halt.is_set() or row in told for row in range(len(works))]
            return torch.tensor(flags, device=ids.device)

        try:
            with torch.inference_mode():
                ids = self._loaded.model.generate(
                    prompts,
                    attention_mask=torch.ones_like(prompts),
                    max_new_tokens=requests[0].max_tokens,
                    stopping_criteria=[done],
                    output_scores=True,
                    return_dict_in_generate=True,
                ).sequences
        except (ValueError, TypeError, NotImplementedError) as error:
            raise BackendError(
                "generation_config.json: Transformers cannot generate with these settings: "
                f"{first_line(error)}. Correct the file, or take the setting out."
            ) from error
        for row, new in enumerate(ids[:, skip:].tolist()):
            tell(row, self._until(new, requests[row]))

    def _until(self, ids: list[int], request: Request) -> list[int]:
        """Ids up to the one that ended the row; what follows is padding."""
        for n in range(1, len(ids) + 1):
            if self._stops.done(ids[:n], request):
                return ids[:n]
        return ids


def _drained(ended: SimpleQueue[Ended]) -> list[Ended]:
    """Everything that a queue holds."""
    return [ended.get() for _ in range(ended.qsize())]
