"""Specifications x phrasings -> perturbed phrasings with an identity,
and what could not be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalkit.phrasings.perturb.spec import (
    Impossible,
    Perturbation,
    PerturbationSpec,
    load,
    parse_spec,
)
from evalkit.records import Meaning, Phrasing, digest

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DERIVED", "Refusal", "apply", "generator", "identified"]

DERIVED = "+perturbed"
"""Added to the source of a derived phrasing: a changed copy of a seen text has not itself been
seen."""
_TRIES = 10
_SHOWN = 4
"""Reasons that are told of one phrasing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Copies of a phrasing that a perturbation could not make."""

    phrasing_id: str
    """Phrasing that was to be edited."""
    perturbation: str
    """Specification, without the number of copies."""
    reason: str
    """Why."""
    made: int = 0
    """Copies that were made."""
    wanted: int = 1
    """Copies asked for."""

    def __str__(self) -> str:
        return (
            f"phrasing {self.phrasing_id!r}: perturbation {self.perturbation!r} made {self.made} "
            f"of {self.wanted}: {self.reason}."
        )


def generator(*parts: Any) -> np.random.Generator:
    """Return a random generator seeded by the digest of `parts`,
    so that results do not depend on the order of work.
    """
    import numpy as np

    return np.random.default_rng(int(digest(list(parts), length=32), 16))


def identified(made: Phrasing, origin: Phrasing, *, label: str, stamp: Sequence[Any]) -> Phrasing:
    """Return `made` with its own id, `of`, `perturbation`, source and an unchecked meaning.

    The id is the origin's, the perturbation's name and ten digits of the digest of `stamp` and what
    a prompt shows of it, so the same edit has the same id on every machine and a changed dictionary
    gives a new one.
    """
    name = label.partition(":")[0]
    label = f"{origin.perturbation}+{label}" if origin.perturbation else label
    return replace(
        made,
        id=f"{origin.id}.{name}-{digest([origin.id, label, *stamp, *_content(made)], length=10)}",
        of=origin.id,
        perturbation=label,
        source=origin.source if origin.source.endswith(DERIVED) else origin.source + DERIVED,
        meaning=Meaning(),
    )


def _copies(
    phrasing: Phrasing,
    spec: PerturbationSpec,
    options: Mapping[str, Any],
    *,
    rng: np.random.Generator,
) -> Iterator[Phrasing | Impossible]:
    """Yield one result per try."""
    edit = load(spec.name).edit
    for _ in range(_TRIES * spec.n):
        yield edit(phrasing, rng, options)


def _perturbed(
    phrasing: Phrasing,
    spec: PerturbationSpec,
    perturbation: Perturbation,
    *,
    seed: int,
    words: tuple[str, ...],
) -> Iterator[Phrasing | Refusal]:
    """Yield the copies of one phrasing, then a refusal when there are fewer than asked for."""
    defaults = {key: option.default for key, option in perturbation.options.items()}
    options = {**defaults, **spec.options, "protected_words": words}
    rng = generator("perturb", seed, spec.label, phrasing.id, phrasing.text)
    if perturbation.acts_on == "instance":
        marked = perturbation.edit(phrasing, rng, options)
        if isinstance(marked, Impossible):
            yield Refusal(
                phrasing_id=phrasing.id,
                perturbation=spec.label,
                reason=marked.reason,
                wanted=spec.n,
            )
            return
        for draw in range(spec.n):
            yield identified(marked, phrasing, label=spec.label, stamp=[seed, draw])
        return
    known = {_content(phrasing)}
    reasons: dict[str, None] = {}
    made = 0
    for result in _copies(phrasing, spec, options, rng=rng):
        if isinstance(result, Impossible):
            reasons[result.reason] = None
            if result.again:
                continue
            break
        if _content(result) not in known:
            known.add(_content(result))
            made += 1
            yield identified(result, phrasing, label=spec.label, stamp=[seed])
        if made == spec.n:
            return
    yield Refusal(
        phrasing_id=phrasing.id,
        perturbation=spec.label,
        reason=_said(reasons) or f"{_TRIES * spec.n} tries gave no further different text",
        made=made,
        wanted=spec.n,
    )


def _said(reasons: Iterable[str]) -> str:
    """Return the first of several reasons, and how many more there are."""
    first, *more = [*reasons] or [""]
    shown = "; ".join([first, *more[: _SHOWN - 1]])
    return shown + (f"; and {len(more) + 1 - _SHOWN} more" if len(more) >= _SHOWN else "")


def _content(phrasing: Phrasing) -> tuple[str, ...]:
    """Return what a reader of the prompt can tell apart."""
    shown = (phrasing.text, phrasing.cue, phrasing.layout, phrasing.label_space)
    around = (phrasing.wrapper, phrasing.frame, *phrasing.reserved)
    return (*shown, *around) if phrasing.frame or phrasing.wrapper != "plain" else shown


def apply(
    phrasings: Iterable[Phrasing],
    specs: Iterable[str | PerturbationSpec],
    *,
    seed: int,
    protected_words: Iterable[str] = (),
) -> tuple[list[Phrasing], list[Refusal]]:
    """Return perturbed copies of phrasings, and what could not be made.

    Parameters
    ----------
    phrasings
        What is edited; they are not among the results.
    specs
        Specifications, as text (``word:rate=0.1,n=5``) or parsed. Every phrasing gets every one of
        them, once: of those that differ in ``n`` alone, the one that makes most.
    seed
        Equal seeds give equal copies, whatever else is perturbed in the same call; the first n
        copies of a specification are the same for every larger n.
    protected_words
        Label words of the task, which no edit may touch.

    Raises
    ------
    RegistryError, UsageError
        When a specification is wrong.
    DataMissingError, ExtraMissingError
        When what a perturbation needs is not on this machine.
    """
    parsed = [parse_spec(spec) if isinstance(spec, str) else spec for spec in specs]
    largest: dict[str, PerturbationSpec] = {}
    for spec in parsed:
        if spec.label not in largest or spec.n > largest[spec.label].n:
            largest[spec.label] = spec
    loaded = [(spec, load(spec.name)) for spec in largest.values()]
    words = tuple(sorted(set(protected_words)))
    made: list[Phrasing] = []
    refused: list[Refusal] = []
    for phrasing in phrasings:
        for spec, perturbation in loaded:
            for result in _perturbed(phrasing, spec, perturbation, seed=seed, words=words):
                if isinstance(result, Refusal):
                    refused.append(result)
                elif perturbation.keeps_words:
                    made.append(replace(result, source=phrasing.source))
                else:
                    made.append(result)
    return made, refused
