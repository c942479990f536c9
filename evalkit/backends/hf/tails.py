"""Tokens of a continuation behind a prompt, by the tail of the joint encoding,
without encoding prompts again.

lm-eval encodes prompt + continuation whole for every continuation. With tokenizers in use the tail
depends on the last words of the prompt only. Here the last words are encoded with the continuation,
once per distinct pair, which costs nothing beside encoding the prompt. Nothing is taken on trust:
see `Tails`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Tails"]

Ids = tuple[int, ...]
Encode = Callable[[Sequence[str]], list[list[int]]]
Item = tuple[str, Ids, Sequence[str]]
Found = tuple[tuple[Ids, ...], bool]

_CHECKED = 64
_FEWEST_LETTERS = 6
_FEWEST_TOKENS = 2
_REMEMBERED = 100_000


class Tails:
    """Tails of joint encodings.

    A prompt takes the short way when its own ids end with the ids of its last words encoded alone,
    the letter before them standing for the rest. Of the prompts, the first 64 and every 64th later
    are encoded whole as well; one difference and the tokenizer is not local: everything is then
    encoded whole, from that call on and in that call.

    Parameters
    ----------
    encode
        Token ids of texts, special tokens as for a prompt, in one call.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[str, Ids] = {}
        self._met = 0
        self.local = True

    def encode(self, items: Sequence[Item]) -> list[Found]:
        """Return per (prompt, its ids, continuations) the tails,
        and whether the prompt's ids were no beginning of one.
        """
        if not self.local:
            return self._whole(items)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        ends = [_end(context) for context, _, _ in items]
        self._learn([end for end in ends if end])
        short = [i for i, (context, ids, _) in enumerate(items) if self._agrees(ends[i], ids)]
        self._learn([ends[i] + text for i in short for text in items[i][2]])
        found = {
            i: _cut(self._known[ends[i]], [self._known[ends[i] + text] for text in items[i][2]])
            for i in short
        }
        checked = [i for n, i in enumerate(short, self._met) if n < _CHECKED or n % _CHECKED == 0]
        self._met += len(short)
        whole = [i for i in range(len(items)) if i not in found]
        exact = dict(
            zip(checked + whole, self._whole([items[i] for i in checked + whole]), strict=True)
        )
        if any(found[i] != exact[i] for i in checked):
            self.local = False
            return self._whole(items)
        found.update(exact)
        return [found[i] for i in range(len(items))]

    def _learn(self, texts: Sequence[str]) -> None:
        """Encode the texts that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, map(tuple, self._encode(new)), strict=True))

    def _agrees(self, end: str, ids: Ids) -> bool:
        """Whether a prompt's ids end with the ids of its last words,
        but for those of the letter before them.
        """
        if not end:
            return False
        alone = self._known[end]
        same = 0
        while same < min(len(alone), len(ids)) and alone[-1 - same] == ids[-1 - same]:
            same += 1
        return same >= max(_FEWEST_TOKENS, len(alone) - 3)

    def _whole(self, items: Sequence[Item]) -> list[Found]:
        """Tails by encoding every prompt with every continuation."""
        unique = list(
            dict.fromkeys(context + text for context, _, group in items for text in group)
        )
        ids = dict(zip(unique, map(tuple, self._encode(unique)), strict=True))
        return [
            _cut(context_ids, [ids[context + text] for text in group])
            for context, context_ids, group in items
        ]


def _cut(context: Ids, joint: Sequence[Ids]) -> Found:
    """What stands behind the first len(context) ids, and whether those are not the context's."""
    n = len(context)
    return tuple(ids[n:] for ids in joint), any(ids[:n] != context for ids in joint)


def _end(context: str) -> str:
    r"""Return the last line of a prompt, or its last two words,
    with the line end or space and the letter before it.

    Examples
    --------
    >>> _end("Which one?\nA. this\nAnswer:")
    's\nAnswer:'
    >>> _end("short")
    ''
    """
    start = context.rfind("\n")
    if start < 1 or len(context) - start <= _FEWEST_LETTERS or " " in context[start:]:
        start = context.rfind(" ", 0, max(context.rfind(" "), 0))
    while start > 0 and context[start - 1].isspace():
        start -= 1
    return context[start - 1 :] if start >= 1 and len(context) - start > _FEWEST_LETTERS else ""
