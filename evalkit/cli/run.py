"""``evalkit run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.choosing import choosing_options, settings_from
from evalkit.cli.options import GroupedCommand, option, output_options, print_json
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.runs.execute import Outcome

__all__ = ["command"]


@click.command(
    "run",
    cls=GroupedCommand,
    epilog=(
        "Example: evalkit run --model google/flan-t5-small --suite robustness --data-dir data "
        "--limit 100"
        " or: evalkit run --model openai:NAME@http://127.0.0.1:8000/v1 --suite procedural "
        "--limit 20"
    ),
)
@choosing_options()
@option(
    "--stall-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    group="How the model is loaded",
    help=(
        "End the run, resumable, when no batch came for so long; stacks go to stall.txt. "
        "Default: wait."
    ),
)
@output_options
def command(as_json: bool, quiet: bool, stall_timeout: float | None, **given: Any) -> int:
    """Evaluate every phrasing of every task of a suite.

    Writes a run directory and prints a summary. The same command again goes on where it was
    interrupted; when it is complete, nothing is computed twice. With several --model every one has
    its run, and the others are compared with the first.
    """
    models = given.pop("model")
    if len(models) == 1:
        outcome, code = _one({**given, "model": models[0]}, stall_timeout, as_json, quiet)
        if outcome is None:
            return code
        if as_json:
            print_json(_told(outcome))
        else:
            _show(outcome, quiet=quiet)
        return code
    return _several(models, given, stall_timeout, as_json, quiet)


for _parameter in command.params:
    if _parameter.name == "model" and isinstance(_parameter, click.Option):
        _parameter.multiple = True
        _parameter.help = f"{(_parameter.help or '').rstrip('.')}. Repeatable: compares them."


def _one(
    given: dict[str, Any], stall_timeout: float | None, as_json: bool, quiet: bool
) -> tuple[Outcome | None, int]:
    """Run one model; None with the exit code where the user stopped it."""
    from evalkit.cli.stall import StallWatch
    from evalkit.errors import EvalkitError, Interrupted
    from evalkit.runs.execute import run
    from evalkit.runs.identity import run_directory
    from evalkit.runs.progress import ShownProgress, interruptible

    settings = settings_from(given)
    progress = ShownProgress(quiet=quiet, label=settings.label, as_json=as_json)
    progress.watched = StallWatch(
        stall_timeout, log=run_directory(settings) / "stall.txt", command=settings.command
    ).watched
    with interruptible(progress):
        try:
            outcome = run(settings, progress)
        except Interrupted as stop:
            progress.close()
            say(f"{stop} To go on, type:\n  {settings.command}", err=True)
            return None, progress.signal_exit_code or stop.exit_code
        except EvalkitError:
            if settings.fresh and (run_directory(settings) / "responses.sqlite").is_file():
                say(
                    "--fresh again would forget what is stored. "
                    f"To go on, type:\n  {settings.command}",
                    err=True,
                )
            raise
        finally:
            progress.close()
    return outcome, outcome.exit_code


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "run": str(outcome.path),
        "manifest": outcome.manifest.to_json(),
        "failures": dict(outcome.failures),
        "exit_code": outcome.exit_code,
    }


def _several(
    models: Sequence[str],
    given: dict[str, Any],
    stall_timeout: float | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run several models one after the other, each in a folder of its own, then compare them."""
    from evalkit.catalog.models import load_model
    from evalkit.errors import UsageError
    from evalkit.store.atomic import slug

    names = [slug(load_model(model).display) for model in models]
    if len(set(models)) < len(models):
        raise UsageError(
            f"--model: {next(one for one in models if models.count(one) > 1)} is named twice; "
            "a model is compared with others. Leave one out."
        )
    names = [f"{name}-{n}" if names.count(name) > 1 else name for n, name in enumerate(names, 1)]
    outcomes, code = [], 0
    for name, model in zip(names, models, strict=True):
        out = given["out"] / name if given["out"] is not None else None
        outcome, ended = _one({**given, "model": model, "out": out}, stall_timeout, as_json, quiet)
        if outcome is None:
            return ended
        code = max(code, ended)
        outcomes.append(outcome)
        if not as_json:
            _show(outcome, quiet=quiet)
            say()
    page = _compare(outcomes, given["out"], quiet or as_json)
    if as_json:
        print_json(
            {
                "runs": [_told(outcome) for outcome in outcomes],
                "comparison": str(page),
                "exit_code": code,
            }
        )
    else:
        say(f"Comparison: {page}")
    return code


def _compare(outcomes: Sequence[Outcome], out: Path | None, quiet: bool) -> Path:
    """Write the comparison page; say what is better and worse, each against the first."""
    from evalkit.runs.read import write_comparison_of

    target, *_, compared = write_comparison_of(
        [outcome.path for outcome in outcomes], out, seed=outcomes[0].manifest.seed
    )
    for one in () if quiet else compared:
        for sentence in one.said:
            say(sentence)
    return target / "comparison.html"


def _show(outcome: Any, *, quiet: bool) -> None:
    from evalkit.analysis import costs_of, read_estimates, scored_phrasings
    from evalkit.cli.summary import print_summary

    print_summary(
        outcome.manifest,
        read_estimates(outcome.path / "estimates.csv"),
        costs=costs_of(
            scored_phrasings(outcome.path / "phrasings.csv"), sparse=outcome.manifest.suite.sparse
        ),
        brief=quiet,
    )
    counts = outcome.manifest.totals
    if counts.missing:
        reasons = (
            ", ".join(f"{reason} ({count})" for reason, count in sorted(outcome.failures.items()))
            or "see the manifest"
        )
        say(
            f"{counts.missing} of {counts.cells} cells are missing: {reasons}. "
            "The same command again asks only for these.",
            err=True,
        )
    say(f"Run directory: {outcome.path}")
    if (page := outcome.path / "report.html").is_file():
        say(f"Report: {page}")
