"""Values read from a file -> specification records, with every mistake named by file and line.

Types come from the dataclasses of `evalkit.records` through pydantic, strictly (``"3"`` is no
number, ``1`` no text); what types cannot say (a reader that exists, a fraction in [0, 1]) is in the
`_check_*` functions, and of policies in `evalkit.catalog.policy_check`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from evalkit.catalog.policy_check import check_policy
from evalkit.catalog.source_check import check_source, shown
from evalkit.catalog.yaml_file import Where, YamlFile
from evalkit.phrasings.frames import frame_problems
from evalkit.phrasings.templates import check as check_template
from evalkit.records import Meaning, ModelSpec, Phrasing, Source, Suite, Task
from evalkit.records.constraints import constraint_problem
from evalkit.records.extraction import extraction_problem
from evalkit.records.policy import Policy, Rule, Waiver
from evalkit.registry import MEASURES, METRICS, READERS, Registry, meant

__all__ = ["field_names", "record"]

Spec = TypeVar("Spec", Task, Phrasing, ModelSpec, Suite, Policy)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}\Z")
"""Names of tasks, benchmarks, suites and phrasings: safe as file names everywhere."""
_ADAPTERS: dict[type, Any] = {}
_NESTED: dict[tuple[type, str], type] = {
    (Task, "source"): Source,
    (Phrasing, "meaning"): Meaning,
    (Policy, "rules"): Rule,
    (Policy, "waivers"): Waiver,
}


def _adapter(kind: type) -> Any:
    if kind not in _ADAPTERS:
        from pydantic import TypeAdapter

        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def field_names(kind: Any) -> tuple[str, ...]:
    """Return the field names of a record type, in order."""
    return tuple(item.name for item in dataclasses.fields(kind))


def record(
    kind: type[Spec], value: Any, *, file: YamlFile, where: Where = ()
) -> tuple[Spec | None, list[str]]:
    """Return the record that `value` describes, and what is wrong with it.

    Parameters
    ----------
    kind
        `Task`, `Phrasing`, `ModelSpec`, `Suite` or `Policy`.
    value
        What stands in the file.
    file
        The file, for line numbers.
    where
        Where `value` stands in it.

    Returns
    -------
    tuple
        The record (None when it cannot be built) and all mistakes, each ``file:line: what; what is
        accepted``.
    """
    if not isinstance(value, dict):
        return None, [
            (
                f"{file.at(where)}: {shown(value)} stands where a mapping is expected; "
                f"accepted keys: {', '.join(field_names(kind))}."
            )
        ]
    problems: list[str] = list(_unknown_keys(kind, value, file=file, where=where))
    built, wrong = _built(kind, value)
    if wrong is None:
        return None, [
            *problems,
            (
                f"{file.at(where)}: holds a number that is not finite; accepted: "
                "ordinary numbers. Correct it."
            ),
        ]
    problems += [_type_problem(item, file=file, where=where) for item in wrong]
    spoilt = {str(item["loc"][0]) for item in wrong if item["loc"]}
    rest = built
    if wrong:
        kept = {key: item for key, item in value.items() if key not in spoilt}
        rest, _ = _built(kind, {**_PLACEHOLDERS[kind], **kept})
        built = None
    found: list[tuple[Where, str]] = [] if rest is None else list(_CHECKS[kind](rest))
    problems += [
        f"{file.at(where + place)}: {message}" for place, message in found if place[0] not in spoilt
    ]
    return built, problems


def _built(kind: type[Spec], value: Any) -> tuple[Spec | None, list[Any] | None]:
    """Return the record and pydantic's errors.

    None instead of errors for a number that JSON cannot hold.
    """
    from pydantic import ValidationError

    try:
        built: Spec = _adapter(kind).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        return None, list(error.errors())
    except ValueError:  # json.dumps found nan or inf
        return None, None
    return built, []


def _unknown_keys(
    kind: type, value: Mapping[str, Any], *, file: YamlFile, where: Where
) -> Iterator[str]:
    """Yield a message per key that `kind` has no field for, nested records included."""
    known = field_names(kind)
    for key, inner in value.items():
        if key in known:
            nested = _NESTED.get((kind, key))
            if nested is not None and isinstance(inner, dict):
                yield from _unknown_keys(nested, inner, file=file, where=(*where, key))
            elif nested is not None and isinstance(inner, list):
                for place, item in enumerate(inner):
                    if isinstance(item, dict):
                        yield from _unknown_keys(
                            nested, item, file=file, where=(*where, key, place)
                        )
            continue
        close = get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]!r}? Accepted: " if close else "accepted: "
        yield f"{file.at((*where, key))}: key {key!r} is not known; {hint}{', '.join(known)}."


def _type_problem(item: Mapping[str, Any], *, file: YamlFile, where: Where) -> str:
    """Return one pydantic error as a message of ours."""
    path = tuple(item["loc"])
    name = ".".join(str(part) for part in path)
    if item["type"] == "missing":
        return f"{file.at((*where, *path))}: {name!r} is missing. Add it."
    wanted = (
        str(item["msg"])
        .replace("Input should be ", "")
        .replace("a valid string", "text")
        .replace("tuple", "list")
        .replace("array", "list")
    )
    return (
        f"{file.at((*where, *path))}: {name!r} is {shown(item['input'])}; accepted: {wanted}. "
        "Correct it."
    )


def _name_problem(kind: str, name: str) -> str | None:
    if NAME.match(name):
        return None
    return (
        f"{kind} {shown(name)} is not accepted; letters, digits, '_', '.', '+', '-', at most 100, "
        "starting with a letter or digit. Rename it."
    )


def _registered(registry: Registry, name: str) -> str | None:
    """Return what is wrong with the name of a plug-in, or None."""
    if name in registry:
        return None
    hint = meant(name, registry.names())
    return f"{registry.kind} {name!r} is not known{hint}Run 'evalkit ls {registry.kind}s' for all."


def _check_task(task: Task) -> Iterator[tuple[Where, str]]:
    """Yield what types cannot say about a task."""
    for field in ("name", "benchmark"):
        if message := _name_problem(field, getattr(task, field)):
            yield (field,), message
    if message := _registered(READERS, task.reader):
        yield ("reader",), message
    if task.reader == "lm_eval":
        yield (
            ("reader",),
            (
                "reader 'lm_eval' may run code, so no task file may choose it. "
                "Name the task as lm_eval:NAME instead."
            ),
        )
    yield from check_source(task.source)
    if message := _registered(METRICS, task.metric):
        yield ("metric",), message
    for place, name in enumerate(task.measures):
        if message := _registered(MEASURES, name):
            yield ("measures", place), message
    if task.version < 1:
        yield ("version",), f"version is {task.version}; accepted: 1 and up."
    if task.chance is not None and not 0 <= task.chance < 1:
        yield (
            ("chance",),
            (
                f"chance is {task.chance}; accepted: a fraction from 0 to below 1 (0.25 for four "
                "choices)."
            ),
        )
    if task.kind == "generate" and task.max_tokens < 1:
        yield ("max_tokens",), f"max_tokens is {task.max_tokens}; accepted: 1 and up."
    for place, rule in enumerate(task.constraints):
        if message := constraint_problem(rule):
            yield ("constraints", place), message
    if task.extract is not None and (message := extraction_problem(task.extract)):
        yield ("extract",), message
    yield from _check_drawing(task)
    yield from _check_lists(task)
    if task.n_instances is not None and task.n_instances < 1:
        yield (
            ("n_instances",),
            f"n_instances is {task.n_instances}; accepted: 1 and up, or leave it out.",
        )


def _check_lists(task: Task) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with labels and fields."""
    blank = not all(label.strip() for label in task.labels)
    if len(set(task.labels)) != len(task.labels) or len(task.labels) == 1 or blank:
        yield (
            ("labels",),
            (
                f"labels are {list(task.labels)}; accepted: none, or two and more that differ and "
                "are not empty."
            ),
        )
    if not task.fields or len(set(task.fields)) != len(task.fields):
        yield (
            ("fields",),
            (
                f"fields are {list(task.fields)}; accepted: one or more that differ, "
                "such as [question]."
            ),
        )


