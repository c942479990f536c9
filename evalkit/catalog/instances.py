"""Instances of a task: load them through its reader, check them, name them by a digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.catalog.files import data_directory, locate
from evalkit.catalog.tasks import DERIVED, bases_of
from evalkit.errors import CatalogError, DataMissingError
from evalkit.records import Instance, Phrasing, Task
from evalkit.registry import READERS

__all__ = ["LEFT_OUT", "available_tasks", "dataset_phrasings", "load_instances", "read_instances"]

LEFT_OUT = "left out as published"
"""Words of the note on instances that a published file holds and that cannot be asked."""

MADE = frozenset({"code_made", "corrections", "declining", "following", "languages", "procedural"})
"""Readers that make their instances and read nothing."""
_EMBEDDED = MADE | {"lm_eval"}
"""Readers whose instances are made by evalkit or by another library and need no files of ours."""
_OWN_OR_FILE = frozenset({"context", "relation"})
"""Readers that make instances where their task names no file."""
_PUBLISHED = frozenset(
    {
        *("bbh", "bigbench", "glue", "lm_eval", "math", "mmlu", "squad", "superni"),
        *("translation", "belebele", "pawsx", "relation", "xcopa", "xnli"),
    }
)
"""Readers of what others publish, in which an instance that cannot be asked is left out."""


def load_instances(
    task: Task, data_dir: Path | None = None, split: str | None = None
) -> list[Instance]:
    """Return the instances of one split of a task, in upstream order.

    Parameters
    ----------
    task
        The task; its reader parses the files.
    data_dir
        Data directory; ``EVALKIT_DATA``, then the cache folder, when None.
    split
        Split to read; the scored split when None.

    Raises
    ------
    DataMissingError
        When the files are not on this machine.
    CatalogError
        When they are wrong: not parseable, no instance, an id twice, a target out of range, or
        another number of instances than published.
    """
    return read_instances(task, data_dir, split)[0]


def read_instances(
    task: Task, data_dir: Path | None = None, split: str | None = None
) -> tuple[list[Instance], list[str]]:
    """Return the instances of one split, as `load_instances`, and what had to be left out of it.

    Published files hold a few instances that cannot be asked (a single option, a target that is no
    choice). They are left out by name; when more than half are so, the file is not what the task
    says and is refused. In a user's own table they are mistakes.

    Returns
    -------
    tuple
        Instances, and at most one note that names and counts those left out.
    """
    wanted = split or task.split
    read: list[Instance] = READERS.load(task.reader)(task, data_dir, wanted)
    flaws = {
        position: flaw
        for position, instance in enumerate(read)
        if (flaw := instance.flaw or (task.reader in _PUBLISHED and _flaw(task, instance)))
    }
    named = [
        f"{read[position].where or _shown(task, read[position])} {flaw}"
        for position, flaw in flaws.items()
    ]
    if 2 * len(flaws) > len(read):
        raise CatalogError(named[:20])
    instances = [instance for position, instance in enumerate(read) if position not in flaws]
    problems = _problems(task, instances)
    if task.n_instances is not None and wanted == task.split and len(read) != task.n_instances:
        problems.append(
            f"{task.id}: {wanted!r} has {len(read)} instances where {task.n_instances} are "
            "published. Get the data again, or leave 'n_instances' out of your own task file if "
            "it differs on purpose."
        )
    if problems:
        raise CatalogError(problems[:20])
    if not flaws:
        return instances, []
    return instances, [
        f"{task.id}: {len(flaws)} of {len(read)} instances {LEFT_OUT}: "
        f"{' '.join(_by_reason(task, read, flaws))}"
    ]


def _by_reason(task: Task, read: Sequence[Instance], flaws: Mapping[int, str]) -> list[str]:
    """Return every reason once, behind the places where it holds, ten of them at most."""
    places: dict[str, list[str]] = {}
    for position, flaw in flaws.items():
        place = read[position].where or _shown(task, read[position])
        places.setdefault(flaw, []).append(place)
    return [_at(where, flaw) for flaw, where in list(places.items())[:20]]


def _at(places: Sequence[str], flaw: str) -> str:
    """Return a sentence on places: the first in full, of the others in its file the line alone.

    >>> _at(["a.tsv:3", "a.tsv:7"], "holds NS.")
    'a.tsv:3, 7: each holds NS.'
    """
    if len(places) == 1:
        return f"{places[0]} {flaw}"
    file = f"{places[0].rpartition(':')[0]}:"
    shown = ", ".join([places[0], *(place.removeprefix(file) for place in places[1:10])])
    return f"{shown}{f' and {len(places) - 10} more' if len(places) > 10 else ''}: each {flaw}"


def _shown(task: Task, instance: Instance) -> str:
    """Return where an instance stands and its name, for the start of a message."""
    return f"{instance.where}{': ' if instance.where else ''}{task.id}: instance {instance.id!r}"


_EMPTY = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters without ink that Unicode counts as letters or symbols:
fillers of Hangul, blank Braille.
"""


