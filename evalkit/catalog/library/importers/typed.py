"""Borrowed templates on another benchmark's slots: which upstream tasks ask the same kind of question, and what their slots are there.

A template written for one multiple-choice data set asks nothing that only that data set has, as soon
as its slots are the question and its choices. So its wording can be asked on MMLU and BBH, where it
counts as seen for the models that were tuned on it. What needs more than the target has (a passage, a
hint), shows no choices, or is about one subject, is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from evalkit.catalog.library.importers.imported import Imported
from evalkit.errors import CatalogError, UsageError
from evalkit.phrasings.templates import slots
from evalkit.records import Phrasing

__all__ = ["TYPES", "TaskType", "as_type", "files_of", "type_named", "upstream_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One kind of question that several benchmarks ask."""

    upstream: tuple[str, ...]
    """Patterns of upstream names: promptsource folders, FLAN keys, SuperNI task files."""
    rename: Mapping[str, str]
    """Upstream slot -> ours."""
    needed: frozenset[str]
    """Slots that a template must have, unless it stands before the whole instance."""
    allowed: frozenset[str]
    """Slots that it may have."""

    def asks(self, upstream: str) -> bool:
        """Return whether an upstream task of this name is of the type."""
        return any(fnmatchcase(upstream.lower(), pattern) for pattern in self.upstream)


TYPES: Mapping[str, TaskType] = {
    "qa": TaskType(
        upstream=(
            *("ai2_arc*", "arc*", "openbookqa*", "commonsense_qa*", "commonsenseqa*", "cos_e*"),
            *("qasc*", "sciq*", "quarel*", "mmlu*", "hendrycks*"),
            *("task*_mmmlu_answer_generation_*", "task*_arc_answer_generation_*"),
            *("task*_commonsenseqa_answer_generation*", "task*_openbookqa_answer_generation*"),
            *("task*_qasc_answer_generation*",),
        ),
        rename={"question_stem": "question", "options": "choices", "options_": "choices"},
        needed=frozenset({"question", "choices"}),
        allowed=frozenset({"question", "choices", "subject"}),
    )
}
"""Name after ``--as`` -> type. Data sets by their papers: ARC (Clark 2018), OpenBookQA (Mihaylov 2018),
CommonsenseQA (Talmor 2019), CoS-E (Rajani 2019), QASC (Khot 2020), SciQ (Welbl 2017), QuaRel
(Tafjord 2019), MMLU (Hendrycks 2021); SuperNI's names are those of its task files."""
_SUBJECT = re.compile(r"task\d+_mmmlu_answer_generation_(\w+)\Z")
_TASK_NAMED = re.compile(r": task '([^']+)'")
_COUNTED = re.compile(
    r"\b(?:4|four)\b[^.?!\n]*\b(?:options?|choices?|answers?|possibilities)\b"
    r"|\bA,\s*B,\s*C,?\s*(?:or|and)\s*D\b",
    re.IGNORECASE,
)
FILES = {"promptsource": "templates.yaml", "flan": "templates.py", "superni": "task*.json"}
"""Importer -> which files of a folder it reads; other importers: every file."""


def type_named(name: str) -> TaskType:
    """Return the type of a name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if name not in TYPES:
        raise UsageError(f"--as {name!r}: is no type of task; accepted: {', '.join(TYPES)}.")
    return TYPES[name]


def files_of(paths: Iterable[Path], importer: str) -> Iterator[tuple[Path, bool]]:
    """Yield the files to read, and whether each was found in a folder.

    Raises
    ------
    UsageError
        When a folder holds none.
    """
    for path in paths:
        if not path.is_dir():
            yield path, False
            continue
        found = sorted(one for one in path.rglob(FILES.get(importer, "*")) if one.is_file())
        if not found:
            raise UsageError(
                f"{path}: holds no {FILES.get(importer, 'file')}. "
                "Name the folder that upstream's files lie in."
            )
        yield from ((one, True) for one in found)


def upstream_of(path: Path, importer: str) -> str:
    """Return the upstream task that a file is of; empty where a file holds many."""
    if importer == "superni" and path.suffix == ".json":
        return path.stem
    if importer == "promptsource":
        folders = path.absolute().parts[:-1]
        return "/".join(
            folders[folders.index("templates") + 1 :] if "templates" in folders else folders[-1:]
        )
    return ""


def as_type(found: Imported, kind: TaskType, *, upstream: str, tasks: tuple[str, ...]) -> Imported:
    """Return the phrasings that ask what the type asks, on its slots; the others are left out and named.

    Parameters
    ----------
    found
        What an importer read.
    kind
        The type.
    upstream
        Name of the file's task: a promptsource folder, the stem of a SuperNI file; empty where the
        phrasings' ids say it (FLAN).
    tasks
        Task ids or patterns they are for.
    """
    whole = Imported(skipped=[line for line in found.skipped if _of_type(line, kind)])
    for phrasing in found.phrasings:
        name = upstream or _key_of(phrasing)
        if not kind.asks(name):
            continue  # another type of task: nothing that a person could mend
        subject = _SUBJECT.match(name)
        mine = _of_subject(tasks, subject[1]) if subject else tasks
        try:
            names = slots(phrasing.text)
        except CatalogError as error:
            whole.skipped.append(f"{phrasing.origin}: {error}")
            continue
        if _COUNTED.search(phrasing.text):  # four choices: MMLU has them, others need not
            mine = tuple(pattern for pattern in mine if pattern.startswith("mmlu/"))
        if why := _unfit(phrasing, names, kind, mine):
            whole.skipped.append(f"{phrasing.origin}: {name}: {why}")
            continue
        whole.phrasings.append(
            replace(
                phrasing,
                tasks=mine,
                stratum="plain" if names else "detailed",
                layout="parenthesized" if subject else phrasing.layout,
                label_space="letters" if subject else phrasing.label_space,
            )
        )
    return whole


def _of_type(line: str, kind: TaskType) -> bool:
    """Whether a line on what was left out is of the type, or does not say of which task it is."""
    named = _TASK_NAMED.search(line)
    return named is None or kind.asks(named[1])


def _key_of(phrasing: Phrasing) -> str:
    """Upstream's task in an id, which is ``collection-task-digest``."""
    return phrasing.id.removeprefix(f"{phrasing.source}-").rpartition("-")[0]


def _unfit(
    phrasing: Phrasing, names: frozenset[str], kind: TaskType, tasks: tuple[str, ...]
) -> str:
    """Why a template cannot be asked there; empty when it can."""
    if phrasing.meaning.status == "doubtful":
        return phrasing.meaning.note
    if not tasks:
        return "is about a subject, or a number of choices, that none of --tasks has"
    if more := names - kind.allowed:
        return f"needs {', '.join(sorted(more))}, which the tasks do not have"
    whole = phrasing.layout == "original"  # SuperNI's: stands before the instance as it is
    if (names or not whole) and (lacking := kind.needed - names):
        return f"does not show {', '.join(sorted(lacking))}"
    return ""


def _of_subject(tasks: tuple[str, ...], subject: str) -> tuple[str, ...]:
    """The MMLU task of a subject, where the tasks asked for hold it."""
    name = f"mmlu/{subject}"
    return (name,) if any(fnmatchcase(name, pattern) for pattern in tasks) else ()
