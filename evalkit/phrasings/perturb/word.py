"""Synonyms: words that instructions use alike, and WordNet's where a word has one sense,
in the same form.

Optionally kept close by a sentence encoder.

References
----------
Jin, Jin, Zhou, Szolovits. Is BERT really robust? (TextFooler), AAAI 2020: part-of-speech check and
sentence similarity as constraints. Here candidates come from WordNet instead of word vectors.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.encoders import encoder_named, similarity
from evalkit.phrasings.perturb.spans import Word, free_words, substitute
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.phrasings.perturb.thesaurus import interchangeable
from evalkit.phrasings.perturb.wordnet import WordNet, inflect, inflection_of, open_wordnet
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["WORD", "word"]

NO_WORDNET = "none"
"""Option `data` for the thesaurus alone."""
_STARTS = re.compile(r"(?:^|[.!?:\n}\"“(])\s*$")
"""What stands before the first word of a sentence."""
_CLOSED_WORDS = """
a an the this that these those and or but nor so yet if whether then than as of in on at by for from
to with without into onto over under between among about above below before after is are was were be
been being am do does did have has had can could will would shall should may might must not no never
none nothing neither only all any each every both either one two three four five first second i you
he she it we they me him her us them my your his its our their who whom whose which what when where
why how there here very more most less least same other such just also too please yes true false
correct incorrect right wrong option options choice choices letter letters number numbers label
labels answer answers except save instead like up down out off back away sure able know be let
"""
_CLOSED = frozenset(_CLOSED_WORDS.split())
"""Words that carry the logic or the answer format; a synonym would change what is asked."""


def _cased(new: str, old: str) -> str:
    """Return `new` with the capitals of `old`."""
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def _sentence(text: str, words: list[Word], index: int) -> tuple[list[str], int]:
    """Return the words of the sentence around ``words[index]`` and its place among them."""
    first = index
    while first and not re.search(r"[.!?:;\n]", text[words[first - 1].end : words[first].start]):
        first -= 1
    last = index
    while last + 1 < len(words) and not re.search(
        r"[.!?:;\n]", text[words[last].end : words[last + 1].start]
    ):
        last += 1
    return [word.text for word in words[first : last + 1]], index - first


def _candidates(wordnet: WordNet, words: list[str], index: int, *, senses: int) -> list[str]:
    """Return the synonyms of one word in its form, usual sense first."""
    text = words[index].lower()
    pos = None if text in _CLOSED else wordnet.part_of_speech(words, index)
    lemma = wordnet.lemma(text, pos) if pos else None
    if pos is None or lemma is None:
        return []
    form = inflection_of(text, lemma)
    if form is None or (form != "base" and pos not in {"n", "v"}):
        return []
    synonyms = [
        other
        for other in wordnet.synonyms(lemma, pos, senses=senses)
        if max(wordnet.senses(lemma, pos), wordnet.senses(other, pos)) <= senses
    ]
    fitting = [other for other in synonyms if form == "base" or not wordnet.irregular(other, pos)]
    return [_cased(inflect(other, form), words[index]) for other in fitting if other not in _CLOSED]


def _able(text: str, words: list[Word], options: Options) -> list[tuple[Word, list[str]]]:
    """Return what may be replaced by what: entries of the thesaurus,
    then other words WordNet is sure of.
    """
    free = {word.start: word for word in words}
    labels = {label.strip().casefold() for label in options["protected_words"]}
    able: list[tuple[Word, list[str]]] = []
    taken: set[int] = set()
    for start, found, others in interchangeable(text):
        inside = range(start, start + len(found))
        parts = [word for place, word in free.items() if place in inside]
        if sum(len(word.text) for word in parts) != len(re.sub(r"[\W_]", "", found)):
            continue  # one of its words is protected
        if found[0].isupper() and not _STARTS.search(text[:start]):
            continue  # a name
        taken |= {word.start for word in parts}
        fitting = [_cased(other, found) for other in others if not labels & {*other.split()}]
        able += [(Word(found, start), fitting)] if fitting else []
    if options["data"] == NO_WORDNET:
        return able
    wordnet = open_wordnet(options["data"])
    for index, entry in enumerate(words):
        if entry.start not in taken and not (entry.text.isupper() and len(entry.text) > 1):
            synonyms = _candidates(
                wordnet, *_sentence(text, words, index), senses=options["senses"]
            )
            able += [(entry, synonyms)] if synonyms else []
    return able


def _with_article(text: str, word: Word, new: str) -> dict[Word, str]:
    """Return the edit of a word, and of the ``a`` or ``an`` before it when the sound at its
    start changes.
    """
    edits = {word: new}
    before = re.search(r"(?<!\w)(an?)[ \t]+$", text[: word.start], re.IGNORECASE)
    if before and (new[0].lower() in "aeiou") != (word.text[0].lower() in "aeiou"):
        article = before.group(1)
        other = "an" if new[0].lower() in "aeiou" else "a"
        edits[Word(article, before.start(1))] = (
            _cased(other, article) if article != "A" else other.capitalize()
        )
    return edits


def word(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing with a share `rate` of its words (at least one) replaced by a synonym.

    Parameters
    ----------
    phrasing
        What is edited.
    rng
        Source of randomness.
    options
        ``rate``, ``senses``, ``data`` (WordNet folder), ``encoder`` (function or name),
        ``similarity`` (least cosine with the original that a substitution may have, when there is
        an encoder), ``protected_words``.
    """
    if phrasing.language != "en":
        return Impossible(f"is in {phrasing.language!r}, and synonyms are English")
    words = free_words(phrasing.text, options["protected_words"])
    able = _able(phrasing.text, words, options)
    if not able:
        return Impossible("no word outside slots and label words has a synonym in the same form")
    count = max(1, round(options["rate"] * len(words)))
    encoder = (
        encoder_named(options["encoder"])
        if isinstance(options["encoder"], str) and options["encoder"]
        else options["encoder"]
    )
    edits: dict[Word, str] = {}
    done = 0
    for index in (int(i) for i in rng.permutation(len(able))):
        if done == count:
            break
        entry, found = able[index]
        if encoder:
            texts = [
                substitute(phrasing.text, _with_article(phrasing.text, entry, other))
                for other in found
            ]
            close = similarity(encoder, phrasing.text, texts)
            found = [
                other
                for other, cosine in zip(found, close, strict=True)
                if cosine >= options["similarity"]
            ]
        if found:
            edits |= _with_article(phrasing.text, entry, found[int(rng.integers(len(found)))])
            done += 1
    if not edits:
        return Impossible(
            f"no synonym keeps a similarity of {options['similarity']} with the original"
        )
    return replace(phrasing, text=substitute(phrasing.text, edits))


WORD = Perturbation(
    edit=word,
    doc="Synonyms in the same form for a share of the words: our own list, then WordNet's.",
    options={
        "rate": Option(
            default=0.1,
            doc=(
                "Share of all editable words replaced; at least one is, and never more than have "
                "a synonym."
            ),
        ),
        "senses": Option(
            default=1,
            doc="How many of a word's senses give synonyms, most usual first.",
            low=1,
            high=10,
        ),
        "data": Option(
            default="",
            doc="Folder of WordNet's dictionary files; empty to look for them, none to do without.",
        ),
        "encoder": Option(
            default="",
            doc=(
                "Sentence encoder (folder or hub id) that keeps substitutions close; "
                "empty for none."
            ),
        ),
        "similarity": Option(default=0.8, doc="Least cosine with the original, with an encoder."),
    },
)
