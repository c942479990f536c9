"""Slips of English that no careful writer makes, by small rules over neighbouring words.

`slips` counts broken rules; `unheard` compares neighbours with those of the shipped library,
frequent words as themselves and others by their ending (``bigrams.txt``, written by
benchmarks/meaning.py).
No parser: a rule fires on words that cannot follow each other (``the of``, ``to writing``, ``these
sentence``). It misses most slips of one word and is blind to style; made for texts that a program
changed, where words land in the wrong place or form.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from evalkit.catalog.library.patterns import normalised_words

__all__ = ["frequent_words", "kind_of", "neighbours", "slips", "unheard"]

_TABLE = """
determiner: the a an
not after a determiner: the a an of to in on at by for from with and or is are was were be been am
not after a determiner: do does did has have had it its they
not after a determiner: them he him she you we i this that these those which what who whom whose how
not after a determiner: why when where if whether as so not
not after a determiner: would should must can could will shall your my their our his her
preposition: of from at into
not after a preposition: is are was were do does did of to at and or if has have had
modal: to can could will would should must may might shall did does do
many: these those two three four five six seven both many several few
one: a an each every another
plural subject: they we you
singular subject: it he she everyone somebody nobody
singular verb: is was has does
plural verb: are were have do
bad end: the a an of and or your its their if that my
pronoun: i you he she it we they
being: is are was were
doing: do does did is are was were
no form of a verb: thing nothing something anything everything string following during meaning
no form of a verb: reading writing ending morning evening
no form of a verb: being according setting saying heading spring king bring ring sing wording
no form of a verb: building opening closing warning finding
no form of a verb: beginning rating working
noun: sentence word question answer option choice letter number statement item object name line
noun: bracket shape film movie story title fact
noun: concept person passage paragraph text string rule label compliment parenthesis alternative
noun: triple version pair part digit clause
noun: error mistake penguin row comma remark comment friend way place reason event premise
noun: hypothesis
stutter: the a of to is are
"""
"""Words by what they may stand beside; a name may have several lines."""
_WORDS: dict[str, frozenset[str]] = {}
for _line in _TABLE.strip().splitlines():
    _name, _, _listed = _line.partition(": ")
    _WORDS[_name] = _WORDS.get(_name, frozenset()) | frozenset(_listed.split())
_AFTER = (
    ("determiner", "not after a determiner"),
    ("preposition", "not after a preposition"),
    ("plural subject", "singular verb"),
    ("singular subject", "plural verb"),
    ("being", "doing"),
)
"""Pairs of which the second never follows the first."""
_ING = re.compile(r"[a-z]{3,}ing")
_SLOT = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_NAMED = re.compile(
    r"\{\{.*?\}\}|\"[^\"\n]{1,40}\"|(?<!\w)'[^'\n]{1,40}'(?!\w)|(?<![.!?:] )(?<=.)\bA\b|\bA\)"
    r"|\b[a-z] (?:or|and) [a-z]\b",
    re.DOTALL,
)
"""Slots, quoted words and letters that answers go by: names, whatever the word."""
_SPLIT = re.compile(r"[.!?;:\n]+(?:\s|$)")


def _is(word: str, name: str) -> bool:
    return word in _WORDS[name]


def _plural(word: str) -> bool:
    return word.endswith("s") and _is(word[:-1], "noun")


def _slip(before: str, word: str, after: str) -> bool:
    """Return whether `word` cannot follow `before` (and stand before `after`)."""
    progressive = bool(_ING.fullmatch(word)) and not _is(word, "no form of a verb")
    return (
        any(_is(before, first) and _is(word, second) for first, second in _AFTER)
        or (progressive and (_is(before, "modal") or _is(before, "pronoun")))
        or (
            _is(before, "many")
            and _is(word, "noun")
            and not _is(after, "noun")
            and not _plural(after)
        )
        or (_is(before, "one") and _plural(word))
        or (before == word and _is(word, "stutter"))
    )


@lru_cache(maxsize=8192)
def slips(text: str) -> int:
    """Return how many places of a phrasing text break a rule.

    >>> slips("Which the of shapes are these shape?"), slips("Which of the shapes is it?")
    (2, 0)
    """
    count = 0
    for part in _SPLIT.split(_NAMED.sub(" slotx ", text)):
        words = normalised_words(part)
        padded = [*words, "", ""]
        count += sum(_slip(*padded[index : index + 3]) for index in range(len(words) - 1))
        count += len(words) > 2 and _is(words[-1], "bad end") and not part.rstrip().endswith(",")
    return count


_PARTS = re.compile(r"[.!?;:\n,()]+")
_ENDINGS = ("ing", "ed", "ly")
_USUAL = 4
"""Two kinds of word must be this frequent, as a product, before it means something that they
never met.
"""


def kind_of(word: str, frequent: frozenset[str]) -> str:
    """Return a frequent word itself, and otherwise ``#`` for digits or ``*`` with the ending."""
    if word in frequent:
        return word
    if word.isdigit():
        return "#"
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return f"*{ending}"
    return "*s" if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else "*"


def neighbours(text: str, frequent: frozenset[str]) -> Counter[tuple[str, str]]:
    """Return how often kinds of words stand side by side;
    ``<`` and ``>`` are the edges of a clause.
    """
    found: Counter[tuple[str, str]] = Counter()
    for part in _PARTS.split(_SLOT.sub(" slotx ", text).replace("n't", " not")):
        words = normalised_words(part)
        if words:
            kinds = ["<", *(kind_of(word, frequent) for word in words), ">"]
            found.update(pairwise(kinds))
    return found


@lru_cache(maxsize=1)
def _library() -> tuple[dict[str, int], dict[str, frozenset[str]]]:
    """Return how often each kind of word occurs in the library, and which kinds follow it."""
    text = (files("evalkit.catalog.library") / "bigrams.txt").read_text(encoding="utf-8")
    counts: dict[str, int] = {}
    after: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("%"):
            kind, count, *following = line.split(" ")
            counts[kind], after[kind] = int(count), frozenset(following)
    return counts, after


@lru_cache(maxsize=1)
def frequent_words() -> frozenset[str]:
    """Return the kinds of words that ``bigrams.txt`` knows, frequent words as themselves."""
    return frozenset(_library()[0])


def unheard(original: str, candidate: str) -> float:
    """Return the share of the candidate's new neighbours that the library never puts side by side.

    0 when nothing is new.
    """
    counts, after = _library()
    frequent = frequent_words()
    new = neighbours(candidate, frequent) - neighbours(original, frequent)
    odd = sum(
        number
        for (one, two), number in new.items()
        if two not in after.get(one, ()) and counts.get(one, 0) * counts.get(two, 0) >= _USUAL
    )
    return odd / new.total() if new else 0.0
