"""One fixed block of worked instances of other tasks, put before every prompt,
and what is left of it when a part is spoilt.

References
----------
Ye, Hwang, Yang, Yun, Kim, Seo, "Investigating the Effectiveness of Task-Agnostic Prefix Prompt for
Instruction Following", arXiv 2302.14691, and its ablations: instructions, inputs or outputs drawn
at random, number and order of the demonstrations. Theirs are eight of SuperNI's classification
tasks; ours are drawn by seed from any tasks, and a spoilt part is that of the next demonstration,
so that the words of a block stay what they were.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit import catalog
from evalkit.errors import UsageError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Task, digest

__all__ = ["ORDERS", "PARTS", "Demonstration", "block", "drawn"]

PARTS = ("", "instruction", "input", "output")
"""What is spoilt; nothing by default."""
ORDERS = ("drawn", "reversed", "shuffled")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A worked instance: the text before it, itself, the text behind it, its answer."""

    before: str
    body: str
    behind: str
    answer: str


def drawn(pattern: str, n: int, *, seed: int) -> list[Demonstration]:
    """Return one demonstration each of `n` tasks, in their first plain wording, from instances that
    are never scored.

    Raises
    ------
    UsageError
        When there are fewer tasks, or one has no such instance.
    """
    tasks = sorted(catalog.list_tasks((pattern,)), key=lambda task: digest([seed, task.id]))
    found: list[Demonstration] = []
    for task in tasks:
        made = _of(task, seed) if len(found) < n else None
        if made is not None and made not in found:
            found.append(made)
    if not 0 < n == len(found):
        raise UsageError(
            f"--mitigation prefix: demos={n}; {pattern} has {len(found) or len(tasks)} tasks, "
            "each shown once. Name a number from 1 to that, or other tasks with 'from'."
        )
    return found


def _of(task: Task, seed: int) -> Demonstration:
    split = task.shot_split
    pool = catalog.load_instances(task, None, split=split) if split else []
    able = [one for one in pool if one.target is not None or one.references]
    words = [one for one in catalog.load_phrasings(task) if one.kind == "correct"]
    if split == task.split or not able or not words:
        raise UsageError(
            f"--mitigation prefix: {task.id} has no instance to show that is not scored. "
            "Name other tasks with 'from'."
        )
    phrasing = min(words, key=lambda one: (one.stratum != "plain", digest([seed, one.id])))
    instance = min(able, key=lambda one: digest([seed, one.id]))
    prompt = render_prompt(task, phrasing, instance)
    start, end = prompt.body
    answer = _answer(prompt.continuations, instance)
    return Demonstration(prompt.text[:start], prompt.text[start:end], prompt.text[end:], answer)


def _answer(continuations: Sequence[str], instance: Instance) -> str:
    if continuations and instance.target is not None:
        return continuations[instance.target]
    return f" {instance.references[0]}"


def block(shown: Sequence[Demonstration], *, spoilt: str, order: str, seed: int) -> str:
    r"""Return the text of a block.

    >>> made = [
    ...     Demonstration("Count.\n", "a b", "\nAnswer:", " 2"),
    ...     Demonstration("Sort.\n", "d c", "\nAnswer:", " c d"),
    ... ]
    >>> print(block(made, spoilt="output", order="reversed", seed=0))
    Sort.
    d c
    Answer: 2
    <BLANKLINE>
    Count.
    a b
    Answer: c d
    <BLANKLINE>
    <BLANKLINE>
    """
    if spoilt and len(shown) < 2:
        raise UsageError("--mitigation prefix: random needs two demos, whose parts are exchanged.")
    texts = []
    for one, following in zip(shown, [*shown[1:], *shown[:1]], strict=True):
        frame = following if spoilt == "instruction" else one
        body = following.body if spoilt == "input" else one.body
        answer = following.answer if spoilt == "output" else one.answer
        texts.append(f"{frame.before}{body}{frame.behind}{answer}")
    if order == "reversed":
        texts.reverse()
    elif order == "shuffled":
        random.Random(seed).shuffle(texts)
    return "".join(f"{text}\n\n" for text in texts)
