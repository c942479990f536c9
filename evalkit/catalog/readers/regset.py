"""RegSet: a regular expression is the instruction, a string the instance; ``{"context":
"EXPRESSION STRING", "answer": "True"}``.

The expression is the factor ``rule``, so that a run says which share of expressions is solved. What
the paper finds hard stands beside it: how deeply operators are nested (``depth``), how many strings
of fewer than 15 letters match (``language``), and whether no star is needed (``starfree``, where
``is_starfree.json`` lies above the file).

References
----------
M. Finlayson, K. Richardson, A. Sabharwal, P. Clark, What Makes Instruction Learning Hard?, 2022
(arXiv 2204.09148); layout and properties of allenai/RegSet. The automaton here is our own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.readers.rows import derived_id, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["depth", "language_size", "matched", "parse", "read"]

LONGEST = 15
"""Strings shorter than this are counted."""
_SIZES = (10, 100, 1000)
_ANSWERS = {"True": "yes", "False": "no", "true": "yes", "false": "no"}
Node: TypeAlias = tuple[Any, ...]
"""``("a",)``, ``("*", node)``, ``("|", nodes)`` or ``(".", nodes)``."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of one split, with fields ``question``, ``pattern`` and ``string``.

    ``source.options`` may hold ``rules`` and ``samples``: that many expressions, drawn by ``seed``,
    and at most that many strings of each; all without.

    Raises
    ------
    CatalogError
        When a line has not the two parts, its expression cannot be read, or its answer is wrong.
    """
    options = task.source.options
    for name in ("rules", "samples"):
        if name in options and (type(options[name]) is not int or options[name] < 1):
            raise CatalogError(
                f"{task.id}: source.options.{name} is {options[name]!r}; a whole number from 1 is "
                "accepted. Correct it."
            )
    by_rule: dict[str, list[Instance]] = {}
    for path in locate(task, data_dir, split).paths:
        free = _starfree(path)
        for line, row in table_rows(path):
            instance = _instance(row, f"{path}:{line}", free, name=(split, line))
            by_rule.setdefault(instance.fields["pattern"], []).append(instance)
    kept = list(by_rule)
    if "rules" in options:
        draws = random.Random(f"evalkit/regset/{options.get('seed', 0)}")
        kept = sorted(draws.sample(kept, min(options["rules"], len(kept))))
    return [one for rule in kept for one in _some(by_rule[rule], options.get("samples"))]


def _some(instances: list[Instance], most: int | None) -> list[Instance]:
    """Return at most so many instances of a rule, spread over the file's order,
    which has answers in blocks.
    """
    if most is None or len(instances) <= most:
        return instances
    return [instances[place * len(instances) // most] for place in range(most)]


def _starfree(path: Path) -> Mapping[str, Any]:
    for folder in path.parents[1:4]:
        if (folder / "is_starfree.json").is_file():
            found = load_json(folder / "is_starfree.json")
            return found if isinstance(found, dict) else {}
    return {}


def _instance(
    row: Mapping[str, Any], where: str, free: Mapping[str, Any], *, name: tuple[str, int]
) -> Instance:
    context, answer = row.get("context"), str(row.get("answer"))
    parts = context.split(" ") if isinstance(context, str) else []
    if len(parts) != 2 or answer not in _ANSWERS:
        raise CatalogError(
            f"{where}: an expression, a blank and a string under 'context', and True or False "
            f"under 'answer' are expected; got {str(context)[:60]!r} and {answer[:20]!r}."
        )
    pattern, string = parts
    if matched(pattern, string, where) != (_ANSWERS[answer] == "yes"):
        raise CatalogError(f"{where}: {string!r} and {pattern!r} do not give {answer}. Correct it.")
    factors = {"rule": pattern, "depth": str(depth(parse(pattern, where)))}
    factors["language"] = _bin(language_size(pattern))
    if pattern in free:
        factors["starfree"] = "yes" if free[pattern] else "no"
    shown = f"Pattern: {pattern}\nString: {string}"
    return Instance(
        id=derived_id(*name, pattern, string),
        fields={"question": shown, "pattern": pattern, "string": string},
        choices=("yes", "no"),
        target=("yes", "no").index(_ANSWERS[answer]),
        references=(_ANSWERS[answer],),
        factors=factors,
        where=where,
    )


def _bin(size: int) -> str:
    return next((f"up to {most}" for most in _SIZES if size <= most), f"over {_SIZES[-1]}")


@lru_cache(maxsize=4096)
def parse(pattern: str, where: str = "") -> Node:
    """Return an expression of letters, ``|``, ``*`` and brackets as a tree.

    >>> parse("a(b|ab)*")
    ('.', (('a',), ('*', ('|', (('b',), ('.', (('a',), ('b',))))))))
    """
    tree, at = _choice(pattern, 0, 0)
    if tree is None or at != len(pattern):
        raise CatalogError(
            f"{where}: {pattern[:60]!r} is no expression of letters, |, * and brackets."
        )
    return tree


def _choice(text: str, at: int, level: int) -> tuple[Node | None, int]:
    parts = []
    while True:
        part, at = _sequence(text, at, level)
        if part is None:
            return None, at
        parts.append(part)
        if text[at : at + 1] != "|":
            return (parts[0] if len(parts) == 1 else ("|", tuple(parts))), at
        at += 1


def _sequence(text: str, at: int, level: int) -> tuple[Node | None, int]:
    parts: list[Node] = []
    while at < len(text) and text[at] not in "|)" and level < 50:
        if text[at] == "(":
            inner, at = _choice(text, at + 1, level + 1)
            if inner is None or text[at : at + 1] != ")":
                return None, at
            part = inner
        elif text[at].isascii() and text[at].isalpha():
            part = (text[at],)
        else:
            return None, at
        at += 1
        while text[at : at + 1] == "*":
            part, at = ("*", part), at + 1
        parts.append(part)
    if not parts:
        return None, at
    return (parts[0] if len(parts) == 1 else (".", tuple(parts))), at


def depth(tree: Node) -> int:
    """Return how deeply operators are nested: 0 for a letter."""
    if len(tree) == 1:
        return 0
    inner = [tree[1]] if tree[0] == "*" else tree[1]
    return 1 + max(depth(part) for part in inner)


Word: TypeAlias = tuple[Node, ...]
"""What must still follow, in order: a state of the automaton."""


def _steps(rest: Word, letter: str) -> Iterator[Word]:
    """Yield what must follow once a letter was read."""
    if not rest:
        return
    first, others = rest[0], rest[1:]
    if len(first) == 1:
        if first[0] == letter:
            yield others
    elif first[0] == "|":
        for part in first[1]:
            yield from _steps((part, *others), letter)
    elif first[0] == ".":
        yield from _steps((*first[1], *others), letter)
    else:
        for after in _steps((first[1],), letter):  # a round that reads nothing goes nowhere
            yield (*after, *rest)
        yield from _steps(others, letter)


def _ends(rest: Word) -> bool:
    """Whether nothing more must follow."""
    return all(_empty(part) for part in rest)


def _empty(node: Node) -> bool:
    if len(node) == 1:
        return False
    if node[0] == "*":
        return True
    return (any if node[0] == "|" else all)(_empty(part) for part in node[1])


State: TypeAlias = frozenset[Word]


def _next(state: State, letter: str) -> State:
    return frozenset(after for rest in state for after in _steps(rest, letter))


def matched(pattern: str, string: str, where: str = "") -> bool:
    """Return whether the whole string is in the language.

    >>> matched("a(b|ab)*", "abab"), matched("a(b|ab)*", "aa")
    (True, False)
    """
    state: State = frozenset({(parse(pattern, where),)})
    for letter in string:
        state = _moved(state, letter)
    return any(_ends(rest) for rest in state)


@lru_cache(maxsize=200_000)
def _moved(state: State, letter: str) -> State:
    return _next(state, letter)


@lru_cache(maxsize=4096)
def language_size(pattern: str, *, letters: str = "ab") -> int:
    """Return how many strings of fewer than `LONGEST` of the letters match.

    >>> language_size("ab"), language_size("a*"), language_size("(a|b)*")
    (1, 15, 32767)
    """
    counts: dict[State, int] = {frozenset({(parse(pattern),)}): 1}
    total = 0
    for _ in range(LONGEST):
        total += sum(n for state, n in counts.items() if any(map(_ends, state)))
        after: dict[State, int] = {}
        for state, n in counts.items():
            for letter in letters:
                reached = _moved(state, letter)
                if reached:
                    after[reached] = after.get(reached, 0) + n
        counts = after
    return total
