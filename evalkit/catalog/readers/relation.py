"""Relation between two marked entities: files as TACRED writes them, or sentences made here.

A file is a JSON list of objects with ``token``, ``subj_start``, ``subj_end``, ``obj_start``,
``obj_end`` (last tokens included), ``subj_type``, ``obj_type`` and ``relation``. TACREV and
Re-TACRED have the same layout; a file that holds a relation which only Re-TACRED has is read with
its forty. The choices of an instance are the relations that can hold between
entities of its types and "no relation"; the statement of each stands in the field ``statements``.

References
----------
Zhang and others, EMNLP 2017 (the layout). K. Zhang and others, "Aligning Instruction Tasks Unlocks
Large Language Models as Zero-Shot Relation Extractors", 2023 (arXiv 2305.11159): relations as
statements with the entities filled in, kept to those their types allow. There an instance whose
relation its types do not allow counts as wrong (fewer than 0.3 %), here it is left out by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.procedural.relations import (
    NO_RELATION,
    RELATIONS,
    RETACRED,
    Made,
    Relation,
    made,
)
from evalkit.catalog.readers.derived import checked_options, distinct
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

_SPANS = ("subj_start", "subj_end", "obj_start", "obj_end")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "``": '"', "''": '"'}
Listed = tuple[str, int, Mapping[str, Any]]
"""Place, number and object of a file."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return sentences with two entities and the relations that may hold between them.

    Parameters
    ----------
    task
        With ``source.local`` a file is read, else ``source.options.instances`` sentences are made
        from ``seed``. ``typed: false`` offers every relation, whatever the types;
        ``relations`` is a table in place of TACRED's: name -> ``{statement, types}``.
    data_dir
        Where the file lies.
    split
        Filled into the name of the file; made sentences of a split are in no other.

    Raises
    ------
    CatalogError
        When an option or a row of the file is wrong.
    """
    options = checked_options(
        task,
        {"instances": 100, "seed": 0, "typed": True, "relations": {}, "also": [], "splits": {}},
    )
    listed = _listed(task, data_dir, split) if task.source.local else []
    table = _table(task, options["relations"], listed)
    rows = (
        [
            (str(row.get("id", f"{split}-{number:06d}")), where, _row(where, row, table))
            for where, number, row in listed
        ]
        if task.source.local
        else _made(task, split, options["instances"], options["seed"])
    )
    return [_instance(*row, table=table, typed=options["typed"]) for row in rows]


def _table(task: Task, given: Mapping[str, Any], listed: list[Listed]) -> Mapping[str, Relation]:
    """Return the table of relations:
    a task's own, that of Re-TACRED where a row needs it, or that of TACRED.
    """
    if not given:
        named = {str(row.get("relation")) for _, _, row in listed}
        return RETACRED if named & (RETACRED.keys() - RELATIONS.keys()) else RELATIONS
    found = {}
    for name, row in given.items():
        types = row.get("types") if isinstance(row, dict) else None
        statement = row.get("statement") if isinstance(row, dict) else None
        if not isinstance(statement, str) or not isinstance(types, list):
            raise CatalogError(
                f"task {task.id!r}: source option 'relations' holds {name!r}: {row!r}; a mapping "
                "with a text 'statement' and a list 'types', such as PERSON:CITY, is accepted."
            )
        if "{subject}" not in statement or "{object}" not in statement:
            raise CatalogError(
                f"task {task.id!r}: the statement of {name!r} is {statement!r}; it needs the slots "
                "{subject} and {object}."
            )
        found[name] = Relation(statement=statement, types=frozenset(map(str, types)))
    return {**found, NO_RELATION: found.get(NO_RELATION, RELATIONS[NO_RELATION])}


def _made(task: Task, split: str, size: int, seed: int) -> list[tuple[str, str, Made]]:
    scored = split == task.split
    draws = Draws(f"evalkit/relations/{seed}")
    drawn = distinct(task, size, lambda: made(draws), lambda one: one.tokens, more=50)
    chosen = drawn[:size] if scored else drawn[size:]
    name = "relation" if scored else "shot"
    return [(f"{name}-{number:04d}", "", one) for number, one in enumerate(chosen, 1)]


def _listed(task: Task, data_dir: Path | None, split: str) -> list[Listed]:
    """Return the objects of the files of a task with their places."""
    found: list[Listed] = []
    for path in locate(task, data_dir, split).paths:
        rows = load_json(path)
        if not isinstance(rows, list):
            raise CatalogError(f"{path}:1: holds no list; TACRED's list of objects is expected.")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise CatalogError(
                    f"{path}:{number}: holds {type(row).__name__}; an object is expected."
                )
            found.append((f"{path}:{number}", number, row))
    return found


def _row(where: str, row: Mapping[str, Any], table: Mapping[str, Relation]) -> Made:
    """Return one object of a file, checked."""
    tokens = row.get("token")
    if not isinstance(tokens, list) or not all(isinstance(one, str) for one in tokens):
        raise CatalogError(f"{where}: 'token' is no list of texts. Get the file again.")
    spans: list[Any] = [row.get(name) for name in _SPANS]
    inside = all(type(at) is int and 0 <= at < len(tokens) for at in spans)
    if not inside or spans[0] > spans[1] or spans[2] > spans[3]:
        said = ", ".join(f"{name} {at!r}" for name, at in zip(_SPANS, spans, strict=True))
        raise CatalogError(
            f"{where}: {said} are no spans of {len(tokens)} tokens. Get the file again."
        )
    types = (row.get("subj_type"), row.get("obj_type"))
    if not all(isinstance(one, str) and one for one in types):
        raise CatalogError(f"{where}: has no 'subj_type' or no 'obj_type'. Get the file again.")
    relation = row.get("relation")
    if relation not in table:
        raise CatalogError(
            f"{where}: relation {relation!r} is not in the table ({len(table)} relations). "
            "Add it under source.options.relations."
        )
    return Made(
        tokens=tuple(_BRACKETS.get(one, one) for one in map(str, tokens)),
        subject=(spans[0], spans[1]),
        object=(spans[2], spans[3]),
        types=(str(types[0]), str(types[1])),
        relation=str(relation),
    )


def _instance(
    name: str, where: str, one: Made, *, table: Mapping[str, Relation], typed: bool
) -> Instance:
    pair = ":".join(one.types)
    choices = [
        relation
        for relation, entry in table.items()
        if relation != NO_RELATION and (pair in entry.types or not typed)
    ]
    choices.append(NO_RELATION)
    names = [joined(one.tokens[span[0] : span[1] + 1]) for span in (one.subject, one.object)]
    said = [
        table[relation].statement.replace("{subject}", names[0]).replace("{object}", names[1])
        for relation in choices
    ]
    there = one.relation in choices
    question = f"Sentence: {joined(one.tokens)}\nSubject: {names[0]}\nObject: {names[1]}"
    return Instance(
        id=name,
        fields={
            "question": question,
            "subject": names[0],
            "object": names[1],
            "statements": json.dumps(said, ensure_ascii=False),
            "relations": json.dumps(choices),
        },
        choices=tuple(choices),
        target=choices.index(one.relation) if there else None,
        references=(one.relation,),
        flaw="" if there else f"has relation {one.relation}, which the types {pair} do not allow.",
        where=where,
    )


def joined(tokens: tuple[str, ...]) -> str:
    """Return tokens as text, marks closed up.

    >>> joined(("Born", "in", "Graz", ",", "Mirel", "(", "31", ")", "sings", "."))
    'Born in Graz, Mirel (31) sings.'
    """
    text = " ".join(tokens)
    text = re.sub(r" (?=[,.;:!?)\]]|'s\b|n't\b)", "", text)
    return re.sub(r"(?<=[(\[]) ", "", text)
