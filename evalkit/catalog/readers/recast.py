"""The same items in several forms, each with the instruction that belongs to it.

============== ====================================================== =============================
form           what is asked                                          for tasks that
============== ====================================================== =============================
``labels``     name one of the answers listed                         choose
``letters``    name the letter in front of the answer                 choose
``statements`` name the letter in front of the statement that is true choose, with a statement each
``truefalse``  is this statement true? once the right one, once another the same
``text``       write the whole corrected text                         correct a text
``edits``      list the changes, each as "wrong -> right"             correct a text
============== ====================================================== =============================

The form is a factor of the instances, so its gain is paired on item and wording. What the
instruction asks for and how the answer is to look stand in the fields ``ask`` and ``reply``, which
the wordings hold as slots: an instruction never contradicts its form.

A statement comes from the base's field ``statements`` (a JSON list, one per choice; the reader
``relation`` gives it), or from ``source.options.statement``, a text with the slot ``{choice}``.

References
----------
K. Zhang and others, "Aligning Instruction Tasks Unlocks Large Language Models as Zero-Shot Relation
Extractors", 2023 (arXiv 2305.11159): statements with letters against label words. J. Wei and
others, FLAN, 2022, and InstructDial, 2022, recast their tasks likewise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import base_instances, checked_options, chosen
from evalkit.errors import CatalogError
from evalkit.phrasings.edit_lists import edit_list, edits_between
from evalkit.phrasings.prompts import enumerator
from evalkit.records import Instance, Task

__all__ = ["FORMS", "read"]

CHOOSING = ("labels", "letters", "statements", "truefalse")
CORRECTING = ("text", "edits")
FORMS = (*CHOOSING, *CORRECTING)
ASKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "labels": ("choose {sought}", "Answer with one of the answers listed."),
        "letters": ("choose {sought}", "Answer with the letter in front of it."),
        "statements": (
            "choose the true statement about {sought}",
            "Answer with the letter in front of it.",
        ),
        "truefalse": ("say whether the statement about {sought} is true", "Answer true or false."),
        "text": ("correct the mistakes", "Write the whole corrected text on one line."),
        "edits": (
            "list the changes that correct the mistakes",
            "Write each change as wrong -> right, with ; between two changes, "
            "and none where nothing is wrong.",
        ),
    }
)
"""Form -> what is asked and how the answer is to look; the wordings are around them."""
_CLAIM = ("true", "false")


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a task in every form.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``of`` (the task) and ``forms``; where answers are chosen,
        ``sought`` (what is to be chosen, such as "the weekday that is reached"); and may hold
        ``statement``, ``instances`` (origins, all) and ``seed``.
    data_dir, split
        As for the base.

    Raises
    ------
    CatalogError
        When an option is wrong, or the base cannot take a form.
    """
    options = checked_options(
        task,
        {"of": None, "forms": [], "sought": "", "statement": "", "instances": 0, "seed": 0},
    )
    forms = chosen(task, "forms", options["forms"], FORMS)
    base = base_instances(task, data_dir, split)
    if len({one.id for one, _ in base}) > 1:
        raise CatalogError(f"task {task.id!r}: is recast from several tasks. Name one under 'of'.")
    rows = [one for _, one in base][: options["instances"] or None]
    if set(forms) & set(CHOOSING) and not options["sought"].strip():
        raise CatalogError(
            f"task {task.id!r}: source option 'sought' is missing; what is to be chosen is "
            "expected, such as 'the weekday that is reached'."
        )
    for one in rows[:1]:
        _refuse(task, base[0][0], one, forms, statement=options["statement"])
    found: list[Instance] = []
    for one in rows:
        draws = Draws(f"evalkit/recast/{options['seed']}/{one.id}")
        said = _statements(task, one, options["statement"])
        for form in sorted(forms, key=FORMS.index):
            found += _under(_told(one, form, options["sought"]), form, said, draws)
    return found


