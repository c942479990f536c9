"""Borrowed templates on another benchmark's slots:
which upstream tasks ask the same kind of question, and what their slots are there.

A template written for one multiple-choice data set asks nothing that only that data set has, as
soon as its slots are the question and its choices. So its wording can be asked on MMLU and BBH,
where it counts as seen for the models that were tuned on it. What needs more than the target has (a
passage, a hint), shows no choices, or is about one subject, is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from evalkit.catalog.library.importers.classes import answers_on
from evalkit.catalog.library.importers.imported import (
    UPSTREAM_ANSWERS,
    Imported,
    rename_slots,
    slug,
)
from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.catalog.tasks import list_tasks
from evalkit.errors import CatalogError, UsageError
from evalkit.phrasings.templates import slots
from evalkit.records import Phrasing, Task

__all__ = [
    "TYPES",
    "Target",
    "TaskType",
    "as_types",
    "key_of",
    "other_words",
    "targets_of",
    "types_named",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One kind of question that several benchmarks ask."""

    upstream: tuple[str, ...]
    """Patterns of upstream names: promptsource folders, FLAN keys, SuperNI task files."""
    theirs: Mapping[str, str]
    """Upstream slot -> part of the question (``first``, ``second``, ``text``, ...)."""
    ours: Mapping[str, tuple[str, ...]]
    """Part of the question -> names that a task's field may have for it, the best first."""
    listed: bool = False
    """Whether every template must list the choices."""
    answers: frozenset[str] | None = frozenset()
    """What some label of a task must contain; empty: it does not matter; None: it has no labels."""
    says: str = ""
    """Word that every template must hold."""

    def asks(self, upstream: str) -> bool:
        """Return whether an upstream task of this name is of the type."""
        return any(fnmatchcase(upstream.lower(), pattern) for pattern in self.upstream)

    def fields_of(self, task: Task) -> dict[str, str] | None:
        """Return part -> field of a task; None when the task does not ask this."""
        labels = " ".join(task.labels).lower()
        if self.answers is None and task.kind == "choice":
            return None
        if self.answers and not any(word in labels for word in self.answers):
            return None
        if self.listed and (task.kind != "choice" or not task.choices_shown):
            return None
        offered = {*task.fields, "question"}
        fields = {
            part: next((name for name in names if name in offered), "")
            for part, names in self.ours.items()
        }
        return fields if all(fields.values()) else None


