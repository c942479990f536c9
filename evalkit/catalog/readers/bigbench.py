"""BIG-bench ``task.json`` as published (google/BIG-bench).

Choices with scores, or free text with several references.

A folder whose ``task.json`` has no examples is a task of subtasks; all of them are read, in the
order of their names. The canary never becomes part of an instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.paths import inside
from evalkit.catalog.readers.rows import cell_text, derived_id
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a BIG-bench task; upstream has one split, whatever `split` says.

    Parameters
    ----------
    task
        ``source.options.limit`` takes only the first instances, as PromptBench does.
    data_dir
        Data directory.
    split
        Enters the ids only.
    """
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        for file, content, position, example in _examples(path):
            where = f"{file}:1: example {position}"
            instances.append(
                _instance(task, content, example, where=where, name=(split, len(instances)))
            )
    limit = task.source.options.get("limit")
    return instances if limit is None else instances[: int(limit)]


def _examples(path: Path) -> Iterator[tuple[Path, Mapping[str, Any], int, Mapping[str, Any]]]:
    """Yield ``(file, its content, position, example)`` of a task file,
    or of the files of its subtasks.
    """
    content = load_json(path)
    if not isinstance(content, dict):
        raise CatalogError(
            f"{path}:1: holds {type(content).__name__}; BIG-bench's task.json (an object with "
            "'examples') is expected."
        )
    examples = content.get("examples")
    if examples is None:
        parts = [
            inside(path.parent, f"{part.parent.name}/{part.name}", where=str(path))
            for part in sorted(path.parent.glob("*/task.json"))
        ]
        if not parts:
            raise CatalogError(
                f"{path}:1: has no 'examples', and no subtask lies beside it. "
                "Get the whole folder of the task."
            )
        for part in parts:
            yield from _examples(part)
        return
    if not isinstance(examples, list):
        raise CatalogError(f"{path}:1: 'examples' is no list. Get the file again.")
    for position, example in enumerate(examples, 1):
        if not isinstance(example, dict) or "input" not in example:
            raise CatalogError(
                f"{path}:1: example {position} has no 'input'; an object with input and target or "
                "target_scores is expected."
            )
        yield path, content, position, example


def _instance(
    task: Task,
    content: Mapping[str, Any],
    example: Mapping[str, Any],
    *,
    where: str,
    name: tuple[str, int],
) -> Instance:
    text = cell_text(example["input"], f"{where}: 'input'")
    scores = example.get("target_scores")
    if isinstance(scores, dict) and scores:
        return _choice(content, text, scores, where=where, name=name)
    target = example.get("target")
    references = tuple(
        cell_text(item, f"{where}: 'target'")
        for item in (target if isinstance(target, list) else [target])
        if item is not None
    )
    wanted = "'target_scores', which a choice task needs" if task.kind == "choice" else "'target'"
    return Instance(
        id=derived_id(*name, text, *references),
        fields={"question": text.strip(), "input": text},
        references=references,
        where=where,
        flaw=f"has no {wanted}." if not references or task.kind == "choice" else "",
    )


def _choice(
    content: Mapping[str, Any],
    text: str,
    scores: Mapping[str, Any],
    *,
    where: str,
    name: tuple[str, int],
) -> Instance:
    """Return an instance with choices; those of the highest score are correct (several may be)."""
    if not all(isinstance(value, int | float) for value in scores.values()):
        raise CatalogError(f"{where} has target_scores {dict(scores)!r}; numbers are expected.")
    choices = tuple(scores)
    best = max(scores.values())
    right = [index for index, choice in enumerate(choices) if scores[choice] == best]
    unranked = best <= 0 or len(right) == len(choices)
    shown = text
    if content.get("append_choices_to_input", True):
        shown += "".join(
            f"{content.get('choice_prefix', chr(10) + '  choice: ')}{choice}" for choice in choices
        )
    return Instance(
        id=derived_id(*name, text, *choices),
        fields={"question": text.strip(), "input": shown},
        choices=choices,
        target=right[0] if len(right) == 1 else None,
        references=tuple(choices[index] for index in right),
        where=where,
        flaw=f"has target_scores {dict(scores)!r}; one choice must score more than another."
        if unranked
        else "",
    )
