"""Requests to token ids: chat template, boundary between prompt and continuation, over-long prompts.

The boundary follows lm-eval, so that log-likelihoods are comparable: trailing white space of the
prompt moves to the continuation; causal models get the prompt's ids plus the tail of the joint
encoding; encoder-decoder models get both encoded apart, the continuation without special tokens.

References
----------
EleutherAI/lm-evaluation-harness:lm_eval/api/model.py, `TemplateLM._encode_pair` and
`TemplateLM.loglikelihood`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from evalkit.backends.hf.tails import Tails
from evalkit.errors import BackendError
from evalkit.records import Request, Response

__all__ = ["Encoded", "Encoder", "portions"]

Ids = tuple[int, ...]
T = TypeVar("T")
_ELLIPSIS = " ... "
_PER_CALL = 1 << 18
"""Most characters of a tokenizer call: what tokenizers note besides ids takes some 40 bytes per
character."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as token ids."""

    request: Request
    """What was asked."""
    context: Ids = ()
    """Ids of the prompt."""
    tails: tuple[Ids, ...] = ()
    """Ids of every continuation; empty for generation."""
    sent: str = ""
    """Text really sent; empty when it is the request's own."""
    truncated: bool = False
    """Whether the body lost its middle."""
    boundary: bool = False
    """Whether the prompt's ids are not the beginning of the joint ids of some continuation."""
    error: str = ""
    """Why it cannot be asked; empty when it can."""

    def response(self, **found: Any) -> Response:
        """Return the response with what is known of the prompt."""
        return Response(
            key=self.request.key,
            sent=self.sent,
            truncated=self.truncated,
            boundary=self.boundary,
            prompt_tokens=len(self.context),
            **found,
        )

    def failure(self, error: str) -> Response:
        """Return the response that says why there is no answer."""
        reason = "error" if self.request.kind == "generate" else ""
        return self.response(error=error, finish_reason=reason)

    def scored(self, values: Sequence[float]) -> Response:
        """Return the response to a choice; what is not finite is an error, never a number."""
        if not all(map(math.isfinite, values)):
            return self.failure("nan")
        counts = tuple(map(len, self.tails))
        return self.response(logprobs=tuple(map(float, values)), token_counts=counts)


def portions(
    values: Sequence[T], sizes: Iterable[int], *, characters: int, items: int
) -> Iterator[Sequence[T]]:
    """Yield runs of `values` of at most `items` each and, but for single ones, at most `characters` by their `sizes`.

    Examples
    --------
    >>> list(portions("abcd", [3, 1, 1, 9], characters=4, items=3))
    ['ab', 'c', 'd']
    """
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (total + size > characters or place - start == items):
            yield values[start:place]
            start, total = place, 0
        total += size
    if start < len(values):
        yield values[start:]