_PAIR = {
    **{"premise": "first", "sentence1": "first", "question1": "first"},
    **{"hypothesis": "second", "sentence2": "second", "question2": "second"},
}
_READ = {"context": "first", "passage": "first", "question": "second"}
_READING = {"first": ("context", "passage"), "second": ("query",)}
_TEXT = ("sentence", "text", "review", "content", "phrase", "document", "article", "dialogue")
TYPES: Mapping[str, TaskType] = {
    "qa": TaskType(
        upstream=(
            *("ai2_arc*", "arc*", "openbookqa*", "commonsense_qa*", "commonsenseqa*", "cos_e*"),
            *("qasc*", "sciq*", "quarel*", "mmlu*", "hendrycks*"),
            *("task*_mmmlu_answer_generation_*", "task*_arc_answer_generation_*"),
            *("task*_commonsenseqa_answer_generation*", "task*_openbookqa_answer_generation*"),
            *("task*_qasc_answer_generation*",),
        ),
        theirs={"question": "text", "question_stem": "text"},
        ours={"text": ("question",)},
        listed=True,
    ),
    "nli": TaskType(
        upstream=(
            *("rte*", "glue/rte", "super_glue/rte", "super_glue/cb", "cb", "anli*", "snli*"),
            *("mnli*", "glue/mnli*", "wnli*", "glue/wnli"),
        ),
        theirs={**_PAIR, "context": "first"},
        ours={"first": ("premise", "sentence1"), "second": ("hypothesis", "sentence2")},
        answers=frozenset({"entail"}),
    ),
    "paraphrase": TaskType(
        upstream=("mrpc*", "glue/mrpc", "qqp*", "glue/qqp", "paws*"),
        theirs=_PAIR,
        ours={"first": ("sentence1", "question1"), "second": ("sentence2", "question2")},
        answers=frozenset({"equivalent", "duplicate", "paraphrase"}),
    ),
    "sentiment": TaskType(
        upstream=("sst2*", "glue/sst2", "imdb*", "rotten_tomatoes*"),
        theirs=dict.fromkeys((*_TEXT, "question"), "text"),
        ours={"text": _TEXT},
        answers=frozenset({"positive"}),
    ),
    "topic": TaskType(
        upstream=("ag_news*", "dbpedia*", "trec*", "yahoo_answers*"),
        theirs=dict.fromkeys((*_TEXT, "question"), "text"),
        ours={"text": (*_TEXT, "question")},
        listed=True,
    ),
    "completion": TaskType(
        upstream=("hellaswag*", "copa*", "super_glue/copa", "piqa*", "story_cloze*"),
        theirs=dict.fromkeys(("context", "premise", "goal", "ctx"), "text"),
        ours={"text": ("context", "question")},
        listed=True,
    ),
    "summary": TaskType(
        upstream=("xsum*", "cnn_dailymail*", "gigaword*", "samsum*", "multi_news*"),
        theirs=dict.fromkeys((*_TEXT, "question"), "text"),
        ours={"text": (*_TEXT, "question")},
        answers=None,
    ),
    "free": TaskType(
        upstream=("natural_questions*", "trivia_qa*", "web_questions*", "nq_open*"),
        theirs={"question": "text"},
        ours={"text": ("query", "question")},
        answers=None,
    ),
    "reading": TaskType(
        upstream=("squad", "squad_v1*", "adversarial_qa*", "quoref*", "ropes*"),
        theirs=_READ,
        ours=_READING,
        answers=None,
    ),
    "unanswerable": TaskType(
        upstream=("squad_v2*",), theirs=_READ, ours=_READING, answers=None, says="unanswerable"
    ),
}
"""Name after ``--as`` -> type. Data sets by the names that promptsource, FLAN and SuperNI give
them.
"""
_SUBJECT = re.compile(r"task\d+_mmmlu_answer_generation_(\w+)\Z")
_LETTERS = re.compile(r"\bA\b\W{1,6}B\b\W{1,6}C\b")
_TASK_NAMED = re.compile(r": task '([^']+)'")
_COUNTED = re.compile(
    r"\b(?:4|four)\b[^.?!\n]*\b(?:options?|choices?|answers?|possibilities)\b"
    r"|\bA,\s*B,\s*C,?\s*(?:or|and)\s*D\b",
    re.IGNORECASE,
)


def types_named(names: str) -> tuple[TaskType, ...]:
    """Return the types that a list of names with commas stands for.

    Raises
    ------
    UsageError
        When a name is none.
    """
    found = []
    for name in (part.strip() for part in names.split(",")):
        if name not in TYPES:
            raise UsageError(f"--as {name!r}: is no type of task; accepted: {', '.join(TYPES)}.")
        found.append(TYPES[name])
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Target:
    """Tasks that ask one type of question with the same names of fields."""

    kind: TaskType
    """The type."""
    fields: Mapping[str, str]
    """Part of the question -> field."""
    tasks: tuple[Task, ...]
    """The tasks."""


def targets_of(kinds: Iterable[TaskType], patterns: Sequence[str]) -> list[Target]:
    """Return the tasks of every type among those that patterns name.

    Raises
    ------
    CatalogError
        When a pattern names no task.
    UsageError
        When none of the tasks is of a type.
    """
    tasks = list_tasks(patterns)
    found = []
    for kind in kinds:
        groups: dict[tuple[tuple[str, str], ...], list[Task]] = {}
        for task in tasks:
            if fields := kind.fields_of(task):
                groups.setdefault(tuple(fields.items()), []).append(task)
        found += [Target(kind, dict(fields), tuple(group)) for fields, group in groups.items()]
    if not found:
        raise UsageError(
            f"--as: none of {', '.join(patterns)} asks a question of that type. "
            "Name tasks that have its fields and labels."
        )
    return found