def _check_drawing(item: Task | Suite) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with how answers are drawn."""
    if item.temperature is not None and not 0 <= item.temperature <= 10:
        yield ("temperature",), f"temperature is {item.temperature}; accepted: 0 to 10."
    if item.top_p is not None and not 0 < item.top_p <= 1:
        yield ("top_p",), f"top_p is {item.top_p}; accepted: above 0, up to 1."
    if item.repeats is not None and item.repeats < 1:
        yield ("repeats",), f"repeats is {item.repeats}; accepted: 1 and up."


def _check_phrasing(phrasing: Phrasing) -> Iterator[tuple[Where, str]]:
    """Yield what types cannot say about a phrasing."""
    if message := _name_problem("id", phrasing.id):
        yield ("id",), message
    if not phrasing.source.strip():
        yield (
            ("source",),
            (
                "source is empty; accepted: the collection the phrasing comes from, "
                "such as evalkit, flan, p3, niv2."
            ),
        )
    if not phrasing.text.strip() and phrasing.kind != "null":
        yield (
            ("text",),
            (
                "text is empty; accepted: the instruction. "
                "Only a phrasing of kind 'null' may be empty."
            ),
        )
    for place, rule in enumerate(phrasing.constraints):
        if message := constraint_problem(rule):
            yield ("constraints", place), message
    if len({word.strip() for word in phrasing.answers} - {""}) != len(phrasing.answers):
        yield (
            ("answers",),
            (
                f"answers are {list(phrasing.answers)}; accepted: a word for every label of the "
                "task, all different, such as [Yes, No]."
            ),
        )
    for message in check_template(phrasing.text):
        yield ("text",), message
    for message in frame_problems(phrasing.frame):
        yield ("frame",), message


def _check_suite(suite: Suite) -> Iterator[tuple[Where, str]]:
    """Yield what types cannot say about a suite."""
    if message := _name_problem("name", suite.name):
        yield ("name",), message
    if not suite.tasks:
        yield (
            ("tasks",),
            "tasks is empty; accepted: one or more task ids or patterns such as mmlu/*.",
        )
    for field, least in (("phrasings", 1), ("limit", 1), ("shots", 0)):
        value = getattr(suite, field)
        if value is not None and value < least:
            yield (
                (field,),
                (
                    f"{field} is {value}; accepted: {least} and "
                    f"up{'' if field == 'shots' else ', or leave it out for all'}."
                ),
            )
    if suite.max_tokens is not None and suite.max_tokens < 1:
        yield ("max_tokens",), f"max_tokens is {suite.max_tokens}; accepted: 1 and up."
    yield from _check_drawing(suite)
    kinds = ("correct", "wrong", "null", "random", "shuffled", "opposite", "negated")
    for index, kind in enumerate(suite.kinds):
        if kind not in kinds:
            yield ("kinds", index), f"kind {kind!r} is not known; accepted: {', '.join(kinds)}."


def _check_model(model: ModelSpec) -> Iterator[tuple[Where, str]]:
    """Yield what types cannot say about a model."""
    if not model.name.strip():
        yield ("name",), "name is empty; accepted: a directory, a hub id or a served model name."
    if model.dtype not in ("auto", "float32", "bfloat16", "float16"):
        yield (
            ("dtype",),
            f"dtype {model.dtype!r} is not known; accepted: auto, float32, bfloat16, float16.",
        )
    if model.device not in ("auto", "cpu", "cuda") and not re.match(r"cuda:\d+\Z", model.device):
        yield (
            ("device",),
            f"device {model.device!r} is not known; accepted: auto, cpu, cuda, cuda:N.",
        )
    if model.batch_size is not None and model.batch_size < 1:
        yield (
            ("batch_size",),
            f"batch_size is {model.batch_size}; accepted: 1 and up, or leave it out for automatic.",
        )
    placed = [(one, level) for level, patterns in model.levels.items() for one in patterns]
    for pattern, count in Counter(one for one, _ in placed).items():
        if count > 1:
            found = " and ".join(level for one, level in placed if one == pattern)
            yield (
                ("levels",),
                f"{pattern!r} stands under {found}; accepted: one level. Leave it under one.",
            )


_PLACEHOLDERS: dict[type, dict[str, Any]] = {
    Task: {"name": "x", "benchmark": "x", "reader": "table"},
    Phrasing: {"id": "x", "text": "x", "source": "x"},
    Suite: {"name": "x", "tasks": ["x"]},
    ModelSpec: {"backend": "hf", "name": "x"},
    Policy: {"name": "x", "rules": [{"metric": "mean", "margin": 0.5}]},
}
"""What stands in for required fields that are wrong, so that the other fields can still be
checked."""
_CHECKS: dict[type, Any] = {
    Task: _check_task,
    Phrasing: _check_phrasing,
    Suite: _check_suite,
    ModelSpec: _check_model,
    Policy: check_policy,
}
