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
_MOST = 5
_ANYWAY = "--allow-unknown asks it anyway"


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
        f"{tokenizer.name_or_path}: the tokenizer does not keep the text it is given ({_PROBE!r} "
        f"becomes {tokenizer.decode(full)!r}). Fetch the model again."
    )


class Kept:
    """Tells what a tokenizer has no token for.

    Parameters
    ----------
    tokenizer
        A Transformers tokenizer.
    before, behind
        What stands around a text, which may be what stands for unknown words too.
    """

    def __init__(self, tokenizer: Any, before: Ids = (), behind: Ids = ()) -> None:
        self._tokenizer = tokenizer
        self._before, self._behind = before, behind
        self._unknown: int | None = tokenizer.unk_token_id
        self._fine: set[str] = set()
        self._lost: set[str] = set()

    def lost(self, text: str, ids: Ids) -> str:
        """Return what is lost of a text that became `ids`, in words; empty for nothing."""
        letters = set(text)
        for letter in letters - self._fine - self._lost:
            (self._lost if self._vanishes(letter) else self._fine).add(letter)
        gone = letters & self._lost
        inner = ids[len(self._before) :] if ids[: len(self._before)] == self._before else ids
        if self._behind and inner[-len(self._behind) :] == self._behind:
            inner = inner[: -len(self._behind)]
        if self._unknown in inner and text.strip() and self._tokenizer.unk_token not in text:
            unknown = {letter for letter in letters if self._unknown in self._alone(letter)}
            if not gone | unknown or len(unknown) > _MOST:  # words it knows, and not letters
                return f"the tokenizer has no token for some of its words ({_ANYWAY})"
            gone |= unknown
        return f"the tokenizer has no token for {min(gone)!r} ({_ANYWAY})" if gone else ""

    def _alone(self, letter: str) -> list[int]:
        """Ids of a letter by itself; none of white space and of what marks other letters."""
        if unicodedata.category(letter)[0] not in "LNPS":
            return []
        ids: list[int] = self._tokenizer(letter, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _vanishes(self, letter: str) -> bool:
        """Whether nothing of a letter, digit or sign comes out again."""
        if unicodedata.category(letter)[0] not in "LNPS":
            return False
        return not self._tokenizer.decode(self._alone(letter)).strip()
