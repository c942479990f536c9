"""A phrasing file for a person to go on with: what the task offers, and one wording that works."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.catalog.library.writing import dump_yaml
from evalkit.records import Instance, Task

__all__ = ["starting_file"]

_READ_FIRST = frozenset(
    {"article", "body", "context", "contract", "document", "paragraph", "passage", "premise"}
    | {"sentence1", "sent1", "story", "text"}
)
"""Slots that stand before the question."""


def starting_file(
    task: Task, *, source: str, instance: Instance | None = None, further: bool = False
) -> str:
    """Return the text of a phrasing file for a task:
    its slots and labels as comments, one wording of its description.

    Parameters
    ----------
    task
        What is asked.
    source
        Collection the wordings will belong to.
    instance
        One of its instances: slots whose content the question holds already are not repeated, and
        none is where no instance is known.
    further
        Add three wordings that differ in approach, so that there is a spread to look at.
    """
    listed = task.kind == "choice" and task.choices_shown and not task.labels
    labels = ", ".join(task.labels)
    others = [
        name
        for name in task.fields
        if name not in {"question", "choices"} and not _is_part(name, instance)
    ]
    shown = _shown(others)
    options = "\n{{ choices }}" if listed else ""
    body = f"\n\n{shown}{options}" if others else ""
    names = f" Answer with one of: {labels}." if task.labels else ""
    start = f"{source}-{task.name.replace('_', '-')}"
    described = task.description.strip() or f"Do the task {task.name.replace('_', ' ')}."
    value = {
        "tasks": [task.id],
        "defaults": {
            "source": source,
            "author": "",
            "licence": "CC-BY-4.0",
            "language": "en",
            "layout": "lettered" if listed else "none",
            "label_space": "letters" if listed else "text",
        },
        "phrasings": [
            {
                "id": f"{start}-001",
                "text": f"{described}{names}{body}",
                **({"position": "inline"} if others else {}),
            },
            *(
                {"id": f"{start}-{number:03}", "text": text, "position": "inline"}
                for number, text in enumerate(_further(task, shown) if further else (), 2)
            ),
        ],
    }
    return "".join(f"# {line}\n" for line in _comments(task, labels)) + dump_yaml(value)


def _shown(others: Sequence[str]) -> str:
    """Return the slots of an instance: what is read first, the question, the rest."""

    def line(name: str) -> str:
        return f"{name.replace('_', ' ').capitalize()}: {{{{ {name} }}}}"

    first = [line(name) for name in others if name in _READ_FIRST]
    rest = [line(name) for name in others if name not in _READ_FIRST]
    return "\n".join([*first, "{{ question }}", *rest])


def _comments(task: Task, labels: str) -> list[str]:
    """Return what stands above the wordings."""
    return [
        f"Phrasings of {task.id}. docs/phrasings.md says what every field means.",
        (
            f"Slots: {', '.join(f'{{{{ {name} }}}}' for name in task.fields)}. "
            "Without one the text stands before the instance."
        ),
        f"Label words, which every wording names as they are spelled here: {labels}."
        if task.labels
        else "No fixed label words.",
        (
            "A second wording differs in approach, not by synonyms. "
            "When somebody has read it beside the task:"
        ),
        'meaning: {status: checked, by: who, on: "2026-01-31"}',
    ]


def _further(task: Task, shown: str) -> tuple[str, str, str]:
    """Three more ways to ask: a question after the instance, an order before it, a request."""
    body = shown
    if task.labels:
        either = f"{', '.join(task.labels[:-1])} or {task.labels[-1]}"
        return (
            f"{body}\n\nWhich one is it: {either}?",
            f"Read this and reply with {either}, nothing else.\n\n{body}",
            f"Could you sort this for me as {either}?\n\n{body}",
        )
    if task.kind == "choice":
        body += "\n{{ choices }}"
        return (
            f"{body}\n\nWhich of the options is right?",
            f"Read this and pick the one option that is right.\n\n{body}",
            f"Could you tell me which option is correct here?\n\n{body}",
        )
    return (
        f"{body}\n\nWhat is the answer?",
        f"Read this and write the answer alone.\n\n{body}",
        f"Could you answer this for me, in as few words as you can?\n\n{body}",
    )


def _is_part(name: str, instance: Instance | None) -> bool:
    """Whether a slot repeats the question of an instance or a part of it, as far as is known."""
    if instance is None:
        return True
    value, question = (str(instance.fields.get(slot, "")) for slot in (name, "question"))
    return value in question or question in value
