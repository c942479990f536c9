"""Which wordings a person has to look at: every phrasing held against the one it was made from,
in three classes.

A phrasing that names no origin is held against the wording of its task that is most like it, of
those with the same slots where there are any. It may differ in approach and be right, so it is
never called changed: a person looks at it. Not handled: phrasings whose task has no other wording.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from evalkit.catalog.library.fitted import Class, Fit, classified, fit_named
from evalkit.catalog.library.meaning import labels_kept, length_ratio, slots_kept
from evalkit.catalog.library.patterns import normalised_words
from evalkit.catalog.library.reading import slot_names
from evalkit.catalog.library.validators import (
    asked_validator,
    fitted_validator,
    in_english,
)
from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.tasks import list_tasks
from evalkit.errors import CatalogError
from evalkit.records import Phrasing, Task

__all__ = ["Review", "rates_of", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is said of one phrasing."""

    id: str
    """Its id."""
    of: str
    """Id of the phrasing it was held against; empty where there is none."""
    called: Class
    """Class."""
    chance: float
    """Probability that the meaning was kept, 0 where slots, labels or length alone say that it
    was not.
    """
    why: str
    """What speaks against it most; empty when nothing does."""
    text: str
    """Its text."""


def review(
    phrasings: Iterable[Phrasing], *, encoder: str | None = None, model: str | None = None
) -> list[Review]:
    """Return what is said of every correct phrasing, in the order given.

    Parameters
    ----------
    phrasings
        What is looked at; the shipped library is known besides.
    encoder
        As in `evalkit.catalog.library.validators.fitted_validator`.
    model
        ``BACKEND:NAME`` of a language model that decides what the rules leave open; where it
        contradicts them, a person looks.
    """
    mine = [phrasing for phrasing in phrasings if phrasing.kind == "correct"]
    pools: dict[tuple[str, ...], tuple[list[Phrasing], tuple[str, ...]]] = {}
    found = []
    for phrasing in mine:
        if phrasing.tasks not in pools:
            pools[phrasing.tasks] = _pool(phrasing.tasks, mine)
        pool, labels = pools[phrasing.tasks]
        origin = _origin(phrasing, pool)
        if origin is None:
            found.append(_said(phrasing, "", "look", 0.5, "no other wording of its task is known"))
            continue
        named = origin.id == phrasing.of
        called, chance, why = _called(origin, phrasing, labels, encoder=encoder, model=model)
        called = "look" if called == "changed" and not named else called
        found.append(_said(phrasing, origin.id, called, chance, why))
    return found


def _called(
    origin: Phrasing,
    phrasing: Phrasing,
    labels: Sequence[str],
    *,
    encoder: str | None,
    model: str | None,
) -> tuple[Class, float, str]:
    """Return class, probability and reason for a phrasing held against another."""
    for check in (slots_kept, labels_kept, length_ratio):
        verdict = check(origin, phrasing, labels)
        if not verdict.passed:
            return "changed", 0.0, f"{verdict.validator}: {verdict.note}"
    called, chance, why = _weighed(origin, phrasing, labels, encoder)
    if model is None:
        return called, chance, why
    asked = asked_validator(model)(origin, phrasing, labels)
    said: Class = "kept" if asked.passed else "changed"
    why = why if asked.passed else f"the language model says {asked.score:.2f}"
    return said if called in ("look", said) else "look", chance, why


def _weighed(
    origin: Phrasing, phrasing: Phrasing, labels: Sequence[str], encoder: str | None
) -> tuple[Class, float, str]:
    """Return what rules and network say."""
    if not in_english(phrasing):
        return "look", 0.5, "the rules know English only"
    verdict = fitted_validator(encoder=encoder)(origin, phrasing, labels)
    return classified(_fit(encoder), verdict.score), verdict.score, verdict.note


def rates_of(*, encoder: str | None = None) -> Mapping[str, Mapping[str, int]]:
    """Return how many good and bad pairs, of those that were measured once, are called by each
    class.
    """
    return _fit(encoder).rates


def _fit(encoder: str | None) -> Fit:
    return fit_named("encoder" if encoder else "rules")


def _said(phrasing: Phrasing, of: str, called: Class, chance: float, why: str) -> Review:
    return Review(id=phrasing.id, of=of, called=called, chance=chance, why=why, text=phrasing.text)


def _pool(
    patterns: Sequence[str], mine: Sequence[Phrasing]
) -> tuple[list[Phrasing], tuple[str, ...]]:
    """Return the correct wordings of the tasks that patterns name, these among them,
    and the tasks' labels.
    """
    tasks = [task for pattern in patterns for task in _tasks(pattern)]
    shipped = load_phrasings(tasks[0]) if tasks else []
    known = {one.id: one for one in shipped if one.kind == "correct"}
    known |= {one.id: one for one in mine if one.tasks == tuple(patterns)}
    labels = tuple(sorted({label for task in tasks for label in task.labels}))
    return list(known.values()), labels


def _tasks(pattern: str) -> list[Task]:
    """Return the tasks a pattern names; none where they are not on this machine."""
    try:
        return list_tasks([pattern])
    except CatalogError:
        return []


def _origin(phrasing: Phrasing, pool: Sequence[Phrasing]) -> Phrasing | None:
    """Return what a phrasing was made from, or else the other wording that is most like it."""
    others = [one for one in pool if one.id != phrasing.id and one.text != phrasing.text]
    made = next((one for one in others if one.id == phrasing.of), None)
    if made is not None or not others:
        return made
    slots = sorted(slot_names(phrasing.text))
    words = normalised_words(phrasing.text)

    def likeness(other: Phrasing) -> tuple[bool, float]:
        alike = SequenceMatcher(None, normalised_words(other.text), words, autojunk=False)
        return sorted(slot_names(other.text)) == slots, alike.ratio()

    return max(others, key=likeness)
