"""Validate files of any kind; the kind is told by what a file holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from evalkit.catalog.instances import read_instances
from evalkit.catalog.kinds import kind_of
from evalkit.catalog.models import KnownModel, read_model_file
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.catalog.policies import read_policy_file
from evalkit.catalog.tasks import read_suite_file, read_task_file
from evalkit.catalog.validate import field_names
from evalkit.catalog.yaml_file import load_yaml
from evalkit.errors import CatalogError, DataMissingError, EvalkitError
from evalkit.records import ModelSpec, Suite, Task

__all__ = ["check_file", "check_paths", "kind_of", "shipped_files", "yaml_files"]


def _check_known_models(path: Path) -> None:
    from pydantic import TypeAdapter, ValidationError

    file = load_yaml(path)
    entries = file.value.get("models")
    try:
        TypeAdapter(tuple[KnownModel, ...]).validate_python(entries)
    except ValidationError as error:
        raise CatalogError(
            [
                (
                    f"{file.at(('models', *item['loc']))}: {'.'.join(map(str, item['loc']))}: "
                    f"{item['msg']}."
                )
                for item in error.errors()
            ]
        ) from error
    for index, entry in enumerate(entries):
        if strange := sorted(set(entry) - set(field_names(KnownModel))):
            raise CatalogError(
                f"{file.at(('models', index))}: key {strange[0]!r} is not known; accepted: "
                f"{', '.join(field_names(KnownModel))}."
            )


_CHECKS: Mapping[str, Callable[[Path], object]] = {
    "phrasings": read_phrasing_file,
    "known models": _check_known_models,
    "task": read_task_file,
    "model": lambda path: read_model_file(
        path, directory=path.parent if path.name == "evalkit.yaml" else None
    ),
    "suite": read_suite_file,
    "policy": read_policy_file,
}


def _check_data(path: Path, data_dir: Path | None) -> None:
    """Raise what is wrong with the instances of a user's task;
    data that is not here is no mistake.
    """
    if path.resolve().is_relative_to(data_root("tasks").resolve()):
        return
    task = read_task_file(path)
    for split in dict.fromkeys((task.split, task.shot_split)):
        if split is not None:
            with suppress(DataMissingError):
                read_instances(task, data_dir, split)


def check_file(path: Path, data_dir: Path | None = None) -> tuple[str, list[str]]:
    """Return the kind of a file and all that is wrong with it.

    Parameters
    ----------
    path
        YAML file.
    data_dir
        Where the instances of a task are looked for, to be checked too; see `read_instances`.

    Returns
    -------
    tuple
        Kind (``unknown`` when it cannot be told) and messages with file and line; none when the
        file is fine.
    """
    kind = "unknown"
    try:
        file = load_yaml(path, problems=[])
        told = kind_of(file.value)
        if told is None:
            kinds = (
                f"a task ({', '.join(field_names(Task)[:4])}, ...), a suite "
                f"({', '.join(field_names(Suite)[:4])}, ...), a model "
                f"({', '.join(field_names(ModelSpec)[:2])}, ...)"
            )
            return kind, [
                f"{path}:1: cannot be told what it is; expected are {kinds}, phrasings or a policy."
            ]
        kind = told
        _CHECKS[kind](path)
        if kind == "task":
            _check_data(path, data_dir)
    except CatalogError as error:
        return kind, list(error.problems)
    except EvalkitError as error:
        return kind, str(error).splitlines()
    return kind, []


def yaml_files(paths: Iterable[Path]) -> list[Path]:
    """Return files, and the YAML files below directories, sorted.

    Raise CatalogError for what is not there or holds none.
    """
    found: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                item
                for item in path.rglob("*")
                if item.suffix in (".yaml", ".yml") and item.is_file()
            )
            if not inside:
                problems.append(f"{path}: holds no YAML file (.yaml, .yml). Check the path.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            problems.append(f"{path}: is not there. Check the path.")
    if problems:
        raise CatalogError(problems)
    return list(dict.fromkeys(found))


def shipped_files() -> list[Path]:
    """Return all task, suite, phrasing, model and policy files that come with evalkit."""
    folders = [
        *(data_root(kind) for kind in ("tasks", "paraphrases", "models")),
        data_root("reports") / "baselines",
    ]
    return [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]


def check_paths(
    paths: Iterable[Path], data_dir: Path | None = None
) -> tuple[dict[Path, str], list[str]]:
    """Return the kind of every file, and all that is wrong with all of them, ids that stand in
    two files included.
    """
    kinds: dict[Path, str] = {}
    problems: list[str] = []
    first: dict[str, Path] = {}
    for path in yaml_files(paths):
        kinds[path], wrong = check_file(path, data_dir)
        problems += wrong
        if kinds[path] == "phrasings" and not wrong:
            for phrasing in read_phrasing_file(path):
                if phrasing.id in first:
                    problems.append(
                        f"{path}:1: id {phrasing.id!r} stands in {first[phrasing.id]} too. "
                        "Rename one."
                    )
                first.setdefault(phrasing.id, path)
    return kinds, problems