def as_types(
    found: Imported, targets: Sequence[Target], *, upstream: str, patterns: Sequence[str]
) -> Imported:
    """Return the phrasings that ask what a target's tasks ask, on their slots; name the others.

    Parameters
    ----------
    found
        What an importer read.
    targets
        Types and their tasks (`targets_of`).
    upstream
        Name of the file's task: a promptsource folder, the stem of a SuperNI file; empty where the
        phrasings' ids say it (FLAN).
    patterns
        As they were given: what a phrasing is for is said by the shortest of them.
    """
    kinds = [target.kind for target in targets]
    whole = Imported(skipped=[line for line in found.skipped if _of_type(line, kinds)])
    for phrasing in found.phrasings:
        name = upstream or key_of(phrasing)
        for target in targets:
            if not target.kind.asks(name):
                continue  # another type of task: nothing that a person could mend
            try:
                whole.phrasings += _on(phrasing, target, name, patterns)
            except CatalogError as error:
                whole.skipped.append(f"{phrasing.origin}: {name}: {error}")
    return whole


def _on(
    phrasing: Phrasing, target: Target, name: str, patterns: Sequence[str]
) -> Iterator[Phrasing]:
    """Yield a phrasing on a target's slots, once for each set of answer words,
    or raise CatalogError.
    """
    if phrasing.meaning.status == "doubtful":
        raise CatalogError(phrasing.meaning.note)
    names = slots(phrasing.text)
    whole = phrasing.layout == "original" and not names  # SuperNI's: stands before the instance
    if not whole:
        phrasing = _renamed(phrasing, names, target)
    subject = _SUBJECT.match(name)
    lettered = whole and (subject or _LETTERS.search(phrasing.text))
    mine: dict[tuple[str, ...], list[Task]] = {}
    why = "is about a subject, or a number of choices, that none of --tasks has"
    for task in target.tasks:
        if subject and task.id != f"mmlu/{subject[1]}":
            continue
        if _COUNTED.search(phrasing.text) and task.benchmark != "mmlu":
            continue  # four choices: MMLU has them, others need not
        answers = () if whole else _own_answers(phrasing, task, name)
        if hindrance := "" if whole or answers else _answers(phrasing, task):
            why = hindrance
            continue
        mine.setdefault(answers, []).append(task)
    if not mine:
        raise CatalogError(why)
    for answers, tasks in mine.items():
        apart = f"-{slug(tasks[0].id)}" if len(mine) > 1 and answers else ""
        yield replace(
            phrasing,
            id=f"{phrasing.id}{apart}",
            answers=answers,
            tasks=_short([task.id for task in tasks], patterns, target),
            stratum="detailed" if whole else "plain",
            layout="parenthesized" if lettered else phrasing.layout,
            label_space="letters" if lettered else phrasing.label_space,
        )


def _own_answers(phrasing: Phrasing, task: Task, upstream: str) -> tuple[str, ...]:
    """Return a template's own words in the order of a task's labels;
    empty without others than these.
    """
    if not phrasing.answers or task.kind != "choice":
        return ()
    folded = f" {' '.join(normalised_words(phrasing.text))} "
    words = [" ".join(normalised_words(word)) for word in phrasing.answers]
    if {*phrasing.answers} == {*task.labels}:
        return ()
    shown = "choices" in slots(phrasing.text) or all(f" {word} " in folded for word in words)
    return answers_on(task, upstream, phrasing.answers) if shown else ()


