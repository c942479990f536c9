"""Instances of a family and split from a seed.

Content decides the split: a rule belongs to the held-out rules, and a question to the test
questions, by its own digest. So no seed, number or knob can ever put a test instance or a held-out
rule into training data.

=================  ==============  =================
split              rules           questions
=================  ==============  =================
``train``          training rules  training (70 %)
``validation``     training rules  validation (5 %)
``test_instance``  training rules  test (25 %)
``test_rule``      held-out (25 %) all
=================  ==============  =================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from evalkit.catalog.procedural import expressions, matching, rewriting, sequences, worlds
from evalkit.catalog.procedural.draft import Draft, Draws, Family
from evalkit.errors import CatalogError
from evalkit.records import Instance, digest

__all__ = ["FAMILIES", "SPLITS", "generate", "held_out", "split_of", "stream"]

SPLITS = ("train", "validation", "test_instance", "test_rule")
FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        expressions.BOOLEAN,
        worlds.CALENDAR,
        sequences.COMPARISON,
        sequences.COUNTING,
        rewriting.MARKOV,
        worlds.NAVIGATION,
        matching.REGEX,
        rewriting.REWRITE,
        sequences.SORTING,
        worlds.TRACKING,
    )
}
TRIES_PER_INSTANCE = 2000
"""Drafts after which a family is taken to have no further instance of a split."""


def _bucket(kind: str, family: str, text: str, n: int) -> int:
    return int(digest([kind, family, text], length=12), 16) % n


def held_out(family: str, rule: str) -> bool:
    """Return whether a rule of a family is kept from training."""
    return bool(rule) and _bucket("rule", family, rule, 4) == 0


def split_of(family: str, draft: Draft) -> str:
    """Return the only split a draft may appear in."""
    if held_out(family, draft.rule):
        return "test_rule"
    bucket = _bucket("question", family, draft.question, 20)
    return "test_instance" if bucket < 5 else "validation" if bucket == 5 else "train"


def _instance(family: Family, draft: Draft) -> Instance:
    return Instance(
        id=f"{family.name}-{digest([draft.question, list(draft.choices)], length=12)}",
        fields={"question": draft.question, **draft.slots},
        choices=draft.choices,
        target=draft.choices.index(draft.answer) if draft.choices else None,
        references=(draft.answer,),
    )


def stream(
    family: str, split: str, *, seed: int = 0, knobs: Mapping[str, int] | None = None
) -> Iterator[Instance]:
    """Yield different instances of a split, balanced over fixed labels, until none is found any more.

    Parameters
    ----------
    family, split, seed, knobs
        As in `generate`.

    Raises
    ------
    CatalogError
        When the family, split or a knob is unknown.
    """
    kind, turned = _checked(family, split, knobs or {})
    draws = Draws(f"evalkit/{family}/{split}/{seed}")
    known: set[str] = set()
    misses = 0
    while misses < TRIES_PER_INSTANCE:
        draft = kind.draw(draws, turned)
        wanted = kind.labels[len(known) % len(kind.labels)] if kind.labels else draft.answer
        if draft.question in known or draft.answer != wanted or split_of(family, draft) != split:
            misses += 1
            continue
        known.add(draft.question)
        misses = 0
        yield _instance(kind, draft)


def _checked(family: str, split: str, knobs: Mapping[str, int]) -> tuple[Family, dict[str, int]]:
    """Return the family and all its knobs, or raise when a name or value is not accepted."""
    where = f"procedural family {family!r}"
    if family not in FAMILIES:
        raise CatalogError(f"{where}: not known; known are {', '.join(FAMILIES)}.")
    kind = FAMILIES[family]
    splits = SPLITS if kind.has_rules else SPLITS[:-1]
    if split not in splits:
        raise CatalogError(f"{where}: split {split!r} is not known; known are {', '.join(splits)}.")
    wrong = [
        f"{name}={value!r}"
        for name, value in knobs.items()
        if name not in kind.knobs or type(value) is not int or value < 1
    ]
    if wrong:
        raise CatalogError(
            f"{where}: knob {', '.join(wrong)} cannot be used; integers from 1 are accepted for {', '.join(kind.knobs)}."
        )
    return kind, {**kind.knobs, **knobs}


def generate(
    family: str, split: str, n: int, *, seed: int = 0, knobs: Mapping[str, int] | None = None
) -> list[Instance]:
    """Return `n` different instances.

    Parameters
    ----------
    family
        Name of a family.
    split
        ``train``, ``validation``, ``test_instance`` or, where the family has rules, ``test_rule``.
    n
        How many. The first `m` of `n` are the instances asked for with `m`.
    seed
        Seed of the draws.
    knobs
        Difficulty that differs from the family's defaults.

    Raises
    ------
    CatalogError
        When the family, split or a knob is unknown, or when there are fewer than `n` instances.
    """
    found = list(islice(stream(family, split, seed=seed, knobs=knobs), n))
    if len(found) < n:
        raise CatalogError(
            f"procedural family {family!r}: split {split!r} has only {len(found)} instances of {n}. "
            f"Ask for fewer, or turn a knob ({', '.join(FAMILIES[family].knobs)})."
        )
    return found
