"""What was given, as text or as objects -> `Settings`.

The command line gives text; a call in Python gives text, numbers, lists and records. Both pass
through `settings_of`. Messages name options as they are typed; `evalkit.runs.spoken` says them as
keywords.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from evalkit import catalog
from evalkit.backends.base import Backend
from evalkit.backends.given import FunctionBackend, as_backend, spec_of
from evalkit.backends.template_kwargs import NAME as TEMPLATE_KWARGS
from evalkit.backends.template_kwargs import as_json, template_kwargs
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, Phrasing, Stratum, Suite, Task, digest
from evalkit.runs.drawing import refuse_drawing
from evalkit.runs.options import OPTIONS, Option
from evalkit.runs.settings import Settings

__all__ = ["command_of", "settings_of"]

WORDS = {
    bool: "True or False",
    float: "a number",
    int: "a whole number",
    Path: "a path",
    str: "text",
}
"""Kind of an option -> what is accepted."""
STOPPING = ("mean", "median", "min", "max", "std", "spread", "cvar10", "q05", "q95")
"""Statistics whose interval can decide when to stop asking."""
LOADING = ("device", "dtype", "revision", "chat_template", "model_args")
"""Options of a model that evalkit loads itself."""
READING = ("chat_template", "batch_size")
"""Those of a Transformers model that is in memory already."""


def settings_of(given: Mapping[str, Any], *, command: str = "") -> Settings:
    """Return the settings that options ask for.

    Parameters
    ----------
    given
        Name in `OPTIONS` -> value; what is left out or None has its default.
    command
        What was typed, for the manifest and for going on; the call in Python when empty.

    Raises
    ------
    UsageError
        When a value is not understood or out of range, or options contradict each other.
    EvalkitError
        When there is no such model, suite or task, or its file is wrong.
    """
    held = {option.name: _held(option, given.get(option.name)) for option in OPTIONS}
    named, tasks = _suite(held["suite"], held["tasks"] or ())
    own = held["phrasings"] if isinstance(held["phrasings"], tuple) else ()
    suite = _asked_suite(named, held, own=bool(own))
    model, backend = _model(held)
    if held[TEMPLATE_KWARGS] is not None:
        model = _with_variables(model, held[TEMPLATE_KWARGS], given=backend is not None)
    if held["allow_unknown"]:
        model = _allowing_unknown(model, given=backend is not None)
    return Settings(
        model=model,
        backend=backend,
        suite=replace(suite, phrasings=None) if own else suite,
        tasks=tasks,
        phrasings=tuple(_phrasing(item) for item in own),
        data_dir=_data_dir(held["data_dir"]),
        out=held["out"],
        phrasing_files=held["phrasing_file"],
        mitigations=held["mitigation"],
        limited=(suite.limit, suite.budget) != (named.limit, named.budget),
        available=held["available"],
        fresh=held["fresh"],
        cache=False if isinstance(backend, FunctionBackend) else held["cache"],
        code_execution=held["allow_code_execution"],
        report=not held["no_report"],
        seed=held["seed"],
        level=_within(held, "level", 0.5, 1),
        representations=held["representations"],
        uncertainty=held["uncertainty"],
        score_by=held["score_by"],
        judge=_judge(held["judge"]),
        executor=held["executor"],
        workers=held["workers"],
        address=held["address"],
        resamples=_within(held, "resamples", 99, 1_000_001),
        command=command or command_of({name: held[name] for name in held if name in given}),
    )


def _asked_suite(named: Suite, held: Mapping[str, Any], *, own: bool) -> Suite:
    """Return a suite with what options change of it; `own`: phrasings are given themselves."""
    suite = _with_options(
        named,
        limit=held["limit"],
        phrasings=None if own else held["phrasings"],
        strata=_strata(held["stratum"]),
        languages=held["languages"] or None,
        kinds=held["kinds"] or None,
        shots=held["shots"],
        perturbations=(*named.perturbations, *held["perturb"]) if held["perturb"] else None,
        budget=held["budget"] if held["budget"] is None else _within(held, "budget", 0, 1),
        budget_design=held["budget_design"],
        half_width=_half_width(held["half_width"]),
        find=held["find"],
        max_tokens=held["max_tokens"],
        temperature=held["temperature"],
        top_p=held["top_p"],
        repeats=held["repeats"],
    )
    refuse_drawing(suite)
    return suite


def _judge(judge: str | ModelSpec | None) -> ModelSpec | None:
    """Return the model that judges."""
    return catalog.load_model(judge) if isinstance(judge, str) else judge


def _strata(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the strata asked for; None for those of the suite."""
    accepted = tuple(name for name in get_args(Stratum) if name)
    for name in names or ():
        if name not in accepted:
            raise UsageError(
                f"--stratum {name!r}: is no stratum; accepted: {', '.join(accepted)}, "
                "or several with commas."
            )
    return tuple(names or ()) or None


