"""Find, read and validate task files and suite files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from evalkit.catalog.kinds import refuse_other_kind
from evalkit.catalog.paths import data_root, inside
from evalkit.catalog.validate import record
from evalkit.catalog.yaml_file import load_yaml
from evalkit.errors import CatalogError
from evalkit.records import Suite, Task
from evalkit.registry import unknown

__all__ = [
    "DERIVED",
    "bases_of",
    "beside",
    "list_suites",
    "list_tasks",
    "load_suite",
    "load_task",
    "read_suite_file",
    "read_task_file",
    "task_ids",
]

DERIVED = ("composition", "injection", "meta", "reasoning", "recast")
"""Readers whose instances are made of another task's."""


@lru_cache(maxsize=4)
def _shipped(root: Path) -> dict[str, Path]:
    """Task id -> file, from file names alone."""
    found: dict[str, Path] = {}
    for folder in sorted(
        entry for entry in root.iterdir() if entry.is_dir() and entry.name != "suites"
    ):
        for path in sorted(folder.glob("*.yaml")):
            found[f"{folder.name}/{path.name.removesuffix('.yaml')}"] = path
    return found


def task_ids() -> list[str]:
    """Return the ids of all shipped tasks, sorted by benchmark and name; reads no file."""
    return list(_shipped(data_root("tasks")))


def _is_file_name(text: str) -> bool:
    return text.endswith((".yaml", ".yml"))


def _shown(path: Path) -> str:
    """Return a shipped file's name as ``tasks/...``, any other as it is."""
    for kind in ("tasks", "paraphrases", "models"):
        root = data_root(kind)
        if path.is_relative_to(root):
            return f"{kind}/{path.relative_to(root).as_posix()}"
    return str(path)


@lru_cache(maxsize=4096)
def _read_task(path: Path, _stamp: tuple[int, int]) -> Task:
    problems: list[str] = []
    file = load_yaml(path, shown=_shown(path), problems=problems)
    refuse_other_kind(file, "task")
    task, wrong = record(Task, file.value, file=file)
    problems += wrong
    if task is None or problems:
        raise CatalogError(problems)
    return beside(task, path.parent)


def beside(task: Task, folder: Path) -> Task:
    """Return the task with a data file that lies in a folder: that of its own file,
    or the current one.

    Shipped tasks name files of the data directory only.
    """
    local = task.source.local
    if (
        not local
        or "{" in local
        or task.source.folder
        or Path(local).is_absolute()
        or folder.is_relative_to(data_root("tasks"))
    ):
        return task
    place = inside(folder, local, where=str(folder))
    if not place.exists() or place.is_dir():
        return task
    place = place.resolve()
    source = dataclasses.replace(task.source, local=str(place), folder=str(folder.resolve()))
    return dataclasses.replace(task, source=source)


def read_task_file(path: Path) -> Task:
    """Return the task of one YAML file.

    Raises
    ------
    CatalogError
        When the file is not there or wrong; all mistakes together.
    """
    try:
        stamp = path.stat()
    except OSError as error:
        raise CatalogError(
            f"{path}: task file cannot be read: {error.strerror}. "
            "Run 'evalkit ls tasks' for shipped tasks."
        ) from error
    return _read_task(path, (stamp.st_mtime_ns, stamp.st_size))


def load_task(task_id: str) -> Task:
    """Return one task by its id (``mmlu/anatomy``) or by the path of its file.

    Raises
    ------
    CatalogError
        When nothing has that name (the closest ids are listed), or its file is wrong.
    """
    if _is_file_name(task_id):
        return read_task_file(Path(task_id))
    shipped = _shipped(data_root("tasks"))
    if task_id not in shipped:
        raise CatalogError(_unknown(task_id, shipped))
    task = read_task_file(shipped[task_id])
    if task.id != task_id:
        raise CatalogError(
            f"{_shown(shipped[task_id])}:1: holds task {task.id!r}; a file is named like its "
            "task. Rename one of them."
        )
    return task


def list_tasks(patterns: Iterable[str] = ("*",)) -> list[Task]:
    """Return the tasks that patterns name, each once, in the order of the patterns.

    Parameters
    ----------
    patterns
        Ids (``bbh/navigate``), patterns (``mmlu/*``), benchmarks (``mmlu``), bare names that only
        one benchmark has (``navigate``), paths of task files, or tasks of lm-eval
        (``lm_eval:boolq``).

    Raises
    ------
    CatalogError
        With one message per pattern that names nothing and per file that is wrong.
    """
    shipped = _shipped(data_root("tasks"))
    found: dict[str, Task] = {}
    problems: list[str] = []
    for pattern in patterns:
        try:
            if pattern.startswith("lm_eval:"):
                from evalkit.catalog.lm_eval_tasks import resolve

                found.update((task.id, task) for task in resolve(pattern) if task.id not in found)
                continue
            if _is_file_name(pattern):
                task = read_task_file(Path(pattern))
                found.setdefault(task.id, task)
                continue
            for task_id in _matching(pattern, shipped):
                if task_id not in found:
                    found[task_id] = load_task(task_id)
        except CatalogError as error:
            problems += error.problems
    if problems:
        raise CatalogError(problems)
    return list(found.values())


