"""(task, phrasing, instance) -> `Prompt`. Pure; no model, no chat template, no file.

How a prompt is put together, for the two kinds of phrasing:

* The text is the instruction alone (no slot for the instance). ``position: before`` gives
  instruction, blank line, instance; ``after`` gives instance, blank line, instruction. The instance
  is the question and, where the task shows choices, one line per choice in the phrasing's layout.
  The cue closes the prompt.
* ``position: inline``: the text holds ``{{ question }}`` (and ``{{ choices }}``) itself.

A phrasing with a `frame` is put into it: ``{{ instruction }}``, ``{{ data }}`` (worked instances
and the instance) and ``{{ cue }}`` stand where the frame says.

Wording, layout, label space, position and wrapper are separate fields of `Phrasing`; nothing here
looks at the words. Not handled here: chat templates and over-long prompts (the backend knows the
tokenizer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from evalkit.errors import CatalogError
from evalkit.phrasings.templates import render, slots
from evalkit.records import Instance, Phrasing, Prompt, Request, Task

__all__ = [
    "PROMPT_VERSION",
    "ROLE_LINE",
    "answer_labels",
    "enumerator",
    "list_choices",
    "render_prompt",
    "without",
    "worded",
]

PROMPT_VERSION = 1
"""Raised whenever the same records would give another text."""

ROLE_LINE = "You are a careful assistant who answers exactly what is asked."
"""First line of the ``role`` wrapper."""


def enumerator(index: int, label_space: str) -> str:
    """Return the name of a choice by its position: ``A``, ..., ``Z``, ``AA``; or ``1``, ``2``, ...

    >>> [
    ...     enumerator(0, "letters"),
    ...     enumerator(26, "letters"),
    ...     enumerator(3, "numbers"),
    ...     enumerator(1, "text"),
    ... ]
    ['A', 'AA', '4', 'B']
    """
    if label_space == "numbers":
        return str(index + 1)
    letters = ""
    index += 1
    while index > 0:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _names(phrasing: Phrasing, count: int, names: Sequence[int]) -> list[str]:
    """Return the bare label of every position shown: ``A``, ``B``, ...

    Unless `names` gives other ones.
    """
    return [enumerator(index, phrasing.label_space) for index in (names or range(count))]


def answer_labels(
    phrasing: Phrasing, choices: Sequence[str], names: Sequence[int] = ()
) -> tuple[str, ...]:
    """Return what the model is asked to write for each choice.

    ``A``, ``(A)``, ``1``, or the choice's text.

    Parameters
    ----------
    phrasing
        Gives layout and label space.
    choices
        Choice texts in the order shown.
    names
        Per position shown, the index of the label it bears; empty for A, B, C in order.
    """
    if phrasing.label_space == "text":
        return tuple(choices)
    return _labels(
        phrasing.label_space,
        phrasing.layout in {"parenthesized", "original"},
        tuple(names or range(len(choices))),
    )


def worded(task: Task, phrasing: Phrasing, choices: Sequence[str]) -> tuple[str, ...]:
    """Return the choices in the phrasing's own words for the task's labels, where it has any.

    Raises
    ------
    CatalogError
        When it has another number of words than the task has labels.
    """
    if not phrasing.answers:
        return tuple(choices)
    if len(phrasing.answers) != len(task.labels):
        raise CatalogError(
            f"phrasing {phrasing.id!r}: answers are {list(phrasing.answers)}, and {task.id} has "
            f"the labels {list(task.labels)}; one word for every label is accepted."
        )
    words = dict(zip(task.labels, phrasing.answers, strict=True))
    return tuple(words.get(choice, choice) for choice in choices)


@lru_cache(maxsize=4096)
def _labels(label_space: str, in_parentheses: bool, names: tuple[int, ...]) -> tuple[str, ...]:
    bare = (enumerator(index, label_space) for index in names)
    return tuple(f"({name})" if in_parentheses else name for name in bare)


def list_choices(phrasing: Phrasing, choices: Sequence[str], names: Sequence[int] = ()) -> str:
    """Return the choices as the phrasing's layout lists them; empty for layout ``none``.

    Parameters
    ----------
    phrasing
        Gives layout and label space.
    choices
        Choice texts in the order shown.
    names
        As in `answer_labels`.
    """
    bare = _names(phrasing, len(choices), names)
    layout = phrasing.layout
    if layout == "lettered":
        return "\n".join(f"{name}. {choice}" for name, choice in zip(bare, choices, strict=True))
    if layout in {"parenthesized", "original"}:
        return "\n".join(f"({name}) {choice}" for name, choice in zip(bare, choices, strict=True))
    if layout == "bulleted":
        return "\n".join(f"- {choice}" for choice in choices)
    if layout == "inline":
        shown = (
            choices
            if phrasing.label_space == "text"
            else [f"{name}: {choice}" for name, choice in zip(bare, choices, strict=True)]
        )
        return ", ".join(shown[:-1]) + (" or " if len(shown) > 1 else "") + shown[-1]
    return ""


def render_prompt(
    task: Task,
    phrasing: Phrasing,
    instance: Instance,
    *,
    shots: Sequence[Instance] = (),
    order: Sequence[int] = (),
    names: Sequence[int] = (),
) -> Prompt:
    """Return the prompt of one cell.

    Parameters
    ----------
    task, phrasing, instance
        What is asked, in which words, about which item.
    shots
        Worked instances shown before the instance, in the same words and layout.
    order
        Permutation of the choices: position -> index in ``instance.choices``; empty for upstream
        order.
    names
        Permutation of the labels: position -> index of the label shown there; empty for A, B, C in
        order.

    Raises
    ------
    CatalogError
        When the phrasing cannot ask this task: a slot the instance does not fill, letters asked for
        without choices listed, an order that is no permutation.
    """
    choices = worded(task, phrasing, _ordered(instance, order))
    if task.kind == "choice" and not choices:
        raise CatalogError(
            f"{task.id}: instance {instance.id!r} has no choices but the task is a choice task. "
            "Check the task file's reader and kind."
        )
    question, listed = _body(task, phrasing, instance, choices, names)
    worked = [_worked(task, phrasing, shot) for shot in shots]
    if phrasing.position == "inline":
        instruction, block = "", _inline(task, phrasing, instance, (question, listed), choices)
    else:
        where = f"phrasing {phrasing.id!r}"
        instruction = render(phrasing.text, _fields(task, instance), where=where).strip()
        block = "\n".join(part for part in (question, listed) if part)
    system = instruction if phrasing.wrapper == "chat" and not phrasing.frame else ""
    if phrasing.frame:
        text = _framed(phrasing, instruction, [*worked, block])
    else:
        text = _plain(phrasing, "" if system else instruction, [*worked, block])
    labels = answer_labels(phrasing, choices, names) if choices else ()
    choice = task.kind == "choice" and not task.written
    return Prompt(
        task=task.id,
        phrasing_id=phrasing.id,
        instance_id=instance.id,
        kind="choice" if choice else "generate",
        text=text,
        system=system,
        body=_span(text, question),
        continuations=tuple(f" {label}" for label in labels) if choice else (),
        choice_order=tuple(order),
        labels=labels,
        max_tokens=task.max_tokens if not choice else 0,
        stop=task.stop if not choice else (),
        temperature=0.0 if choice else task.temperature,
        top_p=1.0 if choice else task.top_p,
    )


def _plain(phrasing: Phrasing, instruction: str, blocks: Sequence[str]) -> str:
    """Prompt without a frame: role line, instruction, worked instances, instance, cue."""
    *worked, block = blocks
    head = instruction if phrasing.position == "before" else ""
    if phrasing.position == "after" and instruction:
        block = f"{block}\n\n{instruction}"
    if phrasing.wrapper == "role":
        head = f"{ROLE_LINE}\n{head}" if head else ROLE_LINE
    return "\n\n".join(part for part in (head, *worked, _close(block, phrasing.cue)) if part)


def _framed(phrasing: Phrasing, instruction: str, blocks: Sequence[str]) -> str:
    """Prompt in the frame of a phrasing; one that holds its own slots is all instruction."""
    data = "\n\n".join(block for block in blocks if block)
    if phrasing.position == "inline":
        instruction, data = data, ""
    parts = {"instruction": instruction, "data": data, "cue": phrasing.cue}
    return render(phrasing.frame, parts, where=f"frame of {phrasing.id!r}").rstrip()


def without(text: str, reserved: Sequence[str]) -> str:
    """Return a text without the reserved ones, taken out again and again until none is left.

    >>> without("[IN[INST]ST] hello", ["[INST]"])
    ' hello'
    """
    found = next((one for one in reserved if one in text), None)
    while found is not None:
        text = text.replace(found, "")
        found = next((one for one in reserved if one in text), None)
    return text


def _ordered(instance: Instance, order: Sequence[int]) -> tuple[str, ...]:
    if not order:
        return instance.choices
    if sorted(order) != list(range(len(instance.choices))):
        raise CatalogError(
            f"instance {instance.id!r}: order {list(order)} is not a permutation of its "
            f"{len(instance.choices)} choices."
        )
    return tuple(instance.choices[index] for index in order)


def _fields(task: Task, instance: Instance) -> dict[str, str]:
    """Slot values a phrasing may use: the instance's fields and what the task says of itself."""
    return {
        "subject": task.subject or task.name.replace("_", " "),
        "category": task.category,
        **instance.fields,
    }


