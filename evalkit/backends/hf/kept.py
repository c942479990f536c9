"""What a tokenizer adds to a text and what it leaves out of it, found by trying.

Not handled here: letters that a tokenizer changes (case, accents, compatibility forms), white
space.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from evalkit.errors import BackendError

__all__ = ["Kept", "added"]

Ids = tuple[int, ...]
_PROBE = "Name the third letter."
_ANYWAY = "the option allow_unknown asks it anyway"


def added(tokenizer: Any) -> tuple[Ids, Ids]:
    """Return the ids that a tokenizer puts before and behind a text.

    Raises
    ------
    BackendError
        When the text itself is not among what comes out.
    """
    plain, full = (
        tokenizer(_PROBE, add_special_tokens=special, verbose=False)["input_ids"]
        for special in (False, True)
    )
    for start in range(len(full) - len(plain) + 1):
        if plain and full[start : start + len(plain)] == plain:
            return tuple(full[:start]), tuple(full[start + len(plain) :])
    raise BackendError(
        f"{tokenizer.name_or_path}: the tokenizer does not keep the text it is given ({_PROBE!r} becomes {tokenizer.decode(full)!r}). Fetch the model again."
    )


class Kept:
    """Tells what a tokenizer has no token for.

    Parameters
    ----------
    tokenizer
        A Transformers tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        unknown = tokenizer.unk_token_id
        others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        self._unknown: int | None = None if unknown in others else unknown
        self._fine: set[str] = set()
        self._lost: set[str] = set()

    def lost(self, text: str, ids: Ids) -> str:
        """Return what is lost of a text that became `ids`, in words; empty for nothing."""
        letters = set(text)
        for letter in letters - self._fine - self._lost:
            (self._lost if self._loses(letter) else self._fine).add(letter)
        if gone := letters & self._lost:
            return f"the tokenizer has no token for {min(gone)!r} ({_ANYWAY})"
        if self._unknown in ids and self._tokenizer.unk_token not in text:
            return f"the tokenizer has no token for some of its words ({_ANYWAY})"
        return ""

    def _loses(self, letter: str) -> bool:
        """Whether nothing of a letter, digit or sign comes out again."""
        if unicodedata.category(letter)[0] not in "LNPS":
            return False
        ids = self._tokenizer(letter, add_special_tokens=False, verbose=False)["input_ids"]
        if self._unknown in ids:
            return letter not in self._tokenizer.unk_token
        return not self._tokenizer.decode(ids).strip()
