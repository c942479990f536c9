"""Changes of a text: found by alignment, written as a list, and read from one again.

A list has ``wrong -> right`` for each change, with ``;`` between two. Neither side is empty: what
only goes or only comes has the word before it on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple

__all__ = ["MOST", "Edit", "Listed", "applied", "edit_list", "edits_between"]

MOST = 20_000
"""Most tokens of a text that is aligned."""
NONE = "none"
"""List of no change."""
_ARROW = re.compile(r"\s*(?:->|→|=>)\s*")
_ENDS = ".,;:!?"


class Edit(NamedTuple):
    """One change of a source."""

    start: int
    """First token of the source that goes."""
    end: int
    """The token behind the last one; equal to `start` for an insertion."""
    text: str
    """Tokens that come in their place, with blanks between; empty for a deletion."""


class Listed(NamedTuple):
    """What a list of changes makes of a text."""

    text: str
    """The text with all changes that could be made."""
    lost: int
    """Entries that are no change, or change what the text does not hold."""


def edits_between(source: str, text: str) -> frozenset[Edit]:
    """Return the edits that make a text of a source, both split at white space.

    >>> sorted(edits_between("He go to school", "He goes to the school"))
    [Edit(start=1, end=2, text='goes'), Edit(start=3, end=3, text='the')]
    """
    old, new = source.split()[:MOST], text.split()[:MOST]
    changes = SequenceMatcher(None, old, new, autojunk=len(new) > 2000).get_opcodes()
    return frozenset(
        Edit(start, end, " ".join(new[first:last]))
        for kind, start, end, first, last in changes
        if kind != "equal"
    )


def edit_list(source: str, edits: Iterable[Edit]) -> str:
    """Return edits of a source as a list; ``none`` for no edits.

    >>> edit_list("He go to to bed", edits_between("He go to to bed", "He goes to bed"))
    'go to -> goes'
    >>> edit_list("We sat in in here", edits_between("We sat in in here", "We sat in here"))
    'in in -> in'
    """
    tokens = source.split()
    entries = []
    for edit in sorted(edits):
        start, end, words = edit.start, edit.end, edit.text
        if (start == end or not words) and start > 0:
            start, words = start - 1, f"{tokens[start - 1]} {words}".rstrip()
        elif (start == end or not words) and end < len(tokens):
            end, words = end + 1, f"{words} {tokens[end]}".lstrip()
        entries.append(f"{' '.join(tokens[start:end])} -> {words}")
    return "; ".join(entries) or NONE


def applied(source: str, listing: str) -> Listed:
    """Return a source with the changes of a list, each made where its left side first stands.

    Marks that close the last word of the left side need not be written.

    >>> applied("He go too school.", "go -> goes; school -> the school; cat -> dog")
    Listed(text='He goes too the school.', lost=1)
    >>> applied("All is well.", "None.")
    Listed(text='All is well.', lost=0)
    """
    tokens, lost = source.split(), 0
    entries = [part.strip() for part in re.split(r"[;\n]", listing) if part.strip()]
    if len(entries) == 1 and entries[0].rstrip(_ENDS).casefold() == NONE:
        return Listed(" ".join(tokens), 0)
    for entry in entries:
        sides = _ARROW.split(entry)
        wrong = sides[0].split()
        place = _found(tokens, wrong) if len(sides) == 2 and wrong else None
        if place is None:
            lost += 1
            continue
        last = tokens[place + len(wrong) - 1]
        right = sides[1].split()
        if last != wrong[-1] and right and right[-1][-1] not in _ENDS:
            right[-1] += last[len(wrong[-1]) :]
        tokens[place : place + len(wrong)] = right
    return Listed(" ".join(tokens), lost)


def _found(tokens: list[str], words: list[str]) -> int | None:
    """Return where words first stand, whole or without the marks that close the last one;
    None for nowhere.
    """
    for bare in (False, True):
        for at in range(len(tokens) - len(words) + 1):
            there = tokens[at : at + len(words)]
            if bare:
                there = [*there[:-1], there[-1].rstrip(_ENDS)]
            if there == words:
                return at
    return None
