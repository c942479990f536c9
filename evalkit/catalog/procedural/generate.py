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
from dataclasses import replace
from itertools import islice

from evalkit.catalog.procedural import (
    expressions,
    matching,
    probes,
    rewriting,
    sequences,
    worlds,
)
from evalkit.catalog.procedural.draft import Draft, Draws, Family
from evalkit.errors import CatalogError
from evalkit.records import Instance, digest

__all__ = ["FAMILIES", "PROBES", "SPLITS", "by_rules", "generate", "held_out", "split_of", "stream"]

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
"""The families of the benchmark ``procedural``, which the demo models were tuned on."""
PROBES: Mapping[str, Family] = {
    family.name: family for family in (probes.BOXES, probes.CONFLICT, probes.FACTS)
}
"""Families that nothing of ours was tuned on."""
_EVERY = {**FAMILIES, **PROBES}
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
        factors=dict(draft.factors),
        id=f"{family.name}-{digest([draft.question, list(draft.choices)], length=12)}",
        fields={"question": draft.question, **draft.slots},
        choices=draft.choices,
        target=draft.choices.index(draft.answer) if draft.choices else None,
        references=(draft.answer,),
    )


def stream(
    family: str, split: str, *, seed: int = 0, knobs: Mapping[str, int] | None = None
) -> Iterator[Instance]:
    """Yield different instances of a split, balanced over fixed labels, until none is found any
    more.

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
    if family not in _EVERY:
        raise CatalogError(f"{where}: not known; known are {', '.join(_EVERY)}.")
    kind = _EVERY[family]
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
            f"{where}: knob {', '.join(wrong)} cannot be used; integers from 1 are accepted for "
            f"{', '.join(kind.knobs)}."
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
            f"procedural family {family!r}: split {split!r} has only {len(found)} instances of "
            f"{n}. Ask for fewer, or turn a knob ({', '.join(_EVERY[family].knobs)})."
        )
    return found


def by_rules(
    family: str,
    split: str,
    *,
    rules: int,
    samples: int,
    noop: float = 0.25,
    skew: float = 0.0,
    seed: int = 0,
    knobs: Mapping[str, int] | None = None,
) -> list[Instance]:
    """Return instances of a fixed number of rules, a fixed number of each;
    the rule is their factor.

    Parameters
    ----------
    family, split, seed, knobs
        As in `generate`; the family must have rules that can be drawn again.
    rules, samples
        Number of rules I and of instances a rule S.
    noop
        Share of a rule's instances to which it does not apply: a string without a match stays as it
        is, one outside the language is answered with no. Rounded to whole instances.
    skew
        Exponent a: the r-th rule has a share of the I x S instances that is proportional to r^-a,
        at least one; 0 gives every rule S.

    Raises
    ------
    CatalogError
        When the family has no such rules, or too few of them.

    References
    ----------
    D. Zhang, J. Wang, F. Charton, arXiv 2402.10891: number of rules against samples of each, rules
    that do not apply, and skewed numbers of samples.
    """
    kind, turned = _checked(family, split, knobs or {})
    if kind.again is None:
        able = ", ".join(name for name, one in FAMILIES.items() if one.again is not None)
        raise CatalogError(
            f"procedural family {family!r}: its rules cannot be asked several times; accepted: "
            f"{able}."
        )
    draws = Draws(f"evalkit/{family}/{split}/rules/{seed}")
    sizes = _sizes(rules, samples, skew)
    found: list[Instance] = []
    known: set[str] = set()
    misses = 0
    while len(known) < rules and misses < TRIES_PER_INSTANCE:
        draft = kind.draw(draws, turned)
        misses += 1
        if draft.rule not in known and held_out(family, draft.rule) == (split == "test_rule"):
            known.add(draft.rule)
            misses = 0
            size = sizes[len(known) - 1]
            found += _of_one_rule(kind, draft, draws, turned, size=size, noop=round(noop * size))
    if len(known) < rules:
        raise CatalogError(
            f"procedural family {family!r}: split {split!r} has only {len(known)} rules of "
            f"{rules}. Ask for fewer, or turn a knob ({', '.join(kind.knobs)})."
        )
    return found


def _sizes(rules: int, samples: int, skew: float) -> list[int]:
    """Instances of every rule, most first.

    >>> _sizes(3, 4, 0.0), _sizes(3, 4, 1.0)
    ([4, 4, 4], [7, 3, 2])
    """
    weights = [(place + 1) ** -skew for place in range(rules)]
    return [max(1, round(rules * samples * weight / sum(weights))) for weight in weights]


def _of_one_rule(
    kind: Family, draft: Draft, draws: Draws, knobs: Mapping[str, int], *, size: int, noop: int
) -> list[Instance]:
    """Return different instances of one rule; fewer where it has no more."""
    assert kind.again is not None
    found: dict[str, Instance] = {}
    for place in range(size):
        for _ in range(50):
            other = kind.again(draws, knobs, draft, place >= noop)
            if other.question not in found:
                made = replace(other, factors={"rule": draft.rule, **other.factors})
                found[other.question] = _instance(kind, made)
                break
    return list(found.values())
