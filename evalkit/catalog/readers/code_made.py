"""Programming problems of our own, made from a seed:
a function that applies a few steps to a list or a text.

Every problem is told in three ways: a sentence (``question``, ``prompt``), notes (``..._notes``)
and numbered steps (``..._steps``), so that the wording of a docstring is an axis too.

The expected values are computed by the steps themselves, which are functions here; nothing of a
file is run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.catalog.procedural.draft import Draws
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task, digest

__all__ = ["read"]

TESTS = 6
"""Tests per problem."""
TRIES = 10_000


class Step(NamedTuple):
    """One step of a program."""

    words: str
    """What it does, as an instruction."""
    short: str
    """The same in other words, as a note."""
    code: str
    """An expression that does it to ``x``."""
    does: Callable[[Any], Any]
    """The same."""


NUMBERS = (
    Step(
        "keep only the even numbers",
        "filter: even",
        "[n for n in x if n % 2 == 0]",
        lambda x: [n for n in x if n % 2 == 0],
    ),
    Step(
        "drop every negative number",
        "filter: zero or more",
        "[n for n in x if n >= 0]",
        lambda x: [n for n in x if n >= 0],
    ),
    Step("add 3 to each number", "map: n + 3", "[n + 3 for n in x]", lambda x: [n + 3 for n in x]),
    Step(
        "replace each number by its square",
        "map: n times n",
        "[n * n for n in x]",
        lambda x: [n * n for n in x],
    ),
    Step("put the numbers in rising order", "sort, smallest first", "sorted(x)", sorted),
    Step("turn the list around", "reverse", "x[::-1]", lambda x: x[::-1]),
    Step(
        "keep the first occurrence of each number and drop its repeats",
        "unique values, order of first appearance",
        "list(dict.fromkeys(x))",
        lambda x: list(dict.fromkeys(x)),
    ),
    Step("leave out the first number, if there is one", "skip the head", "x[1:]", lambda x: x[1:]),
    Step(
        "take every second number, beginning with the first",
        "elements at index 0, 2, 4, ...",
        "x[::2]",
        lambda x: x[::2],
    ),
    Step(
        "replace each number by the sum of all numbers up to and including it",
        "running total",
        "[sum(x[: i + 1]) for i in range(len(x))]",
        lambda x: [sum(x[: i + 1]) for i in range(len(x))],
    ),
    Step(
        "change the sign of each number",
        "map: minus n",
        "[-n for n in x]",
        lambda x: [-n for n in x],
    ),
)
NUMBERS_END = (
    Step("return the list that remains", "result: the list", "x", lambda x: x),
    Step("return how many numbers remain", "result: the count", "len(x)", len),
    Step("return the sum of what remains", "result: the total", "sum(x)", sum),
    Step(
        "return the largest number that remains, or None when there is none",
        "result: the maximum; None if empty",
        "max(x, default=None)",
        lambda x: max(x, default=None),
    ),
)
TEXTS = (
    Step("turn the text around", "reverse", "x[::-1]", lambda x: x[::-1]),
    Step("make all letters upper case", "capitals throughout", "x.upper()", str.upper),
    Step(
        "remove every vowel (a, e, i, o, u, in either case)",
        "delete a, e, i, o, u and their capitals",
        "''.join(c for c in x if c.lower() not in 'aeiou')",
        lambda x: "".join(c for c in x if c.lower() not in "aeiou"),
    ),
    Step(
        "write every character twice",
        "double each character",
        "''.join(c + c for c in x)",
        lambda x: "".join(c + c for c in x),
    ),
    Step(
        "put the words in the order of Python's comparison of texts, with one space between them",
        "sort words (as Python compares them), join by one space",
        "' '.join(sorted(x.split()))",
        lambda x: " ".join(sorted(x.split())),
    ),
    Step(
        "drop every word shorter than three characters, with one space between the others",
        "words of 3 or more characters, joined by one space",
        "' '.join(w for w in x.split() if len(w) >= 3)",
        lambda x: " ".join(w for w in x.split() if len(w) >= 3),
    ),
    Step(
        "replace every space by an underscore",
        "space becomes _",
        "x.replace(' ', '_')",
        lambda x: x.replace(" ", "_"),
    ),
    Step(
        "take every second character, beginning with the first",
        "characters at index 0, 2, 4, ...",
        "x[::2]",
        lambda x: x[::2],
    ),
)
TEXTS_END = (
    Step("return the text that remains", "result: the text", "x", lambda x: x),
    Step("return how many characters remain", "result: the length", "len(x)", len),
    Step(
        "return how many different characters remain",
        "result: the number of distinct characters",
        "len(set(x))",
        lambda x: len(set(x)),
    ),
)
WORDS = ("amber", "of", "river", "in", "stone", "Lamp", "a", "orbit", "Echo", "to", "quiet", "reed")


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the problems of a task; ``source.options`` hold ``instances`` and may hold ``seed``.

    Parameters
    ----------
    task
        The task. Splits other than the one that is scored give at most 20 problems, for shots.
    data_dir
        Not looked at.
    split
        Problems of two splits differ: the digest of a problem says where it belongs.

    Raises
    ------
    CatalogError
        When an option is of another kind, or there are fewer problems.
    """
    options = task.source.options
    wanted, seed = options.get("instances"), options.get("seed", 0)
    if type(wanted) is not int or not 1 <= wanted <= 1000 or type(seed) is not int:
        raise CatalogError(
            f"task {task.id!r}: source.options has instances {wanted!r} and seed {seed!r}; "
            "a number from 1 to 1000 and an integer are accepted."
        )
    wanted = wanted if split == task.split else min(wanted, 20)
    draws = Draws(f"evalkit/code/{split}/{seed}")
    found: dict[str, Instance] = {}
    for _ in range(TRIES):
        if len(found) == wanted:
            return list(found.values())
        made = _problem(draws)
        scored = int(digest(["code", made.fields["question"]], length=8), 16) % 4 > 0
        if scored == (split == task.split):
            found.setdefault(made.id, made)
    raise CatalogError(
        f"task {task.id!r}: split {split!r} has only {len(found)} problems of {wanted}. "
        "Ask for fewer."
    )


