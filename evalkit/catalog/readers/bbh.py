"""BIG-Bench Hard as published (suzgunmirac/BIG-Bench-Hard): JSON with ``canary`` and ``examples.

[{input, target}]``.

Three kinds of task come out of it. Options listed in the input (``(A) x`` or ``- Yes``) become
choices; a task with ``labels`` uses these; any other is free text. Field ``question`` is the input
without its list of options, ``input`` is upstream's text to the letter. The canary never becomes
part of an instance.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate, need
from evalkit.catalog.readers.rows import derived_id, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["parse_options", "read"]

_LETTERED = re.compile(r"\(([A-Z])\)[ \t]*")
_LIST = re.compile(r"\n?[ \t]*Options:[ \t]*\n")


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of one BBH subtask; upstream has one split, whatever `split` says."""
    found = locate(task, data_dir, split)
    instances: list[Instance] = []
    for path in found.paths:
        for line, row in _examples(path):
            text, target = row.get("input"), row.get("target")
            need(
                isinstance(text, str) and isinstance(target, str),
                path,
                line,
                "input and target are expected, both texts.",
            )
            name = derived_id(split, len(instances), str(text), str(target))
            where = f"{path}:1: example {line}"
            instances.append(_instance(task, str(text), str(target), name=name, where=where))
    return instances


def _examples(path: Path) -> list[tuple[int, Any]]:
    """Return ``(position, example)`` pairs of upstream's JSON or a hub table."""
    if path.suffix != ".json":
        return list(table_rows(path))
    value = load_json(path)
    examples = value.get("examples") if isinstance(value, dict) else None
    if not isinstance(examples, list):
        raise CatalogError(
            f"{path}:1: holds no 'examples' list; BBH's {{canary, examples: [{{input, "
            f"target}}]}} is expected."
        )
    for position, example in enumerate(examples, 1):
        need(
            isinstance(example, dict),
            path,
            1,
            f"example {position} is no object with input and target.",
        )
    return list(enumerate(examples, 1))


def _instance(task: Task, text: str, target: str, *, name: str, where: str) -> Instance:
    """Return one example; one that lists no two options or whose target is none of them has a
    flaw.
    """
    question, options, choices = parse_options(text)
    if task.kind == "generate":
        return Instance(
            id=name,
            fields={"question": text, "input": text},
            references=(target,),
            where=where,
        )
    if task.labels:
        question, options, choices = (question if choices else text), (), task.labels
    index = _target(target, options, choices)
    flaw = ""
    if len(choices) < 2:
        flaw = (
            f"lists {len(choices)} option{'' if len(choices) == 1 else 's'}; "
            "two or more are expected of a choice task."
        )
    elif index is None:
        flaw = f"has target {target!r}; accepted: {', '.join(options or choices)}."
    return Instance(
        id=name,
        fields={"question": question, "input": text},
        choices=choices,
        target=index,
        references=(choices[index] if index is not None else target,),
        options=options,
        where=where,
        flaw=flaw,
    )


def parse_options(text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    r"""Return the question, the labels and the choices of an input; no choices when it lists none.

    Examples
    --------
    >>> parse_options("Is it?\nOptions:\n- Yes\n- No")
    ('Is it?', (), ('Yes', 'No'))
    >>> parse_options("Pick.\nOptions:\n(A) red (dark)\n(B) blue")
    ('Pick.', ('A', 'B'), ('red (dark)', 'blue'))
    """
    matches = list(_LIST.finditer(text))
    if not matches:
        return text, (), ()
    last = matches[-1]
    question, block = text[: last.start()].rstrip(), text[last.end() :].strip("\n")
    lines = block.split("\n")
    if all(line.lstrip().startswith("- ") for line in lines):
        return question, (), tuple(line.strip()[2:].strip() for line in lines)
    labels, choices = _lettered(block)
    return (question, labels, choices) if choices else (text, (), ())


def _lettered(block: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split ``(A) x`` choices, one a line; all in one line where a file has them so.

    A letter counts only in its turn, so brackets inside a choice stay content.
    """
    for before in ("\n", " \n"):
        starts: list[tuple[int, int]] = []
        for match in _LETTERED.finditer(block):
            if match[1] == chr(ord("A") + len(starts)) and (
                match.start() == 0 or block[match.start() - 1] in before
            ):
                starts.append((match.start(), match.end()))
        if len(starts) >= 2 and starts[0][0] == 0:
            ends = [start for start, _ in starts[1:]] + [len(block)]
            labels = tuple(chr(ord("A") + index) for index in range(len(starts)))
            return labels, tuple(
                block[begin:end].strip() for (_, begin), end in zip(starts, ends, strict=True)
            )
    only = _LETTERED.match(block)
    if only and only[1] == "A":
        return ("A",), (block[only.end() :].strip(),)
    return (), ()


def _target(target: str, options: tuple[str, ...], choices: tuple[str, ...]) -> int | None:
    """Return the index a target names.

    ``(A)``, ``A``, or the text of a choice, blanks and case aside; None for none.
    """
    letter = re.match(r"\(?([A-Z])\)?\Z", target.strip())
    if letter and letter[1] in options:
        return options.index(letter[1])
    folded = [" ".join(choice.split()).casefold() for choice in choices]
    wanted = " ".join(target.split()).casefold()
    return folded.index(wanted) if folded.count(wanted) == 1 else None