def _body(
    task: Task, phrasing: Phrasing, instance: Instance, choices: Sequence[str], names: Sequence[int]
) -> tuple[str, str]:
    """Question text and listed choices, as this phrasing shows them."""
    if phrasing.layout == "original" and "input" in instance.fields:
        return instance.fields["input"], ""
    needed = task.kind == "choice" and phrasing.label_space != "text"
    if needed and phrasing.layout in {"none", "bulleted"}:
        raise CatalogError(
            f"phrasing {phrasing.id!r}: layout {phrasing.layout!r} shows no labels but "
            f"label_space {phrasing.label_space!r} asks for one; use layout lettered, "
            "parenthesized or inline, or label_space text."
        )
    shown = bool(choices) and (task.choices_shown or needed)
    question = without(instance.fields.get("question", ""), phrasing.reserved)
    return question, list_choices(phrasing, choices, names) if shown else ""


class _Choices(tuple[str, ...]):
    """Choice texts for a template.

    A loop sees each, ``{{ choices }}`` prints the listing of the layout.
    """

    listed: str = ""

    def __str__(self) -> str:
        return self.listed


def _inline(
    task: Task,
    phrasing: Phrasing,
    instance: Instance,
    body: tuple[str, str],
    choices: Sequence[str],
) -> str:
    text, (question, listed) = phrasing.text, body
    offered = _Choices(choices)
    offered.listed = listed or list_choices(phrasing, choices)
    fields = {
        **_fields(task, instance),
        "question": question,
        "choices": offered,
        "labels": _Choices(phrasing.answers or task.labels),
    }
    rendered = render(text, fields, where=f"phrasing {phrasing.id!r}").rstrip()
    if listed and "choices" not in slots(text) and phrasing.label_space != "text":
        raise CatalogError(
            f"phrasing {phrasing.id!r}: asks for {phrasing.label_space} but has no {{{{ choices "
            f"}}}} slot to show them. Add the slot."
        )
    return rendered


