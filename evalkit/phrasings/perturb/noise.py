"""Damage without linguistics.

Words dropped, shuffled after truncation, or replaced by random words.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.spans import Word, free_words, substitute
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DROP", "RANDOM", "SHUFFLE", "VOCABULARY", "drop", "random_words", "shuffle"]

_VOCABULARY_WORDS = """
acorn anchor apron arrow attic badge barrel basket beacon blanket bottle branch bridge bucket button
cabin candle canyon carpet castle cellar chalk cherry circle clover copper corner cotton crater
curtain daisy desert dinner dragon drawer eagle elbow engine fabric falcon feather fiddle flame
forest fountain garden ginger glacier goblet hammer harbor hazel helmet hinge island ivory jacket
jigsaw kettle kitten ladder lagoon lantern lemon lizard locket magnet mango marble meadow mirror
mitten napkin needle nickel oasis olive orchard otter oyster paddle pebble pepper pillow pocket
puddle puzzle quarry quilt rabbit raisin ribbon river rocket saddle sandal scarf shovel silver
spider sponge station summit tablet teapot thimble ticket timber tunnel turnip umbrella valley
velvet violin walnut whistle willow window winter zipper
"""
VOCABULARY = tuple(_VOCABULARY_WORDS.split())
"""Plain nouns that belong to no task."""


def _blank(text: str, words: list[Word]) -> str:
    """Return `text` without `words`.

    The space before each goes with it, and lines keep no stray blanks.
    """
    shorter = substitute(text, dict.fromkeys(words, "\0"))
    shorter = re.sub(r"[ \t]+\0|\0[ \t]*", "", shorter)
    return re.sub(r"[ \t]+(\n|$)", r"\1", re.sub(r"(^|\n)[ \t]+", r"\1", shorter))


def drop(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing without a share `rate` of its words (at least one,
    and one word stays).
    """
    words = free_words(phrasing.text, options["protected_words"])
    if len(words) < 2:
        return Impossible(f"has {len(words)} editable words; dropping needs at least 2")
    count = min(max(1, round(options["rate"] * len(words))), len(words) - 1)
    gone = sorted(int(i) for i in rng.choice(len(words), size=count, replace=False))
    return replace(phrasing, text=_blank(phrasing.text, [words[i] for i in gone]))


def shuffle(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing with its words cut to the first share `keep` and put in random order.

    Protected parts stay put.
    """
    words = free_words(phrasing.text, options["protected_words"])
    count = max(1, round(options["keep"] * len(words)))
    kept, cut = words[:count], words[count:]
    if len({word.text for word in kept}) < 2:
        return Impossible(
            f"has {len({word.text for word in kept})} different editable words within "
            f"keep={options['keep']}; shuffling needs 2"
        )
    texts = [word.text for word in kept]
    order = list(texts)
    while order == texts:
        order = [texts[int(i)] for i in rng.permutation(len(texts))]
    moved = {**dict(zip(kept, order, strict=True)), **dict.fromkeys(cut, "\0")}
    text = substitute(phrasing.text, moved)
    return replace(
        phrasing, text=re.sub(r"[ \t]+(\n|$)", r"\1", re.sub(r"[ \t]+\0|\0[ \t]*", "", text))
    )


def random_words(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing with a share `rate` of its words replaced by unrelated nouns, capitals
    kept.
    """
    words = free_words(phrasing.text, options["protected_words"])
    if not words:
        return Impossible("has no editable word outside slots and label words")
    count = min(max(1, round(options["rate"] * len(words))), len(words))
    edits = {}
    for index in sorted(int(i) for i in rng.choice(len(words), size=count, replace=False)):
        other = VOCABULARY[int(rng.integers(len(VOCABULARY)))]
        edits[words[index]] = other.capitalize() if words[index].text[0].isupper() else other
    return replace(phrasing, text=substitute(phrasing.text, edits))


DROP = Perturbation(
    edit=drop,
    doc="A share of the words left out.",
    options={
        "rate": Option(
            default=0.1, doc="Share of editable words dropped; at least one is, and one stays."
        )
    },
)
SHUFFLE = Perturbation(
    edit=shuffle,
    doc=(
        "Truncated to its first words, which are put in random order; slots and label words keep "
        "their places."
    ),
    options={"keep": Option(default=1.0, doc="Share of the editable words kept, from the start.")},
)
RANDOM = Perturbation(
    edit=random_words,
    doc="Words replaced by unrelated nouns; as many words as before.",
    options={"rate": Option(default=1.0, doc="Share of editable words replaced; at least one is.")},
)
