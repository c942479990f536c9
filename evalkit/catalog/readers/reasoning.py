"""Instances of another task asked for the answer alone, with room to reason,
and behind worked reasoning.

``reasoning: none`` asks for the answer at once, ``cue`` to think first, ``demos`` puts a file of
worked questions with their reasoning before it, as BIG-Bench Hard publishes one for each subtask,
and asks in that file's own form. All three end with "the answer is", which is read from the text.

References
----------
J. Wei and others, "Chain-of-Thought Prompting", 2022. T. Kojima and others, "Large Language Models
are Zero-Shot Reasoners", 2022 (the cue). M. Suzgun and others, arXiv 2210.09261 (the files).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evalkit.catalog.files import data_directory
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.paths import inside
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import base_instances, checked_options, chosen
from evalkit.errors import CatalogError, DataMissingError
from evalkit.records import Instance, Task

__all__ = ["KINDS", "demonstrated", "read"]

KINDS = ("none", "cue", "demos")
_ALONE = (
    'Do not explain. Write only "The answer is", followed by the answer.',
    'Give no reasons; one line, beginning with "The answer is".',
)
_CUE = (
    'Let\'s think step by step. After that, close with a line that begins with "The answer is".',
    'Work it out step by step first, then say "The answer is" and the answer.',
)
_RULE = "-----"


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a task under every kind of reasoning.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``of`` (ids of tasks), and may hold ``kinds``, ``prompts``
        (folder of files of worked reasoning below the data directory, one named like each base),
        ``instances`` (origins) and ``seed``.
    data_dir, split
        As for the base.

    Raises
    ------
    CatalogError, DataMissingError
        When an option is wrong, or a file of worked reasoning is not there or holds none.
    """
    defaults = {
        "of": None,
        "kinds": list(KINDS),
        "prompts": "bbh/cot-prompts",
        "instances": 100,
        "seed": 0,
    }
    options = checked_options(task, defaults)
    kinds = sorted(chosen(task, "kinds", options["kinds"], KINDS), key=KINDS.index)
    found: list[Instance] = []
    texts: dict[str, str] = {}
    for base, one in base_instances(task, data_dir, split)[: options["instances"]]:
        if "demos" in kinds and base.id not in texts:
            texts[base.id] = demonstrated(base, options["prompts"], data_dir)
        draws = Draws(f"evalkit/reasoning/{options['seed']}/{one.id}")
        found += _under(one, kinds, texts.get(base.id, ""), draws)
    return found


def demonstrated(base: Task, folder: str, data_dir: Path | None) -> str:
    """Return the worked questions that stand in the file of a task,
    without the notice above its rule.

    Raises
    ------
    DataMissingError, CatalogError
        When the file is not there, or holds nothing.
    """
    root = data_directory(data_dir)
    path = inside(root, f"{folder}/{base.name}.txt", where=f"data directory {root}")
    if not path.is_file():
        raise DataMissingError(
            f"{base.id}: worked reasoning is not on this machine; looked for {path}. "
            "Get it from the benchmark's repository, or leave 'demos' out of 'kinds'."
        )
    text = read_utf8(path)
    _, rule, behind = text.partition(f"\n{_RULE}\n")
    worked = (behind if rule else text).strip()
    if not worked:
        raise CatalogError(f"{path}:1: holds no worked question. Get the file again.")
    return worked


def _under(one: Instance, kinds: list[str], worked: str, draws: Draws) -> Iterator[Instance]:
    """Yield an instance under every kind of reasoning."""
    shown = one.fields.get("input", one.fields["question"])
    asked = {
        "none": f"{shown}\n{draws.pick(_ALONE)}",
        "cue": f"{shown}\n{draws.pick(_CUE)}",
        "demos": f"{worked}\n\nQ: {shown}\nA: Let's think step by step.",
    }
    for kind in kinds:
        yield replace(
            one,
            id=f"{one.id}.{kind}",
            of=one.id,
            fields={"question": asked[kind], "input": asked[kind]},
            factors={"reasoning": kind},
            references=(one.choices[one.target],) if one.target is not None else one.references,
            target=None,
        )