def _renamed(phrasing: Phrasing, names: frozenset[str], target: Target) -> Phrasing:
    """Return a phrasing with the tasks' names of its slots; its id says when upstream's differ."""
    kind = target.kind
    parts = {name: kind.theirs[name] for name in names if name in kind.theirs}
    if more := names - set(parts) - {"choices", "subject"}:
        raise CatalogError(f"needs {', '.join(sorted(more))}, which the tasks do not have")
    lacking = set(kind.ours) - set(parts.values()) | ({"choices"} - names if kind.listed else set())
    if lacking or len(parts) != len(kind.ours):
        shown = {"text": "question", "first": "the first text", "second": "the second text"}
        needed = ", ".join(sorted(shown.get(one, one) for one in lacking))
        raise CatalogError(f"does not show {needed}" if lacking else "shows a text twice")
    rename = {name: target.fields[part] for name, part in parts.items()}
    asked = sorted(name for name in parts if name.startswith("question"))
    statements = [rename[name] for name in asked if not rename[name].startswith(("que", "ask"))]
    words = {*normalised_words(" ".join(pieces_of(phrasing.text)))}
    if statements and {"question", "questions"} & words:
        raise CatalogError(f"speaks of questions, where the tasks have {', '.join(statements)}")
    if kind.says and kind.says not in words:
        raise CatalogError(f"does not say when to answer {kind.says!r}, as some items have to be")
    text = rename_slots(phrasing.text, rename)
    if text == phrasing.text:
        return phrasing
    fields = "-".join(target.fields.values())
    return replace(phrasing, text=text, id=f"{phrasing.id}-{slug(fields)}")


def other_words(phrasing: Phrasing, task: Task) -> str:
    """Say which answer words a template names that are not a task's labels; empty for none."""
    if task.kind != "choice" or not task.labels:
        return ""
    folded = f" {' '.join(normalised_words(phrasing.text))} "
    theirs = {
        " ".join(normalised_words(word))
        for word in phrasing.meaning.note.removeprefix(UPSTREAM_ANSWERS).split(" | ")
        if phrasing.meaning.note.startswith(UPSTREAM_ANSWERS)
    }
    spelt = {word for word in theirs if f" {word} " in folded}
    if not spelt or theirs == {" ".join(normalised_words(label)) for label in task.labels}:
        return ""
    return f"names {', '.join(sorted(spelt))}, where {task.id} has {', '.join(task.labels)}"


def _answers(phrasing: Phrasing, task: Task) -> str:
    """Why the answers that a template asks for are not a task's; empty when they are."""
    if hindrance := other_words(phrasing, task):
        return hindrance
    folded = f" {' '.join(normalised_words(phrasing.text))} "
    labels = {" ".join(normalised_words(label)) for label in task.labels}
    shown = "choices" in slots(phrasing.text) or all(f" {label} " in folded for label in labels)
    if shown or task.kind != "choice":
        return ""
    return "does not show choices, and names none of the labels"


def _short(ids: Sequence[str], patterns: Sequence[str], target: Target) -> tuple[str, ...]:
    """Return the patterns all of whose tasks are among `ids`, and the ids that these leave."""
    chosen = set(ids)
    kept = [pattern for pattern in patterns if (mine := _named_by(pattern)) and mine <= chosen]
    held = {one for pattern in kept for one in _named_by(pattern)}
    return (*kept, *(one for one in ids if one not in held))


@lru_cache(maxsize=64)
def _named_by(pattern: str) -> frozenset[str]:
    """Return the ids of the tasks that a pattern names, where it is one of ids."""
    return frozenset(task.id for task in list_tasks([pattern]) if fnmatchcase(task.id, pattern))


def _of_type(line: str, kinds: Iterable[TaskType]) -> bool:
    """Whether a line on what was left out is of a type, or does not say of which task it is."""
    named = _TASK_NAMED.search(line)
    return named is None or any(kind.asks(named[1]) for kind in kinds)


def key_of(phrasing: Phrasing) -> str:
    """Upstream's task in an id, which is ``collection-task-digest``."""
    return phrasing.id.removeprefix(f"{phrasing.source}-").rpartition("-")[0]
