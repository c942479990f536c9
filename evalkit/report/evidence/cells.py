"""The cells of one task as the explorer shows them:
scores, states and answers of all, prompts of some.
"""

from __future__ import annotations

from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Job
from evalkit.report.evidence.flips import Answers, shown_target
from evalkit.report.evidence.views import TaskCells
from evalkit.scoring import Block

__all__ = ["PROMPTS", "cells_of"]

PROMPTS = 3000
"""Cells of a whole run whose prompt and raw answer stand in the page; all others show those of an
instance that has them."""


def cells_of(block: Block, job: Job, answers: Answers, *, prompts: int) -> TaskCells:
    """Return the cells of a task.

    Parameters
    ----------
    block, job
        Its cells, and what was stored of it.
    answers
        Stored responses by request key.
    prompts
        About how many cells get their prompt; every phrasing gets at least one, 0 for none.
    """
    instances = {one.id: one for one in job.instances}
    known = [instances.get(name) for name in block.instance_ids]
    return TaskCells(
        phrasing_ids=block.phrasing_ids,
        instance_ids=block.instance_ids,
        questions=tuple("" if one is None else _question(one) for one in known),
        targets=tuple("" if one is None else shown_target(one) for one in known),
        values=block.values,
        state=block.state,
        labels=block.labels,
        label_names=block.label_names,
        prompts=_prompts(block, job, answers, prompts) if prompts else {},
    )


def _question(instance: Instance) -> str:
    """The main text of an instance, or all its fields, each with its name."""
    if question := instance.fields.get("question"):
        return question
    return "\n".join(f"{name}: {text}" for name, text in sorted(instance.fields.items()) if text)


def _prompts(
    block: Block, job: Job, answers: Answers, wanted: int
) -> dict[tuple[int, int], tuple[str, str]]:
    """Prompts of the first instances under every phrasing."""
    rows = {phrasing.id: row for row, phrasing in enumerate(job.phrasings)}
    places = {one.id: place for place, one in enumerate(job.instances)}
    each = max(1, wanted // max(1, len(block.phrasing_ids)))
    cells = [
        (p, n, rows[name], places[instance])
        for p, name in enumerate(block.phrasing_ids)
        if name in rows
        for n, instance in enumerate(block.instance_ids[:each])
        if instance in places
    ]
    keys = {(p, n): job.blocks[row].key(place) for p, n, row, place in cells}
    found = answers(list(dict.fromkeys(keys.values())))
    shown = {}
    for p, n, row, place in cells:
        response = found.get(keys[p, n])
        sent = response.sent if response is not None else ""
        raw = (response.text or "") if response is not None else ""
        if text := sent or _rendered(job, row, place):
            shown[p, n] = (text, raw)
    return shown


def _rendered(job: Job, row: int, place: int) -> str:
    """The prompt made again; empty where this evalkit would refuse to make it."""
    phrasing = job.phrasings[row]
    order, names = job.arrangement(phrasing, place)
    try:
        prompt = render_prompt(
            job.task, phrasing, job.instances[place], shots=job.shots, order=order, names=names
        )
    except CatalogError:
        return ""
    return f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
