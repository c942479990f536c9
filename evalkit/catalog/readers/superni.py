"""Super-NaturalInstructions task files as published (allenai/natural-instructions), current and old
schema.

The standard evaluation takes the first 100 instances of a test task
(yizhongw/Tk-Instruct:src/ni_dataset.py); so does this reader, unless ``source.options.limit`` says
otherwise. The split ``positive_examples`` gives the file's worked instances, to be used as shots.
The published definition is a phrasing of source ``niv2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.readers.rows import derived_id
from evalkit.errors import CatalogError
from evalkit.phrasings.templates import literal
from evalkit.records import Instance, Meaning, Phrasing, Task

__all__ = ["SHOTS", "definition", "read"]

LIMIT = 100
SHOTS = "positive_examples"


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the first 100 instances of a SuperNI task,
    or its worked instances for split ``positive_examples``.
    """
    path, content = _load(task, data_dir)
    key = "Positive Examples" if split == SHOTS else "Instances"
    rows = content.get(key)
    if not isinstance(rows, list):
        raise CatalogError(
            f"{path}:1: holds no list {key!r}; a SuperNI task file is expected. Get it again."
        )
    limit = int(task.source.options.get("limit", LIMIT))
    return [
        _instance(path, row, position=position, split=split)
        for position, row in enumerate(rows[:limit])
    ]


def _load(task: Task, data_dir: Path | None) -> tuple[Path, Mapping[str, Any]]:
    path = locate(task, data_dir, task.split).paths[0]
    content = load_json(path)
    if not isinstance(content, dict):
        raise CatalogError(
            f"{path}:1: holds {type(content).__name__}; a SuperNI task file (an object) "
            "is expected. Get it again."
        )
    return path, content


def _instance(path: Path, row: Any, *, position: int, split: str) -> Instance:
    """Return one instance; `output` is a text in old files and a list of up to 25 references in
    new ones.
    """
    where = f"{path}:1: {split} {position + 1}"
    if not isinstance(row, dict) or not isinstance(row.get("input"), str):
        raise CatalogError(
            f"{where} has no text 'input'; an object with input and output is expected."
        )
    output = row.get("output")
    references = [output] if isinstance(output, str) else output
    if not isinstance(references, list) or not all(isinstance(item, str) for item in references):
        raise CatalogError(f"{where} has output {output!r}; a text or a list of texts is expected.")
    name = row.get("id")
    return Instance(
        id=name
        if isinstance(name, str) and name
        else derived_id(split, position, row["input"], *references),
        fields={"question": row["input"], "input": row["input"]},
        references=tuple(item for item in references if item.strip()),
        where=where,
        flaw=""
        if any(item.strip() for item in references)
        else f"has output {output!r}; a text or a list of texts is expected.",
    )


def definition(task: Task, data_dir: Path | None) -> Phrasing:
    """Return the published definition of a task as a phrasing.

    Raises
    ------
    DataMissingError
        When the task file is not on this machine.
    CatalogError
        When it has no definition.
    """
    path, content = _load(task, data_dir)
    found = content.get("Definition")
    text = (
        "\n".join(found)
        if isinstance(found, list) and all(isinstance(item, str) for item in found)
        else found
    )
    if not isinstance(text, str) or not text.strip():
        raise CatalogError(
            f"{path}:1: has no 'Definition'; a text or a list of texts is expected. Get it again."
        )
    return Phrasing(
        id=f"niv2-{task.name}",
        text=literal(text.strip()),
        source="niv2",
        author="contributors of Super-NaturalInstructions",
        licence="Apache-2.0",
        layout="none",
        label_space="text",
        cue="Output:",
        meaning=Meaning(status="checked", by="published with the task"),
        tasks=(task.id,),
    )
