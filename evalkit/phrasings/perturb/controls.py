"""Controls: instructions that a model which reads them cannot profit from. They feed `reliance`.

``wrong`` (another task's instruction), ``null`` (none), ``random`` (unrelated words), ``shuffled``
(its own words in random order). Opposite and negated instructions need a person; the library holds
authored ones of those kinds.

References
----------
Webson, Pavlick. Do prompt-based models really understand the meaning of their prompts?, NAACL 2022
(irrelevant and null instructions); Jang, Ye, Seo. Can large language models truly understand
prompts?, 2023 (negated ones).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.apply import Refusal, generator, identified
from evalkit.phrasings.perturb.noise import random_words, shuffle
from evalkit.phrasings.perturb.spans import free_words, protected_spans
from evalkit.phrasings.perturb.spec import Impossible
from evalkit.records import Kind, Phrasing, Task

__all__ = ["DERIVED_KINDS", "controls", "null", "wrong"]

DERIVED_KINDS: tuple[Kind, ...] = ("wrong", "null", "random", "shuffled")
_SLOT = re.compile(r"\{[{%#]")
_SPACE = re.compile(r"[ \t]*\n[ \t\n]*")


def null(phrasing: Phrasing) -> Phrasing | Impossible:
    """Return the phrasing without its words.

    Nothing, or its slots and the descriptors of their lines.
    """
    if not _SLOT.search(phrasing.text):
        return replace(phrasing, text="")
    if "{%" in phrasing.text:
        return Impossible("its text holds Jinja tags, which words cannot be taken out of")
    slots = [
        phrasing.text[start:end]
        for start, end in protected_spans(phrasing.text)
        if phrasing.text[start:end].startswith("{{")
    ]
    return replace(phrasing, text="\n".join(slots))


@lru_cache(maxsize=8192)
def _has_words(text: str) -> bool:
    return bool(free_words(text, least=2))


def wrong(phrasing: Phrasing, others: Sequence[Phrasing], *, seed: int) -> Phrasing | Impossible:
    """Return the phrasing with the words of another task's instruction.

    Layout, labels, cue and position stay its own.
    """
    able = [
        other
        for other in others
        if other.kind == "correct" and not _SLOT.search(other.text) and _has_words(other.text)
    ]
    if not able:
        return Impossible("no instruction of another task without slots is given")
    if phrasing.position == "inline":
        return Impossible(
            "its text holds the instance itself; take a phrasing of position before or after"
        )
    able.sort(key=lambda other: other.id)
    chosen = able[int(generator("wrong", seed, phrasing.id).integers(len(able)))]
    return replace(phrasing, text=chosen.text)


def _made(
    kind: Kind, phrasing: Phrasing, others: Sequence[Phrasing], *, seed: int
) -> Phrasing | Impossible:
    """Return one control of one phrasing."""
    if kind == "null":
        return null(phrasing)
    if kind == "wrong":
        return wrong(phrasing, others, seed=seed)
    rng = generator(kind, seed, phrasing.id)
    if kind == "random":
        return random_words(phrasing, rng, {"rate": 1.0, "protected_words": ()})
    return shuffle(phrasing, rng, {"keep": 1.0, "protected_words": ()})


def controls(
    task: Task,
    phrasings: Iterable[Phrasing],
    others: Iterable[Phrasing],
    *,
    seed: int,
    kinds: Iterable[Kind] = DERIVED_KINDS,
) -> tuple[list[Phrasing], list[Refusal]]:
    """Return control phrasings of a task, labelled by `Phrasing.kind`, and what could not be made.

    Parameters
    ----------
    task
        The task asked; instructions of `others` written for it are left out.
    phrasings
        Its correct phrasings; each gets one control of every kind (equal texts once, so ``null``
        usually once).
    others
        Phrasings of other tasks, from which ``wrong`` instructions are drawn.
    seed
        Draws words, orders and instructions.
    kinds
        Kinds made, out of `DERIVED_KINDS`.

    Raises
    ------
    UsageError
        When a kind cannot be derived.
    """
    wanted = tuple(dict.fromkeys(kinds))
    for kind in wanted:
        if kind not in DERIVED_KINDS:
            raise UsageError(
                f"control kind {kind!r}: cannot be derived; accepted: {', '.join(DERIVED_KINDS)}. Write such phrasings by hand."
            )
    own = [phrasing for phrasing in phrasings if phrasing.kind == "correct"]
    foreign = [
        other for other in others if not set(other.tasks) & {task.id, f"{task.benchmark}/*", "*"}
    ]
    made: list[Phrasing] = []
    refused: list[Refusal] = []
    known: set[tuple[str, ...]] = set()
    for kind in wanted:
        for phrasing in own:
            result = _made(kind, phrasing, foreign, seed=seed)
            if isinstance(result, Impossible):
                refused.append(
                    Refusal(phrasing_id=phrasing.id, perturbation=kind, reason=result.reason)
                )
                continue
            text = _SPACE.sub("\n", result.text)
            content = (
                kind,
                text,
                result.layout,
                result.label_space,
                result.position,
                result.wrapper,
                result.cue,
            )
            if content not in known:
                known.add(content)
                control = identified(
                    replace(result, text=text), phrasing, label=kind, stamp=[seed, task.id]
                )
                made.append(replace(control, kind=kind, perturbation="", dimensions=()))
    return made, refused
