"""Controls: instructions that a model which reads them cannot profit from. They feed `reliance`.

``wrong`` (another task's instruction), ``null`` (none), ``random`` (unrelated words), ``shuffled``
(its own words in random order), and, where no person has written one, ``opposite`` (a line that
asks for the opposite) and ``negated`` (a line that forbids it). All keep every slot, so a model
that does not read its instruction sees the same instance.

References
----------
Webson, Pavlick. Do prompt-based models really understand the meaning of their prompts?, NAACL 2022
(irrelevant and null instructions); Jang, Ye, Seo. Can large language models truly understand
prompts?, 2023 (negated ones); Kim, Kim, Hwang, Yun. Instructive decoding, ICLR 2024 (one fixed line
that asks for the opposite; the words here are ours).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.apply import Refusal, generator, identified
from evalkit.phrasings.perturb.noise import random_words, shuffle
from evalkit.phrasings.perturb.spans import SLOT, free_words
from evalkit.phrasings.perturb.spec import Impossible
from evalkit.records import Kind, Phrasing, Task

__all__ = ["DERIVED_KINDS", "Rank", "controls", "null", "same_form", "wrong"]

DERIVED_KINDS: tuple[Kind, ...] = ("wrong", "null", "random", "shuffled", "opposite", "negated")
"""Every kind of control; of the last two, those that people wrote go first."""
_LINES: dict[Kind, str] = {
    "opposite": "Give the opposite of what is asked for here: an answer that is wrong on purpose.",
    "negated": "Do not do what is asked for here.",
}
"""What stands before the instruction. Ours."""
_MARK = re.compile(r"\{[{%#]")
_SPACE = re.compile(r"[ \t]*\n[ \t\n]*")

Rank = Callable[[Phrasing, Phrasing], int]
"""How fit a foreign phrasing is to stand in for one of the task: 0 is best."""


def null(phrasing: Phrasing) -> Phrasing | Impossible:
    """Return the phrasing without its words: nothing,
    or its slots, one a line, however they are quoted.
    """
    if "{%" in phrasing.text:
        return Impossible("its text holds Jinja tags, which words cannot be taken out of")
    return replace(phrasing, text="\n".join(SLOT.findall(phrasing.text)))


@lru_cache(maxsize=8192)
def _has_words(text: str) -> bool:
    return bool(free_words(text, least=2))


def same_form(phrasing: Phrasing, other: Phrasing) -> int:
    """Return 0 when both want an answer in the same form (letter, number or text, listed or
    not), else 1.
    """
    return int(
        (phrasing.label_space, phrasing.layout == "none")
        != (other.label_space, other.layout == "none")
    )


def wrong(
    phrasing: Phrasing, others: Sequence[Phrasing], *, seed: int, rank: Rank = same_form
) -> Phrasing | Impossible:
    """Return the phrasing with the words of another task's instruction, and its source.

    Layout, labels, cue, position and slots stay its own. The words are the other's to the letter,
    so a model that was tuned on them has seen them; `Phrasing.origin` names whose they are.

    Parameters
    ----------
    phrasing
        The task's own phrasing.
    others
        Phrasings of other tasks; those without slots are drawn from.
    seed
        Draws.
    rank
        Only the best of the others are drawn from.
    """
    able = [
        other
        for other in others
        if other.kind == "correct" and not _MARK.search(other.text) and _has_words(other.text)
    ]
    if not able:
        return Impossible("no instruction of another task without slots is given")
    kept = null(phrasing)
    if isinstance(kept, Impossible):
        return kept
    ranks = [rank(phrasing, other) for other in able]
    least = min(ranks)
    best = [other for other, place in zip(able, ranks, strict=True) if place == least]
    best.sort(key=lambda other: other.id)
    chosen = best[int(generator("wrong", seed, phrasing.id).integers(len(best)))]
    text = f"{chosen.text}\n{kept.text}" if kept.text else chosen.text
    return replace(phrasing, text=text, source=chosen.source, origin=chosen.id)


def _made(
    kind: Kind, phrasing: Phrasing, others: Sequence[Phrasing], *, seed: int, rank: Rank
) -> Phrasing | Impossible:
    """Return one control of one phrasing."""
    if kind == "null":
        return null(phrasing)
    if kind == "wrong":
        return wrong(phrasing, others, seed=seed, rank=rank)
    if kind in _LINES:
        return replace(phrasing, text=f"{_LINES[kind]}\n{phrasing.text}")
    rng = generator(kind, seed, phrasing.id)
    if kind == "random":
        return random_words(phrasing, rng, {"rate": 1.0, "protected_words": ()})
    return shuffle(phrasing, rng, {"keep": 1.0, "protected_words": ()})


_SHOWN = ("text", "layout", "label_space", "position", "wrapper", "cue")
"""Fields in which two controls of a kind must differ."""


def controls(
    task: Task,
    phrasings: Iterable[Phrasing],
    others: Iterable[Phrasing],
    *,
    seed: int,
    kinds: Iterable[Kind] = DERIVED_KINDS,
    rank: Rank = same_form,
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
    rank
        Which foreign instructions are taken first.

    Raises
    ------
    UsageError
        When a kind cannot be derived.
    """
    wanted = tuple(dict.fromkeys(kinds))
    for kind in wanted:
        if kind not in DERIVED_KINDS:
            raise UsageError(
                f"control kind {kind!r}: cannot be derived; accepted: {', '.join(DERIVED_KINDS)}. "
                "Write such phrasings by hand."
            )
    own = [phrasing for phrasing in phrasings if phrasing.kind == "correct"]
    foreign = [
        other
        for other in others
        if not any(fnmatchcase(task.id, pattern) for pattern in other.tasks)
    ]
    made: list[Phrasing] = []
    refused: list[Refusal] = []
    known: set[tuple[str, ...]] = set()
    for kind in wanted:
        for phrasing in own:
            result = _made(kind, phrasing, foreign, seed=seed, rank=rank)
            if isinstance(result, Impossible):
                refused.append(
                    Refusal(phrasing_id=phrasing.id, perturbation=kind, reason=result.reason)
                )
                continue
            result = replace(result, text=_SPACE.sub("\n", result.text))
            content = (kind, *(getattr(result, name) for name in _SHOWN))
            if content not in known:
                known.add(content)
                control = identified(result, phrasing, label=kind, stamp=[seed, task.id])
                source = result.source if kind == "wrong" else control.source
                made.append(
                    replace(control, kind=kind, perturbation="", dimensions=(), source=source)
                )
    return made, refused
