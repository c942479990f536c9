"""Options that say what is run, shared by ``run`` and ``plan``, and how they become `Settings`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.options import option
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.records import Suite
    from evalkit.runs.settings import Settings

__all__ = ["choosing_options", "settings_from"]

F = TypeVar("F", bound=Callable[..., Any])

_WHAT = "What is evaluated"
_MODEL = "How the model is loaded"
_WHERE = "Where things lie"
_STATS = "Statistics"


def choosing_options(function: F) -> F:
    """Add every option that says what is run."""
    options = [
        option(
            "--model",
            "model",
            required=True,
            metavar="MODEL",
            group=_WHAT,
            help="demo, a directory or hub id, BACKEND:NAME, or a YAML model file.",
        ),
        option(
            "--suite",
            "suite",
            metavar="NAME",
            group=_WHAT,
            help="Suite to run (evalkit ls suites), or the path of a suite file.",
        ),
        option(
            "--tasks",
            "tasks",
            metavar="A,B",
            group=_WHAT,
            help="Tasks instead of a suite: ids, patterns such as 'bbh/*', or task files.",
        ),
        option(
            "--limit",
            "-L",
            type=int,
            metavar="N",
            group=_WHAT,
            help="Instances per task; seeded and nested.",
        ),
        option(
            "--phrasings",
            type=int,
            metavar="N",
            group=_WHAT,
            help="Phrasings per task, taken in turn from every source.",
        ),
        option(
            "--phrasing-file",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            group=_WHAT,
            help="Your own phrasings, besides the shipped ones. Repeatable.",
        ),
        option(
            "--kinds",
            metavar="A,B",
            group=_WHAT,
            help="Kinds of phrasing: correct (default), wrong, null, random, shuffled, opposite, negated.",
        ),
        option(
            "--perturb",
            "perturbations",
            multiple=True,
            metavar="SPEC",
            group=_WHAT,
            help="Perturbed copies of every phrasing, such as word:rate=0.1,n=5. Repeatable.",
        ),
        option(
            "--shots",
            "--num-fewshot",
            "shots",
            type=int,
            metavar="K",
            group=_WHAT,
            help="Worked instances in each prompt.",
        ),
        option(
            "--budget",
            type=float,
            metavar="FRACTION",
            group=_WHAT,
            help="Ask only this share of the cells (phrasing, instance) of each task.",
        ),
        option(
            "--budget-design",
            type=click.Choice(["paired", "balanced", "adaptive"]),
            default=None,
            group=_WHAT,
            help="Which cells: the same instances under every phrasing, all instances a few times each, or those that tell most. "
            "Default: paired from 50 instances per phrasing on, else balanced.",
        ),
        option(
            "--half-width",
            metavar="[METRIC=]FRACTION",
            default=None,
            group=_WHAT,
            help="Stop asking about a task when half the interval of its mean (or spread=0.05, std=..., min=...) is this narrow.",
        ),
        option(
            "--find",
            type=click.Choice(["best", "worst"]),
            default=None,
            group=_WHAT,
            help="Spend the budget on finding the best or the worst phrasing of each task.",
        ),
        option(
            "--tuned-on",
            metavar="A,B",
            group=_WHAT,
            help="Collections the model was tuned on, which decides seen and unseen; 'none' for no tuning.",
        ),
        option(
            "--mitigation",
            "mitigations",
            multiple=True,
            metavar="SPEC",
            group=_WHAT,
            help="Mitigation around the model. Repeatable.",
        ),
        option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            group=_WHAT,
            help="Seed of everything random.",
        ),
        option(
            "--batch-size",
            metavar="auto|N",
            default="auto",
            show_default=True,
            group=_MODEL,
            help="Requests per forward.",
        ),
        option(
            "--device",
            metavar="auto|cpu|cuda[:i]",
            default=None,
            group=_MODEL,
            help="Where the model runs.",
        ),
        option(
            "--dtype",
            metavar="TYPE",
            default=None,
            group=_MODEL,
            help="auto, float32, bfloat16 or float16.",
        ),
        option(
            "--revision",
            metavar="COMMIT",
            default=None,
            group=_MODEL,
            help="Revision of a hub model.",
        ),
        option(
            "--chat-template",
            metavar="auto|none|FILE",
            default=None,
            group=_MODEL,
            help="Chat template around the prompt.",
        ),
        option(
            "--model-args",
            metavar="K=V,...",
            default=None,
            group=_MODEL,
            help="As in lm-eval, with --model hf: pretrained=X,dtype=float32.",
        ),
        option(
            "--data-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            envvar="EVALKIT_DATA",
            group=_WHERE,
            help="Benchmark data, one folder per benchmark. [env: EVALKIT_DATA]",
        ),
        option(
            "--out",
            "--output-path",
            "-o",
            "out",
            type=click.Path(path_type=Path),
            metavar="DIR",
            group=_WHERE,
            help="Run directory; default: one under reports/runs.",
        ),
        option(
            "--available",
            is_flag=True,
            group=_WHERE,
            help="Run with the tasks whose data is there; the run is marked so.",
        ),
        option(
            "--fresh",
            is_flag=True,
            group=_WHERE,
            help="Forget what the run directory and the cache hold.",
        ),
        option(
            "--cache/--no-cache",
            "cache",
            default=True,
            group=_WHERE,
            help="Share responses between runs (default: yes).",
        ),
        option(
            "--executor",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            group=_MODEL,
            help="Where requests are answered.",
        ),
        option(
            "--workers",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            group=_MODEL,
            help="Workers of --executor ray, one model each.",
        ),
        option(
            "--address",
            metavar="HOST:PORT",
            default=None,
            group=_MODEL,
            help="Running Ray cluster; default: start one on this machine.",
        ),
        option(
            "--level",
            type=float,
            default=0.95,
            show_default=True,
            group=_STATS,
            help="Level of intervals.",
        ),
        option(
            "--representations",
            type=click.IntRange(0),
            metavar="N",
            default=0,
            group=_STATS,
            help="Also keep the model's hidden state of every phrasing on N instances, for its distance to the seen ones (backend hf).",
        ),
        option(
            "--resamples",
            type=int,
            default=1000,
            show_default=True,
            group=_STATS,
            help="Resamples per interval.",
        ),
    ]
    for add in reversed(options):
        function = add(function)
    return function


def settings_from(given: dict[str, Any]) -> Settings:
    """Return the settings that the options of `choosing_options` ask for.

    Raises
    ------
    UsageError
        When options contradict each other or a value is out of range.
    """
    from evalkit import catalog
    from evalkit.records import Suite
    from evalkit.runs.settings import Settings

    suite_name, tasks = given["suite"], _names(given["tasks"])
    if bool(suite_name) == bool(tasks):
        raise UsageError(
            "--suite or --tasks: exactly one of the two says what is run. Type 'evalkit ls suites' or 'evalkit ls tasks'."
        )
    named = catalog.load_suite(suite_name) if suite_name else Suite(name="tasks", tasks=tasks)
    suite = _with_options(
        named,
        limit=given["limit"],
        phrasings=given["phrasings"],
        kinds=_names(given["kinds"]) or None,
        shots=given["shots"],
        perturbations=(*named.perturbations, *given["perturbations"])
        if given["perturbations"]
        else None,
        budget=_within("--budget", given["budget"], 0.0, 1.0)
        if given["budget"] is not None
        else None,
        budget_design=given["budget_design"],
        half_width=_half_width(given["half_width"]),
        find=given["find"],
    )
    return Settings(
        model=_model(given),
        suite=suite,
        data_dir=_data_dir(given["data_dir"]),
        out=given["out"],
        phrasing_files=tuple(given["phrasing_file"]),
        mitigations=tuple(given["mitigations"]),
        limited=(suite.limit, suite.budget) != (named.limit, named.budget),
        available=given["available"],
        fresh=given["fresh"],
        cache=given["cache"],
        seed=given["seed"],
        level=_within("--level", given["level"], 0.5, 1.0),
        representations=given["representations"],
        executor=given["executor"],
        workers=given["workers"],
        address=given["address"],
        resamples=int(_within("--resamples", given["resamples"], 99, 1_000_001)),
        command=shlex.join(["evalkit", *_without_secrets(sys.argv[1:])]),
    )


def _with_options(suite: Suite, **changes: Any) -> Suite:
    """Return a suite with options of the command line in place of its own.

    None leaves the suite's value.
    """
    from dataclasses import replace

    return replace(suite, **{name: value for name, value in changes.items() if value is not None})


def _without_secrets(words: list[str]) -> list[str]:
    """Words of the command line, with every value of the environment that looks like a secret replaced."""
    secrets = {
        value
        for name, value in os.environ.items()
        if len(value) >= 8
        and any(mark in name.upper() for mark in ("KEY", "TOKEN", "SECRET", "PASSWORD"))
    }
    for secret in secrets:
        words = [word.replace(secret, "***") for word in words]
    return words


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _half_width(text: str | None) -> tuple[str, float] | None:
    """Return metric and half-width.

    >>> _half_width("0.02"), _half_width("spread=0.05")
    (('mean', 0.02), ('spread', 0.05))
    """
    if text is None:
        return None
    metric, _, number = text.rpartition("=")
    accepted = ("mean", "median", "min", "max", "std", "spread", "cvar10", "q05", "q95")
    if metric and metric not in accepted:
        raise UsageError(
            f"--half-width: {metric!r} cannot decide when to stop; {', '.join(accepted)} can, such as spread=0.05."
        )
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise UsageError(
            f"--half-width: {text!r} is not understood; a fraction between 0 and 1 is accepted, such as 0.02 or spread=0.05."
        )
    return metric or "mean", value


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low < value < high:
        raise UsageError(
            f"{name}: {value:g} is out of range; a number between {low:g} and {high:g} is accepted."
        )
    return value


def _data_dir(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise UsageError(
            f"--data-dir: {path} is not a directory; one folder per benchmark is expected there. Type 'evalkit data where'."
        )
    return path


def _model(given: dict[str, Any]) -> Any:
    from evalkit import catalog

    changes: dict[str, Any] = {
        key: given[key]
        for key in ("device", "dtype", "revision", "chat_template")
        if given[key] is not None
    }
    if given["tuned_on"] is not None:
        names = _names(given["tuned_on"])
        changes["tuned_on"] = () if names == ("none",) else names
    if given["batch_size"] != "auto":
        try:
            changes["batch_size"] = int(given["batch_size"])
        except ValueError:
            raise UsageError(
                f"--batch-size: {given['batch_size']!r} is not understood; 'auto' or a whole number from 1."
            ) from None
        if changes["batch_size"] < 1:
            raise UsageError(
                f"--batch-size: {given['batch_size']} is not possible; 'auto' or a whole number from 1."
            )
    changes["seed"] = given["seed"]
    if given["model_args"] is not None:
        return catalog.model_from_lm_eval(given["model"], given["model_args"], **changes)
    return catalog.load_model(given["model"], **changes)