def _blank(text: str) -> bool:
    """Whether a text shows nothing: empty, blanks, or letters that cannot be seen."""
    return not any(
        letter.isprintable() and not letter.isspace() and letter not in _EMPTY for letter in text
    )


def _flaw(task: Task, instance: Instance) -> str:
    """Return why an instance cannot be asked or scored, whatever format it came from;
    empty when it can.
    """
    if _blank(instance.fields.get("question", "x")):
        return "has an empty question; a text is expected. Fill it in."
    if task.kind == "choice" and len(instance.choices) < 2:
        return f"has {len(instance.choices)} choices; two or more are expected of a choice task."
    if any(_blank(choice) for choice in instance.choices):
        return "has an empty choice; texts are expected. Fill it in or take it away."
    if not instance.references and not (task.constraints or "constraints" in instance.fields):
        return "has no accepted answer. Add one."
    if any(_blank(reference) for reference in instance.references):
        return "has an empty accepted answer; a text is expected. Fill it in."
    if (
        task.kind == "choice"
        and instance.target is None
        and not set(instance.references) & set(instance.choices)
    ):
        return f"has target {instance.references[0]!r}, which is none of its choices."
    return ""


def _problems(task: Task, instances: Sequence[Instance]) -> list[str]:
    """Return what is wrong with instances whatever format they came from."""
    if not instances:
        return [
            (
                f"{task.id}: no instances were read; at least one is expected. "
                "Check 'source' and the data."
            )
        ]
    problems: list[str] = []
    if task.group and not any(task.group in instance.fields for instance in instances):
        problems.append(
            f"{task.id}: group is {task.group!r}, which no instance has as a field; fields: "
            f"{', '.join(instances[0].fields)}. Name one of them."
        )
    met: dict[str, str] = {}
    for instance in instances:
        where = _shown(task, instance)
        if _blank(instance.id):
            problems.append(
                f"{where} has an empty id; every instance needs one of its own. "
                "Fill it in, or leave 'id' out of the columns."
            )
        elif instance.id in met:
            first = f", first in {met[instance.id]}" if met[instance.id] else ""
            problems.append(
                f"{where} stands twice{first}; ids are unique within a task. "
                "Rename one, or name several columns: id: [a, b]."
            )
        met.setdefault(instance.id, instance.where)
        if "question" not in instance.fields:
            problems.append(
                f"{where} has no field 'question'; it has {', '.join(instance.fields) or 'none'}. "
                "Correct the column mapping."
            )
        if instance.target is not None and not 0 <= instance.target < len(instance.choices):
            problems.append(
                f"{where} has target {instance.target}; accepted: 0 to {len(instance.choices) - 1}."
            )
        if flaw := _flaw(task, instance):
            problems.append(f"{where} {flaw}")
    return problems


def available_tasks(
    tasks: Sequence[Task], data_dir: Path | None = None
) -> tuple[list[Task], list[tuple[Task, str]]]:
    """Return the tasks whose data is on this machine, and the others each with the reason.

    Files are looked for, not read; tasks of embedded benchmarks are always present.
    """
    data_directory(data_dir)
    present: list[Task] = []
    absent: list[tuple[Task, str]] = []
    for task in tasks:
        try:
            for base in bases_of(task) if task.reader in DERIVED else [task]:
                made = base.reader in _EMBEDDED or "rows" in base.source.options
                if not made and not (base.reader in _OWN_OR_FILE and not base.source.local):
                    locate(base, data_dir, base.split)
            present.append(task)
        except DataMissingError as error:
            absent.append((task, str(error)))
    return present, absent


def dataset_phrasings(task: Task, data_dir: Path | None = None) -> list[Phrasing]:
    """Return the phrasings that come with the data themselves, such as a SuperNI definition.

    Empty for most tasks.

    Raises
    ------
    DataMissingError
        When the files are not on this machine.
    """
    if task.reader != "superni":
        return []
    from evalkit.catalog.readers.superni import definition

    return [definition(task, data_dir)]