def _matching(pattern: str, shipped: dict[str, Path]) -> list[str]:
    """Return the ids one pattern names."""
    if pattern in shipped:
        return [pattern]
    if pattern in {task_id.partition("/")[0] for task_id in shipped}:
        pattern = f"{pattern}/*"
    ids = [task_id for task_id in shipped if fnmatchcase(task_id, pattern)]
    if not ids and "/" not in pattern:
        ids = [task_id for task_id in shipped if task_id.partition("/")[2] == pattern]
        if len(ids) > 1:
            raise CatalogError(
                f"task {pattern!r}: several benchmarks have it: {', '.join(ids)}. Name one of them."
            )
    if not ids:
        raise CatalogError(_unknown(pattern, shipped))
    return ids


def _unknown(name: str, shipped: dict[str, Path]) -> str:
    """Return the message for a task that is not there."""
    benchmarks = sorted({task_id.partition("/")[0] for task_id in shipped})
    bare = {task_id.partition("/")[2]: task_id for task_id in shipped}
    close = get_close_matches(name, [*shipped, *benchmarks], n=3, cutoff=0.7)
    close = close or [
        bare[found] for found in get_close_matches(name.rpartition("/")[2], bare, n=3, cutoff=0.7)
    ]
    hint = f"; did you mean {' or '.join(repr(item) for item in close)}? " if close else ". "
    return (
        f"task {name!r} is not known{hint}Benchmarks: {', '.join(benchmarks)}. "
        "Run 'evalkit ls tasks' for all."
    )


def read_suite_file(path: Path) -> Suite:
    """Return the suite of one YAML file; raise CatalogError with all its mistakes."""
    problems: list[str] = []
    file = load_yaml(path, shown=_shown(path), problems=problems)
    refuse_other_kind(file, "suite")
    suite, wrong = record(Suite, file.value, file=file)
    problems += wrong
    patterns = file.value.get("tasks") if isinstance(file.value, dict) else None
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        try:
            if (
                isinstance(pattern, str)
                and pattern.startswith("lm_eval:")
                and _is_file_name(pattern)
            ):
                raise CatalogError(
                    f"task {pattern!r} is a task file of lm-eval, which may run code; "
                    "a suite may not name one. Name it with --tasks."
                )
            if isinstance(pattern, str) and not _is_file_name(pattern):
                _matching(pattern, _shipped(data_root("tasks")))
        except CatalogError as error:
            problems += [f"{file.at(('tasks', index))}: {problem}" for problem in error.problems]
    if suite is None or problems:
        raise CatalogError(problems)
    return suite


def _suite_files() -> dict[str, Path]:
    return {
        path.name.removesuffix(".yaml"): path
        for path in sorted((data_root("tasks") / "suites").glob("*.yaml"))
    }


def load_suite(name: str) -> Suite:
    """Return a suite by its name or by the path of its file.

    Raises
    ------
    CatalogError
        When nothing has that name (the closest and all known names are listed), or its file is
        wrong.
    """
    if _is_file_name(name):
        if not Path(name).is_file():
            raise CatalogError(
                f"{name}: suite file is not there. Run 'evalkit ls suites' for shipped suites."
            )
        return read_suite_file(Path(name))
    files = _suite_files()
    if name not in files:
        raise CatalogError(
            f"{unknown('suite', name, files)} Or give the path of a suite file (.yaml)."
        )
    return read_suite_file(files[name])


def list_suites() -> list[Suite]:
    """Return all shipped suites, sorted by name."""
    return [read_suite_file(path) for path in _suite_files().values()]


def bases_of(task: Task) -> list[Task]:
    """Return the tasks that a task is made of; none for one with instances of its own.

    Raises
    ------
    CatalogError
        When ``source.options.of`` names no task, or one that is made of tasks itself.
    """
    named = task.source.options.get("of", [])
    patterns = [named] if isinstance(named, str) else named
    texts = isinstance(patterns, list) and all(isinstance(one, str) for one in patterns)
    if task.reader not in DERIVED or not patterns:
        return []
    if not texts:
        raise CatalogError(
            f"task {task.id!r}: source option 'of' is {named!r}; ids or patterns of tasks are "
            "accepted."
        )
    found = list_tasks(patterns)
    if nested := [base.id for base in found if base.reader in DERIVED]:
        raise CatalogError(
            f"task {task.id!r}: is made of {nested[0]}, which is made of tasks itself. "
            "Name its own tasks."
        )
    return found