def _held(option: Option, value: Any) -> Any:
    """Return what an option holds: a value of its kind or its record, a tuple of them for
    several.
    """
    if value is None and option.variable:
        value = os.environ.get(option.variable) or None
    if value is None:
        return () if option.repeated else option.default
    several = isinstance(value, list | tuple)
    if option.listed and isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if option.repeated or option.listed:
        return tuple(_one(option, item) for item in (value if several else [value]))
    if option.several is not None:
        items = value if several else [value]
        if isinstance(value, option.several) or (
            several and items and all(isinstance(item, option.several | str) for item in items)
        ):
            return tuple(items)
    return _one(option, value)


def _one(option: Option, value: Any) -> Any:
    if option.kind is object or (option.record and isinstance(value, option.record)):
        return value
    try:
        found = _converted(option.kind, value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None:
        taken = [WORDS[option.kind]]
        taken += [f"evalkit.{option.record.__name__}"] if option.record else []
        taken += [f"a list of evalkit.{option.several.__name__}"] if option.several else []
        raise UsageError(
            f"{option.flag}: {value!r} is not understood; {' or '.join(taken)} is accepted."
        )
    if option.accepted and found not in option.accepted:
        raise UsageError(
            f"{option.flag}: {value!r} is not known; {' or '.join(option.accepted)} is accepted."
        )
    if option.least is not None and found < option.least:
        raise UsageError(
            f"{option.flag}: {found} is not possible; a whole number from {option.least} is "
            "accepted."
        )
    return found


def _converted(kind: type, value: Any) -> Any:
    """Return a value as a kind; None where there is no such value of it.

    >>> _converted(int, "12"), _converted(int, 1.5), _converted(str, 0.02), _converted(int, True)
    (12, None, '0.02', None)
    """
    if kind is bool or isinstance(value, bool):
        return value if kind is bool and isinstance(value, bool) else None
    if kind is str:
        return str(value) if isinstance(value, str | os.PathLike | int | float) else None
    if kind is int and not isinstance(value, str):
        return int(value) if int(value) == value else None
    return kind(value)


def _suite(
    suite: str | Suite | None, tasks: tuple[str | Task, ...]
) -> tuple[Suite, tuple[Task, ...]]:
    """Return the suite that is run, and those of its tasks that were given as records."""
    if bool(suite) == bool(tasks):
        raise UsageError(
            "--suite or --tasks: exactly one of the two says what is run. "
            "Type 'evalkit ls suites' or 'evalkit ls tasks'."
        )
    if suite:
        return (suite if isinstance(suite, Suite) else catalog.load_suite(suite)), ()
    own = tuple(catalog.beside(task, Path()) for task in tasks if isinstance(task, Task))
    names = tuple(task.id if isinstance(task, Task) else task for task in tasks)
    return Suite(name="tasks", tasks=names), own


def _phrasing(item: Phrasing | str) -> Phrasing:
    """Return a phrasing; one that was given as text gets an id made of it."""
    if isinstance(item, Phrasing):
        return item
    return Phrasing(id=f"own-{digest(item, length=12)}", text=item, source="own", licence="")


def _with_options(suite: Suite, **changes: Any) -> Suite:
    """Return a suite with options in place of its own; None leaves the suite's value."""
    return replace(suite, **{name: value for name, value in changes.items() if value is not None})


def _half_width(text: str | None) -> tuple[str, float] | None:
    """Return metric and half-width.

    >>> _half_width("0.02"), _half_width("spread=0.05")
    (('mean', 0.02), ('spread', 0.05))
    """
    if text is None:
        return None
    metric, _, number = text.rpartition("=")
    if metric and metric not in STOPPING:
        raise UsageError(
            f"--half-width: {metric!r} cannot decide when to stop; {', '.join(STOPPING)} can, "
            "such as spread=0.05."
        )
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise UsageError(
            f"--half-width: {text!r} is not understood; a fraction between 0 and 1 is accepted, "
            "such as 0.02 or spread=0.05."
        )
    return metric or "mean", value


def _within(held: Mapping[str, Any], name: str, low: float, high: float) -> Any:
    if not low < held[name] < high:
        raise UsageError(
            f"--{name}: {held[name]:g} is out of range; a number above {low:.7g} and below "
            f"{high:.7g} is accepted."
        )
    return held[name]


def _data_dir(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise UsageError(
            f"--data-dir: {path} is not a directory; one folder per benchmark is expected there. "
            "Type 'evalkit data where'."
        )
    return path


def _model(held: Mapping[str, Any]) -> tuple[ModelSpec, Backend | None]:
    """Return the model, and its backend when it was given as an object."""
    model, changes = held["model"], _changes(held)
    if isinstance(model, str | os.PathLike):
        if held["model_args"] is not None:
            return catalog.model_from_lm_eval(str(model), held["model_args"], **changes), None
        return catalog.load_model(os.fspath(model), **changes), None
    if isinstance(model, ModelSpec):
        if held["model_args"] is not None:
            raise UsageError(
                "--model-args: belong to a model that is named; this one is an evalkit.ModelSpec. "
                "Write them into its options."
            )
        return replace(model, **changes), None
    reading = READING if isinstance(model, tuple) else ()
    ray = ("executor",) if held["executor"] == "ray" else ()
    for name in (*LOADING, *ray):
        if held[name] is not None and name not in reading:
            raise UsageError(
                f"--{name.replace('_', '-')}: is for a model that evalkit loads; "
                "this one is there already. Leave it out, or name the model."
            )
    backend = as_backend(model, **{name: changes[name] for name in reading if name in changes})
    return replace(spec_of(backend), **changes), backend


def _allowing_unknown(model: ModelSpec, *, given: bool) -> ModelSpec:
    """Return a model that is asked what its tokenizer has no token for."""
    if given or model.backend not in {"hf", "vllm"}:
        raise UsageError(
            "--allow-unknown: is for models that evalkit loads by hf or vllm; "
            f"this one is {model.backend!r}. Leave it out."
        )
    return replace(model, options={**model.options, "allow_unknown": True})


def _with_variables(model: ModelSpec, variables: Any, *, given: bool) -> ModelSpec:
    """Return a model whose chat template gets variables."""
    if given or model.backend not in {"hf", "openai", "vllm"}:
        raise UsageError(
            "--chat-template-kwargs: is for models that evalkit asks by hf, vllm or openai; "
            f"this one is {model.backend!r}. Leave it out."
        )
    try:
        found = template_kwargs(variables)
        as_json(found)
    except BackendError as error:
        raise UsageError(f"--chat-template-kwargs: {error}") from error
    return replace(model, options={**model.options, TEMPLATE_KWARGS: found})


def _changes(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say of the model: name of a field of `ModelSpec` -> value."""
    changes: dict[str, Any] = {name: held[name] for name in LOADING[:-1] if held[name] is not None}
    if (tuned_on := held["tuned_on"]) is not None:
        changes["tuned_on"] = () if tuned_on == ("none",) else tuned_on
    if (size := held["batch_size"]) != "auto":
        accepted = "'auto' or a whole number from 1"
        if not size.isdecimal():
            raise UsageError(f"--batch-size: {size!r} is not understood; {accepted}.")
        if int(size) < 1:
            raise UsageError(f"--batch-size: {size} is not possible; {accepted}.")
        changes["batch_size"] = int(size)
    changes["seed"] = held["seed"]
    return changes


def command_of(given: Mapping[str, Any]) -> str:
    """Return the command that asks for the same, or the call in Python where objects were given.

    Parameters
    ----------
    given
        Name in `OPTIONS` -> value; what has its default, and ``fresh``, which would throw away what
        is to be gone on with, is left out.

    Examples
    --------
    >>> command_of(
    ...     {"model": "demo", "suite": "quickstart", "tuned_on": ("flan", "p3"), "cache": False}
    ... )
    'evalkit run --model demo --suite quickstart --tuned-on flan,p3 --no-cache'
    >>> command_of({"model": len, "tasks": ("bbh/*",), "limit": 5})
    "evalkit.run(<len>, tasks=('bbh/*',), limit=5)"
    """
    told = [
        (option, given[option.name])
        for option in OPTIONS
        if option.name != "fresh" and not _is_default(option, given.get(option.name))
    ]
    plain = (str, int, float, os.PathLike)
    values = [one for _, value in told for one in (value if isinstance(value, tuple) else (value,))]
    if all(isinstance(value, plain) for value in values) and not isinstance(
        given.get("phrasings"), tuple
    ):
        return shlex.join(["evalkit", "run", *(word for one in told for word in _words(*one))])
    shown = [f"{option.name}={_shown(value)}" for option, value in told]
    return f"evalkit.run({', '.join(shown).removeprefix('model=')})"


def _is_default(option: Option, value: Any) -> bool:
    if value is None or (option.repeated and not value):
        return True
    return option.kind is not object and bool(value == option.default)


def _words(option: Option, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option.flag if value else option.flag.replace("--", "--no-", 1)]
    if option.listed:
        return [option.flag, ",".join(value) or "none"]
    items = value if option.repeated else [value]
    return [word for item in items for word in (option.flag, str(item))]


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))},)"
    if isinstance(value, str | int | float | Path):
        return repr(str(value) if isinstance(value, Path) else value)
    return f"<{getattr(value, '__name__', type(value).__name__)}>"