def _problem(draws: Draws) -> Instance:
    numbers = draws.chance(0.6)
    steps = draws.some(NUMBERS if numbers else TEXTS, draws.between(1, 3))
    steps.append(draws.pick(NUMBERS_END if numbers else TEXTS_END))
    kind, kind_name = ("numbers", "list of integers") if numbers else ("text", "text")
    told = {
        "": f"Given a {kind_name}, " + ", then ".join(step.words for step in steps) + ".",
        "_notes": f"Input: {kind_name}. " + "; ".join(step.short for step in steps) + ".",
        "_steps": f"The argument is a {kind_name}.\n"
        + "\n".join(f"{n}. {step.words.capitalize()}." for n, step in enumerate(steps, 1)),
    }
    body = "\n".join(
        [*(f"    x = {step.code}" for step in steps[:-1]), f"    return {steps[-1].code}"]
    )
    signature = f"def solve({kind}):"
    tests = []
    for _ in range(TESTS):
        given = _given(draws, numbers)
        value: Any = given
        for step in steps:
            value = step.does(value)
        tests.append(f"assert solve({given!r}) == {value!r}")
    return Instance(
        id="made-" + digest([told[""]], length=12),
        fields={
            **{f"question{style}": words for style, words in told.items()},
            **{f"prompt{style}": _prompt(signature, words) for style, words in told.items()},
            "signature": signature,
            "example": tests[0],
            "entry_point": "solve",
            "setup": "",
            "helpers": "",
            "tests": "\n".join(tests) + "\n",
        },
        references=(f"{signature}\n    x = {kind}\n{body}\n",),
    )


def _prompt(signature: str, words: str) -> str:
    lines = words.replace("\n", "\n    ")
    return f'{signature}\n    """{lines}"""\n'


def _given(draws: Draws, numbers: bool) -> list[int] | str:
    if numbers:
        return [draws.between(-6, 12) for _ in range(draws.between(0, 7))]
    return " ".join(draws.pick(WORDS) for _ in range(draws.between(1, 5)))
