"""Find, read and validate phrasing files; tell whether a model has seen a phrasing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.catalog.collections import is_collection_file, relation_in
from evalkit.catalog.kinds import refuse_other_kind
from evalkit.catalog.paths import data_root
from evalkit.catalog.tasks import _shown
from evalkit.catalog.validate import field_names, record
from evalkit.catalog.yaml_file import Where, YamlFile, load_yaml
from evalkit.errors import CatalogError
from evalkit.phrasings.templates import slots
from evalkit.records import ModelSpec, Phrasing, Seen, Task

__all__ = [
    "COMMON_SLOTS",
    "load_phrasings",
    "phrasing_files_beside",
    "phrasings_for",
    "read_phrasing_file",
    "relation",
    "sources_apart",
    "tuned_on_collection",
]

COMMON_SLOTS = frozenset({"category", "choices", "question", "subject"})
"""Slots every task fills, besides its own fields."""
_FILE_KEYS = ("tasks", "defaults", "phrasings")


@dataclass(frozen=True)
class _Read:
    """One phrasing and where it stands."""

    phrasing: Phrasing
    at: str


@lru_cache(maxsize=1024)
def _read(path: Path, _stamp: tuple[int, int]) -> tuple[_Read, ...]:
    problems: list[str] = []
    file = load_yaml(path, shown=_shown(path), problems=problems)
    refuse_other_kind(file, "phrasings")
    found: list[_Read] = []
    first: dict[str, str] = {}
    patterns, defaults, entries, base = _split(file, problems)
    for index, entry in enumerate(entries):
        where: Where = (*base, index)
        merged = {**defaults, **entry} if isinstance(entry, dict) else entry
        if isinstance(merged, dict):
            merged.setdefault("tasks", patterns)
        phrasing, wrong = record(Phrasing, merged, file=file, where=where)
        problems += wrong
        if phrasing is None:
            continue
        if phrasing.id in first:
            problems.append(
                f"{file.at((*where, 'id'))}: id {phrasing.id!r} stands here again, "
                f"first at {first[phrasing.id]}. Rename one."
            )
        first.setdefault(phrasing.id, file.at((*where, "id")))
        found.append(_Read(phrasing, file.at(where)))
    if not entries and not problems:
        problems.append(
            f"{file.at(base)}: holds no phrasings; one or more are expected. Fill it or delete it."
        )
    if problems:
        raise CatalogError(problems)
    return tuple(found)


def _split(
    file: YamlFile, problems: list[str]
) -> tuple[list[Any], dict[str, Any], list[Any], Where]:
    """Return patterns, defaults, entries and where the entries stand.

    Both forms of a phrasing file.
    """
    value = file.value
    if isinstance(value, list):
        return [], {}, value, ()
    if not isinstance(value, dict):
        problems.append(
            f"{file.at(())}: a list of phrasings, or a mapping with {', '.join(_FILE_KEYS)}, "
            "is expected."
        )
        return [], {}, [], ()
    for key in value:
        if key not in _FILE_KEYS:
            problems.append(
                f"{file.at((key,))}: key {key!r} is not known; accepted: {', '.join(_FILE_KEYS)}."
            )
    parts: list[Any] = []
    for key, kind, empty in (("tasks", list, []), ("defaults", dict, {}), ("phrasings", list, [])):
        part = value.get(key, empty)
        if not isinstance(part, kind):
            problems.append(
                f"{file.at((key,))}: {key!r} is {part!r}; accepted: a "
                f"{'list' if kind is list else 'mapping'}."
            )
            part = empty
        parts.append(part)
    patterns, defaults, entries = parts
    for key in [key for key in defaults if key not in field_names(Phrasing)]:
        problems.append(
            f"{file.at(('defaults', key))}: key {key!r} is not known; accepted: "
            f"{', '.join(field_names(Phrasing))}."
        )
        defaults = {name: item for name, item in defaults.items() if name != key}
    return patterns, defaults, entries, ("phrasings",)


def _stamped(path: Path) -> tuple[_Read, ...]:
    try:
        stamp = path.stat()
    except OSError as error:
        raise CatalogError(
            f"{path}: phrasing file cannot be read: {error.strerror}. "
            "Run 'evalkit ls phrasings' for shipped ones."
        ) from error
    return _read(path, (stamp.st_mtime_ns, stamp.st_size))


def read_phrasing_file(path: Path) -> list[Phrasing]:
    """Return all phrasings of one file; raise CatalogError with all its mistakes."""
    return [item.phrasing for item in _stamped(path)]


def sources_apart(benchmark: str) -> tuple[str, ...]:
    """Return the sources of a benchmark that have a folder of their own
    (``paraphrases/<benchmark>/<source>/``): used only where they are named.
    """
    return tuple(sorted(path.name for path in (data_root("paraphrases") / benchmark).glob("*/")))


def _files(task: Task, sources: Collection[str]) -> Iterator[Path]:
    """Yield the shipped files whose phrasings the task uses.

    The set named like it, the sets it names, then both of the named sources kept apart.
    """
    folder = data_root("paraphrases") / task.benchmark
    own = folder / f"{task.name}.yaml"
    if own.is_file():
        yield own
    for name in task.phrasings:
        if "/" in name:
            continue  # of another benchmark, see `_borrowed`
        path = folder / f"{name}.yaml"
        if not path.is_file():
            raise CatalogError(
                f"{task.id}: phrasing set {name!r} is not there; looked for {_shown(path)}. "
                "Correct 'phrasings' of the task."
            )
        if path != own:
            yield path
    for source in sources_apart(task.benchmark):
        apart = [
            folder / source / f"{name}.yaml" for name in dict.fromkeys((task.name, *task.phrasings))
        ]
        yield from (path for path in apart if source in sources and path.is_file())


def _borrowed(task: Task) -> Iterator[_Read]:
    """Yield the phrasings of other benchmarks' sets that the task names,
    as far as it fills their slots.
    """
    offered = COMMON_SLOTS.union(task.fields)
    for name in task.phrasings:
        if "/" not in name:
            continue
        path = data_root("paraphrases") / f"{name}.yaml"
        if ".." in name or not path.is_file():
            raise CatalogError(
                f"{task.id}: phrasing set {name!r} is not there; looked for {_shown(path)}. "
                "Correct 'phrasings' of the task."
            )
        for item in _stamped(path):
            if slots(item.phrasing.text) <= offered:
                yield _Read(replace(item.phrasing, tasks=()), item.at)


def load_phrasings(
    task: Task, *, extra: Sequence[Path] = (), sources: Collection[str] = ()
) -> list[Phrasing]:
    """Return the phrasings a task can be asked with, in file order.

    Parameters
    ----------
    task
        The task; the set named like it and the sets it names are read from
        ``paraphrases/<benchmark>/``. A set of another benchmark is named ``benchmark/set``; its
        phrasings with slots that the task does not fill are left out.
    extra
        Further phrasing files; a phrasing without ``tasks`` is taken for every task. Where none is
        named, those of `phrasing_files_beside` are read.
    sources
        Sources asked for by name. Phrasings of other sources are not left out; those of
        `sources_apart` are added when they are named.

    Raises
    ------
    CatalogError
        When a file is missing or wrong, an id stands twice, or a phrasing asks for a slot the task
        does not fill.
    """
    further = extra or phrasing_files_beside(task)
    own = [item for path in [*_files(task, sources), *further] for item in _stamped(path)]
    return _fitting(task, [*_borrowed(task), *own])


def phrasing_files_beside(task: Task, *, of_any: bool = False) -> tuple[Path, ...]:
    """Return the files ``*phrasings*.yaml`` in the folder of a task's own table that name the task.

    Empty for tasks whose data lies elsewhere.

    Parameters
    ----------
    task
        The task.
    of_any
        Those that do not name it too.

    Raises
    ------
    CatalogError
        When such a file is wrong.
    """
    if not task.source.folder:
        return ()
    return tuple(
        path
        for path in sorted(Path(task.source.folder).glob("*phrasings*.yaml"))
        if path.is_file()
        and any(
            of_any or fnmatchcase(task.id, pattern)
            for item in _stamped(path)
            for pattern in item.phrasing.tasks
        )
    )


def phrasings_for(task: Task, phrasings: Sequence[Phrasing]) -> list[Phrasing]:
    """Return those of the phrasings that are for a task; one without ``tasks`` is for every task.

    Raises
    ------
    CatalogError
        When an id stands twice, or a phrasing asks for a slot the task does not fill.
    """
    return _fitting(task, [_Read(one, f"phrasing {one.id}") for one in phrasings])


def _fitting(task: Task, items: Sequence[_Read]) -> list[Phrasing]:
    offered = COMMON_SLOTS.union(task.fields)
    taken: dict[str, _Read] = {}
    problems: list[str] = []
    for item in items:
        phrasing = item.phrasing
        if phrasing.tasks and not any(fnmatchcase(task.id, pattern) for pattern in phrasing.tasks):
            continue
        if phrasing.id in taken:
            problems.append(
                f"{item.at}: id {phrasing.id!r} stands here again, first at "
                f"{taken[phrasing.id].at}. Rename one."
            )
            continue
        if strange := sorted(slots(phrasing.text) - offered):
            problems.append(
                f"{item.at}: {task.id} has no slot {', '.join(strange)}; it fills "
                f"{', '.join(sorted(offered))}. Correct the text."
            )
        if phrasing.answers and len(phrasing.answers) != len(task.labels):
            problems.append(
                f"{item.at}: answers are {list(phrasing.answers)}, and {task.id} has the labels "
                f"{list(task.labels)}; give one word for every label, in their order."
            )
        taken[phrasing.id] = item
    if problems:
        raise CatalogError(problems)
    return [item.phrasing for item in taken.values()]


def tuned_on_collection(entry: str) -> tuple[str, str]:
    """Return collection and scope of one ``tuned_on`` entry.

    ``niv2`` is the whole collection; ``niv2@!superni/*`` is the collection without its phrasings of
    the tasks the pattern names (they were held out of tuning); ``niv2@mmlu/*`` is only those.

    Examples
    --------
    >>> tuned_on_collection("niv2@!superni/*")
    ('niv2', '!superni/*')
    """
    collection, _, scope = entry.partition("@")
    return collection, scope


def relation(phrasing: Phrasing, model: ModelSpec, task: Task) -> Seen:
    """Return whether the model met wordings of this phrasing's source while it was tuned.

    Parameters
    ----------
    phrasing
        Its `source` decides.
    model
        Its `tuned_on` decides; None means that nothing is known of its tuning. An entry that names
        a collection file (see `evalkit.catalog.collections`) decides by what was found in the
        tuning set, whatever the phrasing's source.
    task
        Task the phrasing is used for, since a tuning set may have held tasks out.

    Returns
    -------
    str
        ``seen``, ``unseen``, or ``unknown`` when the model says nothing of its tuning.
    """
    if model.tuned_on is None:
        return "unknown"
    found: Seen = "unseen"
    for entry in model.tuned_on:
        if is_collection_file(entry):
            said = relation_in(entry, phrasing)
            if said == "seen":
                return "seen"
            found = "unknown" if said == "unknown" else found
            continue
        collection, scope = tuned_on_collection(entry)
        if collection != phrasing.source:
            continue
        if not scope or fnmatchcase(task.id, scope.removeprefix("!")) != scope.startswith("!"):
            return "seen"
    return found