class Encoder:
    """Turns requests into token ids; wraps one tokenizer.

    Parameters
    ----------
    tokenizer
        A Transformers tokenizer.
    encoder_decoder
        Whether prompts go to an encoder.
    longest
        Most tokens the model may see at once.
    template
        ``none``, ``auto`` (the tokenizer's own chat template), or the text of a template.
    """

    def __init__(
        self, tokenizer: Any, *, encoder_decoder: bool, longest: int, template: str = "none"
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder_decoder = encoder_decoder
        self._longest = longest
        self._template = self._resolve(template)
        start = (
            tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        )
        self._start_id: int | None = start
        self._start_text = tokenizer.decode([start]) if start is not None else ""
        self._tails = Tails(self._ids)

    @property
    def template(self) -> str:
        """Return the text of the chat template in use; empty for none."""
        return self._template or ""

    def _resolve(self, template: str) -> str | None:
        """Text of the template, or None for none."""
        if template == "none":
            return None
        if template != "auto":
            return template
        own = self._tokenizer.chat_template
        if isinstance(own, dict):
            own = own.get("default")
        if not own:
            raise BackendError(
                f"chat template 'auto': the tokenizer of {self._tokenizer.name_or_path} has none. Use --chat-template none or a template file."
            )
        return str(own)

    def _ids(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        """Token ids of `texts` in one call.

        A text that already opens with the start token gets no second one.
        """
        if not texts:
            return []
        if not special:
            return self._call(texts, False)
        opened = [bool(self._start_text) and text.startswith(self._start_text) for text in texts]
        if not any(opened):
            return self._call(texts, True)
        found: list[list[int]] = [[] for _ in texts]
        for flag in (False, True):
            chosen = [i for i, o in enumerate(opened) if o == flag]
            for i, ids in zip(
                chosen,
                self._call([texts[i] for i in chosen], not flag) if chosen else [],
                strict=True,
            ):
                found[i] = ids
        return found

    def _call(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        """Ids of texts, by as few tokenizer calls as memory allows."""
        ids: list[list[int]] = []
        for part in portions(texts, map(len, texts), characters=_PER_CALL, items=len(texts)):
            encoded = self._tokenizer(
                list(part),
                add_special_tokens=special,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            ids += encoded["input_ids"]
        return ids

    def render(self, request: Request, text: str) -> str:
        """Return the text sent for `request` when its prompt reads `text`.

        Without a chat template a system message stands before the prompt, one empty line between. A
        template that refuses a system message gets it at the top of the user's.
        """
        joined = f"{request.system}\n\n{text}" if request.system else text
        if self._template is None:
            return joined
        import jinja2

        messages = [{"role": "system", "content": request.system}] if request.system else []
        try:
            return self._apply([*messages, {"role": "user", "content": text}])
        except jinja2.exceptions.TemplateError as error:
            if not request.system:
                raise BackendError(
                    f"chat template: {error}. Use another --chat-template."
                ) from error
        try:
            return self._apply([{"role": "user", "content": joined}])
        except jinja2.exceptions.TemplateError as error:
            raise BackendError(f"chat template: {error}. Use another --chat-template.") from error

    def _apply(self, messages: list[dict[str, str]]) -> str:
        """Messages through the chat template, ending where the answer begins."""
        text: str = self._tokenizer.apply_chat_template(
            messages, chat_template=self._template, tokenize=False, add_generation_prompt=True
        )
        return text

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Return the requests as token ids, in order.

        Every text is tokenised once, in batch calls.
        """
        sent = [self.render(request, request.text) for request in requests]
        whole = self._whole(requests, sent)
        for i, request in enumerate(requests):
            room = self._room(request, whole[i])
            if len(whole[i].context) > room:
                whole[i] = self._shorten(request, room, len(whole[i].context))
        return whole

    def _whole(self, requests: Sequence[Request], sent: Sequence[str]) -> list[Encoded]:
        """Requests as token ids, whatever their length."""
        contexts, moved = [], []
        for request, text in zip(requests, sent, strict=True):
            context = text.rstrip() if request.kind == "choice" else text
            contexts.append(context)
            moved.append(self._continuations(request, text[len(context) :]))
        unique = list(dict.fromkeys(context for context in contexts if context))
        ids = dict(zip(unique, map(tuple, self._ids(unique)), strict=True))
        ids[""] = ()
        if self._encoder_decoder:
            texts = list(dict.fromkeys(text for group in moved for text in group))
            apart = dict(zip(texts, map(tuple, self._ids(texts, special=False)), strict=True))
            tails = [(tuple(apart[text] for text in group), False) for group in moved]
        else:
            tails = self._joint(contexts, ids, moved)
        return [
            self._encoded(request, text, ids[context], found)
            for request, text, context, found in zip(requests, sent, contexts, tails, strict=True)
        ]

    def _joint(
        self, contexts: Sequence[str], ids: dict[str, Ids], moved: Sequence[tuple[str, ...]]
    ) -> list[tuple[tuple[Ids, ...], bool]]:
        """Tails behind every prompt.

        Behind an empty prompt the continuation by itself, without special tokens.
        """
        behind = [i for i, context in enumerate(contexts) if context]
        found = dict(
            zip(
                behind,
                self._tails.encode([(contexts[i], ids[contexts[i]], moved[i]) for i in behind]),
                strict=True,
            )
        )
        for i, context in enumerate(contexts):
            if not context:
                found[i] = tuple(map(tuple, self._ids(moved[i], special=False))), False
        return [found[i] for i in range(len(contexts))]

    def _continuations(self, request: Request, space: str) -> tuple[str, ...]:
        """Continuations with the prompt's trailing white space.

        Behind a chat template their own first space goes.
        """
        if self._template is None:
            return tuple(space + text for text in request.continuations)
        return tuple(space + text.removeprefix(" ") for text in request.continuations)

    def _encoded(
        self, request: Request, text: str, context: Ids, tails: tuple[tuple[Ids, ...], bool]
    ) -> Encoded:
        """One request as ids, with lm-eval's rule for an empty prompt.

        The start token stands for it.
        """
        found, boundary = tails
        sent = text if text != request.text else ""
        if not context:
            if self._start_id is None:
                return Encoded(
                    request, error="empty prompt, and the tokenizer has no start token", sent=sent
                )
            context = (self._start_id,)
            found = tuple(tail[1:] if tail[:1] == context else tail for tail in found)
        if request.kind == "generate" and request.max_tokens < 1:
            return Encoded(
                request,
                context,
                error=f"max_tokens is {request.max_tokens}, so nothing can be generated",
                sent=sent,
            )
        if request.kind == "choice" and not request.continuations:
            return Encoded(request, context, error="no continuation to score", sent=sent)
        for choice, tail in zip(request.continuations, found, strict=True):
            if not tail:
                return Encoded(
                    request,
                    context,
                    error=f"continuation {choice!r} has no token of its own",
                    sent=sent,
                )
        return Encoded(request, context, found, sent, boundary=boundary)

    def _room(self, request: Request, encoded: Encoded) -> int:
        """Most tokens of prompt the model has room for, the last token of a continuation not being fed."""
        if self._encoder_decoder:
            return self._longest
        if request.kind == "generate":
            return self._longest - request.max_tokens
        return self._longest + 1 - max((len(tail) for tail in encoded.tails), default=1)

    def _shorten(self, request: Request, room: int, length: int) -> Encoded:
        """The request with as much of the middle of its body removed as it takes."""
        too_long = f"prompt of {length} tokens where {max(room, 0)} fit"
        start, end = request.body
        low, high = 1, end - start
        best: Encoded | None = None
        # subtle: `low` letters removed may be too few, `high` is tried last; tokens fall almost
        # monotonically with letters
        while low <= high and room > 0:
            removed = (low + high) // 2
            kept = end - start - removed
            left = start + (kept + 1) // 2
            text = (
                request.text[:left].rstrip() + _ELLIPSIS + request.text[left + removed :].lstrip()
            )
            trial = self._whole([request], [self.render(request, text)])[0]
            if not trial.error and len(trial.context) <= self._room(request, trial):
                best, high = trial, removed - 1
            else:
                low = removed + 1
        if best is None:
            return Encoded(
                request, error=f"{too_long}, and the instance text is too short to make up for it"
            )
        return Encoded(
            request, best.context, best.tails, best.sent, truncated=True, boundary=best.boundary
        )
