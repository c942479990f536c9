"""Tokens of a continuation behind a prompt, by the tail of the joint encoding, without encoding prompts again.

lm-eval encodes prompt + continuation whole for every continuation. The tail depends on the last words of the prompt
only, so here the last words are encoded with the continuation, once per distinct pair, and the result is used only
where the tokenizer proves local: see `Tails`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Tails"]

Ids = tuple[int, ...]
Encode = Callable[[Sequence[str]], list[list[int]]]


class Tails:
    """Tails of joint encodings.

    Parameters
    ----------
    encode
        Token ids of texts, special tokens as for a prompt, in one call.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def encode(self, items: Sequence[tuple[str, Ids, Sequence[str]]]) -> list[tuple[tuple[Ids, ...], bool]]:
        """Return per (prompt, its ids, continuations) the tails, and whether the prompt's ids were no beginning of one.

        A prompt that is empty gets the continuations encoded by themselves, as lm-eval does.
        """
        whole = [context + text for context, _, group in items for text in group]
        unique = list(dict.fromkeys(whole))
        ids = dict(zip(unique, self._encode(unique), strict=True))
        found = []
        for context, context_ids, group in items:
            n = len(context_ids)
            joint = [tuple(ids[context + text]) for text in group]
            boundary = any(tail[:n] != context_ids for tail in joint)
            found.append((tuple(tail[n:] for tail in joint), boundary))
        return found
