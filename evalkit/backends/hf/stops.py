"""When a generation ends: end-of-sequence tokens, stop texts, the token limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.records import Request

__all__ = ["Stops", "end_tokens"]


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a generation.

    Those of the generation settings and the tokenizer's.
    """
    found: set[int] = set()
    for value in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        if isinstance(value, int):
            found.add(value)
        elif value is not None:
            found.update(value)
    return frozenset(found)


class Stops:
    """Decides after every token whether a row is done.

    Parameters
    ----------
    tokenizer
        Turns ids into text.
    ends
        Tokens that end a generation.
    """

    def __init__(self, tokenizer: Any, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._pieces: dict[int, str] = {}
        self._end_texts = tuple(
            text for text in (tokenizer.decode([i]) for i in sorted(ends)) if text
        )

    def _text(self, ids: Sequence[int]) -> str:
        """Text of generated ids without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def done(self, ids: Sequence[int], request: Request) -> bool:
        """Whether the row that generated `ids` ends here."""
        return (
            ids[-1] in self._ends
            or len(ids) >= request.max_tokens
            or self._stopped(ids, request.stop)
        )

    def _stopped(self, ids: Sequence[int], stops: Sequence[str]) -> bool:
        """Whether the last token completed a stop text."""
        last = ids[-1]
        if last not in self._pieces:
            self._pieces[last] = self._text([last])
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
        text = self._text(ids)
        return any(stop in text for stop in stops if stop)

    def finish(self, ids: Sequence[int], request: Request) -> tuple[str, str]:
        """Return the text before the first stop, and why it ended: ``stop`` or ``length``."""
        ended = bool(ids) and ids[-1] in self._ends
        text = self._text(ids)
        cuts = [
            text.find(stop) for stop in (*request.stop, *self._end_texts) if stop and stop in text
        ]
        if cuts:
            return text[: min(cuts)], "stop"
        return text, "stop" if ended else "length"
