"""Short texts under rules that a program verifies, made from a seed; nothing is read.

Every instance has a topic and one to three rules that can be kept together, in words (field
``rules``) and for the program (field ``constraints``). Its reference is a text that keeps them all,
put together from blocks, so that every instance is known to be possible.

References
----------
Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models" (arXiv 2311.07911),
for the idea of instructions that a program can verify. Topics, rules, their words and texts are
ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import checked_options, distinct
from evalkit.records import Instance, Task, digest

__all__ = ["read"]

Rule: TypeAlias = dict[str, Any]
SHOTS = 20
"""Instances of a split that is not scored."""
TOPICS = (
    *("a lighthouse in winter", "a bakery before dawn", "the first day of a new job"),
    *("a village bridge", "how to look after a bicycle", "why gardens need worms"),
    *("a night train", "the smell of rain", "a lost umbrella", "teaching a child to swim"),
    *("a market on Saturday", "an old radio", "keeping bees on a roof", "a snow day at school"),
    *("choosing a walking stick", "a letter that came late", "the sound of a harbour"),
    *("a neighbour's cat", "making soup for many", "a map without names"),
)
WORDS = ("morning", "window", "stone", "river", "lamp", "ticket", "basket", "corner")
FILLERS = (
    *("people walk slowly here", "nothing stays quite the same", "we remember small things"),
    *("every season leaves a mark", "the work goes on", "someone always comes back"),
    *("it takes a little patience", "there is more to see", "a kind hand helps"),
)


@dataclass(slots=True)
class _Text:
    """A text that keeps rules, while it is put together."""

    sentences: int = 3
    holds: list[str] = field(default_factory=list)
    bullets: int = 0
    paragraphs: int = 1
    finish: list[Callable[[str], str]] = field(default_factory=list)

    def made(self, draws: Draws) -> str:
        """Return the text."""
        parts = [draws.pick(FILLERS) for _ in range(self.bullets or self.sentences)]
        parts[0] = " ".join([parts[0], *(f"and {word}" for word in self.holds)])
        lines = [f"{part[0].upper()}{part[1:]}." for part in parts]
        if self.bullets:
            text = "\n".join(f"- {line}" for line in lines)
        else:
            cut = self.paragraphs - 1
            text = "\n\n".join([*lines[:cut], " ".join(lines[cut:])])
        for change in self.finish:
            text = change(text)
        return text


def _length(draws: Draws, text: _Text) -> tuple[str, Rule]:
    kind = draws.below(3)
    if kind == 0:
        n = draws.between(4, 8) * 10
        return f"use at most {n} words", {"rule": "words", "at_most": n}
    if kind == 1:
        n = draws.between(3, 6) * 10
        text.sentences = n // 3 + 1
        return f"use at least {n} words", {"rule": "words", "at_least": n}
    n = draws.between(2, 5)
    text.sentences = n
    return f"write exactly {n} sentences", {"rule": "sentences", "exactly": n}


def _layout(draws: Draws, text: _Text) -> tuple[str, Rule]:
    n = draws.between(2, 5)
    if draws.chance(0.5):
        text.bullets = n
        return (
            f"give exactly {n} bullet points, each on a line that begins with a hyphen",
            {"rule": "bullets", "exactly": n},
        )
    text.paragraphs, text.sentences = n, max(text.sentences, n)
    return (
        f"write {n} paragraphs with a blank line between them",
        {"rule": "paragraphs", "exactly": n},
    )


def _keyword(draws: Draws, text: _Text) -> tuple[str, Rule]:
    word = draws.pick(WORDS)
    if draws.chance(0.5):
        text.holds.append(word)
        return f'use the word "{word}"', {"rule": "contains", "text": word}
    return f'do not use the word "{word}"', {"rule": "excludes", "text": word}


def _mark(draws: Draws, text: _Text) -> tuple[str, Rule]:
    sign, name = draws.pick(
        ((",", "a comma"), ("!", "an exclamation mark"), ("?", "a question mark"))
    )
    return f"do not write {name} anywhere", {"rule": "excludes", "text": sign}


def _case(draws: Draws, text: _Text) -> tuple[str, Rule]:
    if draws.chance(0.5):
        text.finish.append(str.lower)
        return "use small letters only", {"rule": "lower"}
    text.finish.append(str.upper)
    return "use capital letters only", {"rule": "upper"}


def _frame(draws: Draws, text: _Text) -> tuple[str, Rule]:
    kind = draws.below(4)
    if kind == 0:
        text.finish.append(lambda made: f"{made} That is the whole story.")
        return (
            'end with the words "That is the whole story."',
            {"rule": "ends", "text": "That is the whole story."},
        )
    if kind == 1:
        text.finish.append(lambda made: f"To begin with: {made}")
        return (
            'begin with the words "To begin with"',
            {"rule": "starts", "text": "To begin with"},
        )
    if kind == 2:
        text.finish.append(lambda made: f'"{made}"')
        return "put double quotation marks around the whole text", {"rule": "quoted"}
    text.finish.append(lambda made: f"<<A title>>\n{made}")
    return (
        "put a title above the text, in double angle brackets like <<this>>",
        {"rule": "title"},
    )


AXES = {
    "length": _length,
    "layout": _layout,
    "keyword": _keyword,
    "mark": _mark,
    "case": _case,
    "frame": _frame,
}
"""Kinds of rule; an instance has at most one of each."""
APART = (
    {"length", "layout"},
    {"case", "frame"},
    {"length", "frame"},
    {"layout", "frame"},
    {"case", "keyword"},
)
"""Kinds that get in each other's way: sentences in bullets, an ending in capitals, a title as a
sentence.
"""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return topics with their rules.

    Parameters
    ----------
    task
        Its ``source.options`` may hold ``instances`` (100) and ``seed``.
    data_dir
        Not looked at.
    split
        ``test``, or ``validation``, whose 20 instances serve as shots.

    Raises
    ------
    CatalogError
        When an option is wrong.
    """
    options = checked_options(task, {"instances": 100, "seed": 0})
    draws, size = Draws(f"evalkit/following/{split}/{options['seed']}"), options["instances"]
    found = distinct(task, size, lambda: _instance(draws), lambda one: one.id, more=SHOTS)
    return found[: size if split == task.split else SHOTS]


def _instance(draws: Draws) -> Instance:
    n, names = draws.between(1, 3), list[str]()
    for name in draws.shuffled(list(AXES)):
        if len(names) < n and not any({name, other} in APART for other in names):
            names.append(name)
    text, told, rules = _Text(), list[str](), list[Rule]()
    for name in names:
        words, rule = AXES[name](draws, text)
        told.append(words)
        rules.append(rule)
    topic = draws.pick(TOPICS)
    demands = "\n".join(f"- {words[0].upper()}{words[1:]}." for words in told)
    return Instance(
        id=f"following-{digest([topic, rules], length=12)}",
        fields={
            "question": f"Topic: {topic}\nRules:\n{demands}",
            "topic": topic,
            "rules": demands,
            "constraints": json.dumps(rules),
        },
        references=(text.made(draws),),
    )