def _close(block: str, cue: str) -> str:
    """Block and cue; a block that already ends with the cue does not get it twice."""
    if not cue or block.endswith(cue):
        return block
    return f"{block}\n{cue}" if block else cue


def _worked(task: Task, phrasing: Phrasing, shot: Instance) -> str:
    """One worked instance with its answer, without the instruction (inline phrasings repeat it:
    it cannot be cut out).
    """
    if phrasing.position == "inline":
        bare = render_prompt(task, replace(phrasing, wrapper="plain", frame=""), shot).text
    else:
        offered = worded(task, phrasing, shot.choices)
        question, listed = _body(task, phrasing, shot, offered, ())
        bare = _close("\n".join(part for part in (question, listed) if part), phrasing.cue)
    return f"{bare} {_answer(task, phrasing, shot)}"


def _answer(task: Task, phrasing: Phrasing, shot: Instance) -> str:
    if task.kind == "choice" and shot.target is not None:
        return answer_labels(phrasing, worded(task, phrasing, shot.choices))[shot.target]
    if not shot.references:
        raise CatalogError(f"{task.id}: shot {shot.id!r} has no answer to show.")
    return shot.references[0]


def _span(text: str, question: str) -> tuple[int, int]:
    """Where the question stands: its last occurrence, since shots come first."""
    start = text.rfind(question) if question else -1
    return (start, start + len(question)) if start >= 0 else (0, 0)


def request_of(prompt: Prompt) -> Request:
    """Return what a backend is asked for one prompt."""
    return Request(
        kind=prompt.kind,
        text=prompt.text,
        system=prompt.system,
        continuations=prompt.continuations,
        body=prompt.body,
        max_tokens=prompt.max_tokens,
        stop=prompt.stop,
        temperature=prompt.temperature,
        top_p=prompt.top_p,
    )
