"""Instances relabelled with what the model itself answers, for training on its own answers.

``own-correct``: where the model's answer is right it takes the place of the reference, else the
reference stays (Gupta and others, "Selective Self-to-Supervised Fine-Tuning", arXiv 2502.08130).
An answer that is chosen from a list has one right form, so this changes tasks that generate only.
``pseudo-labels``: the answer that most references (phrasings that paraphrases are paired with) get;
no right answer is looked at, and instances the model gives no usable answer to are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from evalkit.backends.base import Backend
from evalkit.errors import UsageError
from evalkit.phrasings.prompts import render_prompt, request_of
from evalkit.records import Ask, Instance, Prompt, Response, Task
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.metric import Answered
from evalkit.tuning.pairs import Material, couples

__all__ = ["RELABELLING", "relabelled"]

RELABELLING = ("own-correct", "pseudo-labels")
"""Objectives that train on the model's own answers."""
FEWEST = 4
"""Instances that must be left of a task, for training and validation."""


def relabelled(
    backend: Backend, materials: Sequence[Material], objective: str
) -> tuple[list[Material], dict[str, int]]:
    """Return materials with answers of the model, and how many instances of each task bear one.

    Parameters
    ----------
    backend
        The plain model.
    materials
        Tasks, phrasings, instances.
    objective
        One of `RELABELLING`; materials of any other come back as they are.

    Raises
    ------
    UsageError
        When too few instances are left.
    """
    if objective not in RELABELLING:
        return list(materials), {}
    found, counts = [], {}
    for material in materials:
        answers = _answers(backend, material)
        own = {
            name: one
            for name, given in answers.items()
            if (one := _own(material, given, objective)) is not None
        }
        changed = replace(
            material,
            instances=_changed(material.instances, own, objective),
            held=material.held
            if objective == "own-correct"
            else _changed(material.held, own, objective),
        )
        if min(len(changed.instances), FEWEST * len(changed.held)) < FEWEST:
            raise UsageError(
                f"--objective {objective}: of {material.task.id} the model answers "
                f"{len(own)} of {len(answers)} instances usably; {FEWEST} are needed. "
                "Leave the task out, or give more --instances."
            )
        found.append(changed)
        counts[material.task.id] = len(own)
    return found, counts


Given = list[tuple[Instance, Prompt, Response]]


def _answers(backend: Backend, material: Material) -> dict[str, Given]:
    """Return instance id -> what the model answers under every reference."""
    references = list({one.id: one for one, _ in couples(material, validation=False)}.values())
    asked: dict[str, Given] = {}
    prompts = [
        (instance, render_prompt(material.task, phrasing, instance))
        for instance in (*material.instances, *material.held)
        for phrasing in references
    ]
    requests = {request.key: request for _, p in prompts if (request := request_of(p))}
    responses = {
        response.key: response
        for batch in backend.run([Ask(request) for request in requests.values()])
        for response in batch
    }
    for instance, prompt in prompts:
        response = responses[request_of(prompt).key]
        asked.setdefault(instance.id, []).append((instance, prompt, response))
    return asked


def _own(material: Material, given: Given, objective: str) -> int | str | None:
    """Return the index of the choice, or the text, that an instance is relabelled with;
    None for none.
    """
    votes: Counter[int | str] = Counter()
    for instance, _prompt, response in given:
        verdict = verdict_of(material.task, Answered(instance=instance, response=response))
        answer = _said(material.task, response)
        if answer is None or verdict.status == "missing":
            continue
        if objective == "pseudo-labels" or verdict.score == 1.0:
            votes[answer] += 1
    return votes.most_common(1)[0][0] if votes else None


def _said(task: Task, response: Response) -> int | str | None:
    if response.error:
        return None
    if task.kind == "choice":
        return response.logprobs.index(max(response.logprobs)) if response.logprobs else None
    lines = (response.text or "").strip().splitlines()
    return lines[0].strip() or None if lines else None


def _changed(
    instances: Sequence[Instance], own: dict[str, int | str], objective: str
) -> tuple[Instance, ...]:
    """Return instances with the model's answers;
    without one it stays for ``own-correct`` and goes else.
    """
    kept = []
    for instance in instances:
        answer = own.get(instance.id)
        if answer is None:
            kept += [instance] if objective == "own-correct" else []
        elif isinstance(answer, int):
            kept.append(replace(instance, target=answer))
        else:
            kept.append(replace(instance, references=(answer,)))
    return tuple(kept)