def _refuse(task: Task, base: Task, one: Instance, forms: Sequence[str], *, statement: str) -> None:
    """Raise when the base cannot take a form, by name."""
    chooses = bool(one.choices) and one.target is not None
    corrects = not one.choices and bool(one.references)
    told = "statements" in one.fields or "{choice}" in statement
    for form in forms:
        why = ""
        if form in CHOOSING and not chooses:
            why = "has no choices with a right one among them"
        elif form in CORRECTING and not corrects:
            why = "has choices, so there is no text to correct"
        elif form in ("statements", "truefalse") and not told:
            why = (
                "has no statement for an answer; give source.options.statement, a text with the "
                "slot {choice}"
            )
        if why:
            able = CHOOSING[:2] if chooses else CORRECTING
            raise CatalogError(
                f"task {task.id!r}: form {form!r} cannot be made of {base.id}, which {why}. "
                f"Without more it takes {', '.join(able)}."
            )


def _statements(task: Task, one: Instance, pattern: str) -> list[str]:
    """Return what each choice says as a statement; empty where there is none."""
    if not one.choices:
        return []
    if "statements" in one.fields:
        said = json.loads(one.fields["statements"])
        if not isinstance(said, list) or len(said) != len(one.choices):
            raise CatalogError(
                f"{one.where or task.id}: field 'statements' of instance {one.id!r} is no JSON "
                f"list of {len(one.choices)} texts. Correct it."
            )
        return [str(text) for text in said]
    return [pattern.replace("{choice}", choice) for choice in one.choices] if pattern else []


def _told(one: Instance, form: str, sought: str) -> Instance:
    """Return an instance with what the instruction asks for in a form,
    and how the answer is to look.
    """
    ask, reply = ASKS[form]
    return replace(
        one, fields={**one.fields, "ask": ask.replace("{sought}", sought), "reply": reply}
    )


def _under(one: Instance, form: str, said: Sequence[str], draws: Draws) -> Iterator[Instance]:
    """Yield an instance in one form."""
    question, fields = one.fields["question"], one.fields
    if form in CORRECTING:
        source, right = one.fields.get("source", question), one.references[0]
        edits = edits_between(source, right)
        listed = edit_list(source, edits) if form == "edits" else ""
        wanted = fields.get("edits") or json.dumps([sorted(edits)])
        yield replace(
            _named(one, form),
            fields={**fields, "source": source, "edits": wanted},
            references=(listed,) if listed else one.references,
        )
        return
    if form == "truefalse":
        yield from _claims(one, fields, said, draws)
        return
    texts = said if form == "statements" else one.choices
    marks = [enumerator(at, "letters") for at in range(len(texts))]
    names = tuple(one.choices) if form == "labels" else tuple(marks)
    lines = [
        f"- {text}" if form == "labels" else f"{mark}. {text}"
        for mark, text in zip(marks, texts, strict=True)
    ]
    yield replace(
        _named(one, form),
        fields={**fields, "question": "\n".join([question, *lines])},
        choices=names,
        references=(names[one.target or 0],),
    )


def _claims(
    one: Instance, fields: Mapping[str, str], said: Sequence[str], draws: Draws
) -> Iterator[Instance]:
    """Yield the right statement and another one, each as a claim."""
    right = one.target or 0
    other = draws.pick([at for at in range(len(said)) if at != right])
    for at, claim in ((right, "right"), (other, "another")):
        answer = 0 if at == right else 1
        kept = {key: value for key, value in fields.items() if key != "relations"}
        yield replace(
            _named(one, "truefalse"),
            id=f"{one.id}.truefalse.{claim}",
            fields={**kept, "question": f"{fields['question']}\nStatement: {said[at]}"},
            choices=_CLAIM,
            target=answer,
            references=(_CLAIM[answer],),
            factors={"recast": "truefalse", "claim": claim},
        )


def _named(one: Instance, form: str) -> Instance:
    return replace(one, id=f"{one.id}.{form}", of=one.id, factors={"recast": form})
