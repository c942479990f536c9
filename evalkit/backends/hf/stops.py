"""When a generation ends: end tokens, stop texts, the token limit.

A stop text may be or hold a special token, which is no part of the text that is returned. Stop
texts in thoughts end nothing, and the marks around thoughts stay, special tokens or not. Not
handled here: stop texts that begin in the prompt.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from evalkit.backends.hf.encoded import Thinking
from evalkit.errors import BackendError
from evalkit.records import Request
from evalkit.records.reasoning import cut_at, marks_in, thinking

__all__ = ["Stops", "end_tokens", "stop_tokens"]


def end_tokens(model: Any, tokenizer: Any, turn_end: int | None = None) -> frozenset[int]:
    """Return the tokens that end a generation.

    Those of the generation settings, the tokenizer's, and the one that ends a turn by the chat
    template.

    Raises
    ------
    BackendError
        When one is no token's number.
    """
    found: set[int] = set() if turn_end is None else {turn_end}
    wrong: list[Any] = []
    for value in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        named = value if isinstance(value, list | tuple) else [] if value is None else [value]
        wrong = [one for one in named if not isinstance(one, int) or one < 0]
        if wrong:
            break
        found.update(named)
    if wrong:
        raise BackendError(
            f"generation_config.json: eos_token_id is {wrong[0]!r}; numbers of tokens from 0 are "
            "accepted. Correct it."
        )
    return frozenset(found)


def stop_tokens(tokenizer: Any, stops: Iterable[str]) -> list[int]:
    """Return the special tokens among stop texts, for engines that compare texts without them."""
    special = {str(token): i for i, token in tokenizer.added_tokens_decoder.items()}
    return sorted(special[stop] for stop in stops if stop in special)


class Stops:
    """Decides after every token whether a row is done.

    Parameters
    ----------
    tokenizer
        Turns ids into text.
    ends
        Tokens that end a generation.
    texts
        Texts after which the generation settings end one; they stay in the text, as in the library.
    opening
        Mark with which the chat template opens the thoughts of every answer; empty for none.
    """

    def __init__(
        self,
        tokenizer: Any,
        ends: frozenset[int],
        texts: Sequence[str] = (),
        *,
        opening: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        self._opening = opening
        self._ends = ends
        self._texts = tuple(texts)
        self._pieces: dict[int, str] = {}
        self._end_texts = tuple(
            text for text in (tokenizer.decode([i]) for i in sorted(ends)) if text
        )
        added = tokenizer.added_tokens_decoder.items()
        special = {i: str(token) for i, token in added if token.special}
        self._special = special | {
            i: tokenizer.convert_ids_to_tokens(i) for i in tokenizer.all_special_ids
        }
        marks = marks_in(self._special.values())
        self._marks = frozenset(i for i, token in self._special.items() if token in marks)

    def _text(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Text of generated ids, with special tokens if asked."""
        marked = special or self._marks.isdisjoint(ids)
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=not special)
        if not marked:
            text = self._without(self._tokenizer.decode(list(ids)), self._marks)
        return self._opening + text

    def done(self, ids: Sequence[int], request: Request) -> bool:
        """Whether the row that generated `ids` ends here."""
        return (
            ids[-1] in self._ends
            or self._spent(ids, request)
            or self._stopped(ids, (*request.stop, *self._texts))
        )

    def _spent(self, ids: Sequence[int], request: Request) -> bool:
        """Whether the tokens are used up: those of the answer,
        or those that its thoughts may have.
        """
        thoughts = request.thoughts if isinstance(request, Thinking) else 0
        most = request.max_tokens - thoughts
        if len(ids) < most or len(ids) >= request.max_tokens:
            return len(ids) >= request.max_tokens
        if thinking(self._text(ids)):
            return len(ids) >= max(thoughts, most)
        return len(ids) - self._thought(ids) >= most

    def _thought(self, ids: Sequence[int]) -> int:
        """Fewest tokens behind which the thoughts are over, where they are at the end;
        0 where there were none.
        """
        return bisect_left(range(len(ids)), True, key=lambda n: not thinking(self._text(ids[:n])))

    def granted(self, ids: Sequence[int], request: Request) -> list[int]:
        """Return as many of the ids of a whole answer as the request has room for.

        For engines that know one limit over thoughts and answer.
        """
        thoughts = request.thoughts if isinstance(request, Thinking) else 0
        most = request.max_tokens - thoughts
        alone = max(thoughts, most)
        over = len(ids) if thinking(self._text(ids)) else self._thought(ids)
        return list(ids[: alone if over > alone else over + most])

    def _stopped(self, ids: Sequence[int], stops: Sequence[str]) -> bool:
        """Whether the last token completed a stop text."""
        last = ids[-1]
        if last not in self._pieces:
            self._pieces[last] = self._tokenizer.decode([last])
        piece = self._pieces[last]
        # subtle: a stop text can only be completed by a token that holds its last letter; bytes of
        # an unfinished letter
        # and white space, which decoders drop at the edge of a text, are not judged by the token
        # alone
        if not any(
            stop
            and (
                stop[-1] in piece or stop[-1].isspace() or "\ufffd" in piece or ord(stop[-1]) > 127
            )
            for stop in stops
        ):
            return False
        if thinking(self._text(ids)):
            return False
        shown = [self._text(ids)]
        if not self._special.keys().isdisjoint(ids):
            shown.append(self._text(ids, special=True))
        return any(cut_at(text, stops)[1] for text in shown)

    def finish(self, ids: Sequence[int], request: Request) -> tuple[str, Literal["stop", "length"]]:
        """Return the text before the first stop, and why it ended: ``stop`` or ``length``."""
        ended = bool(ids) and ids[-1] in self._ends
        text = self._text(ids)
        found = [
            cut
            for cut, ended_here in [cut_at(text, (*request.stop, *self._end_texts))]
            if ended_here
        ]
        if not self._special.keys().isdisjoint(ids):
            raw, cut_raw = cut_at(self._text(ids, special=True), request.stop)
            found += [self._without(raw, self._marks)] if cut_raw else []
        if found:
            return min(found, key=len), "stop"
        ended = ended or any(stop in text for stop in self._texts)
        return text, "stop" if ended else "length"

    def _without(self, text: str, kept: frozenset[int]) -> str:
        """The text without special tokens, but for those kept."""
        for i, token in self._special.items():
            if i not in kept:
                text = text.replace(token, "")
        return text
