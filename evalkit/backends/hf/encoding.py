"""Requests to token ids: boundary between prompt and continuation, over-long prompts, nothing lost.

The boundary follows lm-eval, so that log-likelihoods are comparable: trailing white space of the
prompt moves to the continuation; causal models get the prompt's ids plus the tail of the joint
encoding; encoder-decoder models get both encoded apart, the continuation without special tokens.

References
----------
EleutherAI/lm-evaluation-harness:lm_eval/api/model.py, `TemplateLM._encode_pair` and
`TemplateLM.loglikelihood`.

Behind a chat template the ids are those of the tokenizer's own `apply_chat_template`: nothing is
added to them and no white space moves. What a tokenizer puts behind a text of a decoder-only model
is taken off, because an answer follows. Not handled here: which conversation is rendered (`chat`),
which letters a tokenizer changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from evalkit.backends.hf.chat import Chat, has_template
from evalkit.backends.hf.encoded import Encoded, Limits, portions
from evalkit.backends.hf.kept import Kept, added
from evalkit.backends.hf.options import allowance
from evalkit.backends.hf.tails import Tails
from evalkit.backends.template_kwargs import NAME
from evalkit.errors import BackendError
from evalkit.records import Request
from evalkit.records.reasoning import has_marks

__all__ = ["Encoder"]

Ids = tuple[int, ...]
_ELLIPSIS = " ... "
_PER_CALL = 1 << 18
"""Most characters of a tokenizer call: what tokenizers note besides ids takes some 40 bytes per
character."""


class Encoder:
    """Turns requests into token ids; wraps one tokenizer.

    Parameters
    ----------
    tokenizer
        A Transformers tokenizer.
    encoder_decoder
        Whether prompts go to an encoder.
    limits
        What the model has room for.
    template
        ``none``, ``auto`` (the tokenizer's own chat template), or the text of a template; empty:
        the tokenizer's own where it has one.
    allow_unknown
        Ask prompts and choices that hold what the tokenizer has no token for.
    thoughts
        Tokens granted beside an answer's own where the chat template speaks of thoughts.
    variables
        What the chat template is given beside the messages.

    Raises
    ------
    BackendError
        When the chat template or the tokenizer does not keep what it is given, or the model has no
        embedding for what they add.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        encoder_decoder: bool,
        limits: Limits,
        template: str = "none",
        allow_unknown: bool = False,
        thoughts: int = 0,
        variables: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder_decoder = encoder_decoder
        self._limits = limits
        template = template or ("auto" if has_template(tokenizer) else "none")
        if variables and template == "none":
            raise BackendError(
                f"{NAME}: there is no chat template that could read {next(iter(variables))!r}. "
                "Leave it out, or name a --chat-template."
            )
        self._chat = None if template == "none" else Chat(tokenizer, template, variables)
        thinks = self._chat is not None and has_marks(self._chat.text) and not encoder_decoder
        self.thoughts = thoughts if thinks else 0
        """Tokens granted to thoughts beside an answer's own, as far as positions are left."""
        before, behind = added(tokenizer)
        around = (before, behind) if self._chat is None else ((), ())
        self._kept = Kept(tokenizer, *around)
        self._allow_unknown = allow_unknown
        self.unknown = 0
        """Prompts that were asked though the tokenizer has no token for a part of them."""
        self._behind: Ids = () if encoder_decoder else behind
        start = (
            tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        )
        self._start_id: int | None = start
        self._start_text = tokenizer.decode([start]) if start is not None else ""
        self._tails = Tails(self._ids)
        self._check((*before, *behind))

    def _check(self, around: Ids) -> None:
        """Refuse what would go wrong for every prompt."""
        if self._chat is not None:
            text, own = self._chat.probe()
            if self._ids([text])[0] != own:
                raise BackendError(
                    "chat template: the tokenizer encodes a conversation otherwise than its text, "
                    "so what is fed would not be what the model knows. "
                    "Use another --chat-template."
                )
            around = tuple(own)
        if error := self._without_embedding(around):
            raise BackendError(
                f"{self._tokenizer.name_or_path}: {error}. "
                "Load the tokenizer that belongs to the weights, or resize the embedding."
            )

    def _without_embedding(self, ids: Ids) -> str:
        """Say which of `ids` the model has no embedding for; empty for none."""
        rows = self._limits.vocabulary
        if rows is None or not ids or max(ids) < rows:
            return ""
        return (
            f"the tokenizer has {len(self._tokenizer)} ids, the embedding {rows}: "
            f"token {self._tokenizer.decode([max(ids)])!r} ({max(ids)}) has none"
        )

    @property
    def template(self) -> str:
        """Return the text of the chat template in use; empty for none."""
        return self._chat.text if self._chat is not None else ""

    @property
    def turn_end(self) -> int | None:
        """Return the token that ends a turn by the chat template; None without one."""
        return self._chat.turn_end if self._chat is not None else None

    @property
    def opening(self) -> str:
        """Return the mark with which the chat template opens an answer's thoughts;
        empty for none.
        """
        return self._chat.opening if self._chat is not None else ""

    @property
    def default_system(self) -> str:
        """Return the system text that the chat template brings by itself; empty for none."""
        return self._chat.default_system if self._chat is not None else ""

    @property
    def notices(self) -> list[str]:
        """Return what a reader of the numbers must know of the way prompts are sent."""
        told = self._chat.notices if self._chat is not None else []
        return [*told, *allowance(self.thoughts)]

    @property
    def rules(self) -> list[str]:
        """Return what is read otherwise than by calling the tokenizer, for the fingerprint."""
        found = self._chat.rules(self._tokenizer.eos_token_id) if self._chat is not None else []
        if self.thoughts:
            found.append(f"thoughts of up to {self.thoughts} tokens")
        if self._behind:
            found.append(f"without {list(self._behind)} behind a prompt")
        return found

    def _ids(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        """Token ids of `texts` in one call.

        A text that already opens with the start token gets no second one, a conversation nothing.
        """
        if not texts:
            return []
        if not special or self._chat is not None:
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
        if special and self._behind:
            cut = len(self._behind)
            ids = [i[:-cut] if tuple(i[-cut:]) == self._behind else i for i in ids]
        return ids

    def render(self, request: Request, text: str) -> str | None:
        """Return the text sent for `request` when its prompt reads `text`;
        None when the chat template leaves out a part.

        A choice stands where the template has an answer, behind its marks of thoughts.
        Without a chat template a system message stands before the prompt, one empty line between.
        """
        if self._chat is not None:
            sent = self._chat.render(request.system, text)
            told = any(map(has_marks, request.continuations))
            if sent is None or request.kind != "choice" or told:
                return sent
            return self._chat.before_choice(sent)
        return f"{request.system}\n\n{text}" if request.system else text

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
            whole[i] = self._fitting(whole[i])
        return whole

    def _fitting(self, item: Encoded) -> Encoded:
        """The request with the limit of a decoder, or why it cannot be asked."""
        most = self._limits.answer
        longest = max(map(len, item.tails), default=0)
        error = item.error
        if not error and most is not None and longest > most:
            error = f"a choice of {longest} tokens where the decoder has {most} positions"
        ids = (*item.context, *(token for tail in item.tails for token in tail))
        error = error or self._without_embedding(ids)
        thoughts = 0
        if self.thoughts and item.request.kind == "generate":
            left = self._limits.prompt - len(item.context) - item.request.max_tokens
            thoughts = max(0, min(self.thoughts, left))
        return replace(item, error=error, most=most, thoughts=thoughts)

    def _whole(self, requests: Sequence[Request], sent: Sequence[str | None]) -> list[Encoded]:
        """Requests as token ids, whatever their length."""
        contexts, moved = [], []
        for request, rendered in zip(requests, sent, strict=True):
            text = rendered or ""
            context = text
            if request.kind == "choice":
                context = text.rstrip() if self._chat is None else text.rstrip(" ")
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
        if self._chat is None:
            return tuple(space + text for text in request.continuations)
        return tuple(space + text.removeprefix(" ") for text in request.continuations)

    def _encoded(
        self, request: Request, text: str | None, context: Ids, tails: tuple[tuple[Ids, ...], bool]
    ) -> Encoded:
        """One request as ids, with lm-eval's rule for an empty prompt.

        The start token stands for it.
        """
        if text is None:
            return Encoded(request, error="the chat template leaves out a part of the prompt")
        found, boundary = tails
        sent = text if text != request.text else ""
        if not context:
            if self._start_id is None:
                return Encoded(
                    request, error="empty prompt, and the tokenizer has no start token", sent=sent
                )
            context = (self._start_id,)
            found = tuple(tail[1:] if tail[:1] == context else tail for tail in found)
        error = self._refusal(request, text, context, found)
        return Encoded(
            request, context, () if error else found, sent, boundary=boundary, error=error
        )

    def _refusal(self, request: Request, text: str, context: Ids, tails: tuple[Ids, ...]) -> str:
        """Say why a request cannot be asked as it was meant; empty when it can."""
        if request.kind == "generate" and request.max_tokens < 1:
            return f"max_tokens is {request.max_tokens}, so nothing can be generated"
        if request.kind == "choice" and not request.continuations:
            return "no continuation to score"
        said: dict[Ids, str] = {}
        for choice, tail in zip(request.continuations, tails, strict=True):
            if not tail:
                return f"continuation {choice!r} has no token of its own"
            if said.setdefault(tail, choice) != choice:
                return f"choices {said[tail]!r} and {choice!r} are the same tokens"
            if not self._allow_unknown and (lost := self._kept.lost(choice, tail)):
                return f"continuation {choice!r}: {lost}"
        if lost := self._kept.lost(text, context):
            if not self._allow_unknown:
                return f"prompt: {lost}"
            self.unknown += 1
        return ""

    def _room(self, request: Request, encoded: Encoded) -> int:
        """Most tokens of prompt the model has room for, the last token of a continuation not
        being fed.
        """
        longest = self._limits.prompt
        if self._encoder_decoder:
            return longest
        if request.kind == "generate":
            return longest - request.max_tokens
        return longest + 1 - max((len(tail) for tail in encoded.tails), default=1)

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
