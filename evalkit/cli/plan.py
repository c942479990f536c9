"""``evalkit plan``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.choosing import at_most_one_model, choosing_options, settings_from
from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    in_output,
    option,
    output_options,
    print_json,
    print_table,
    table_options,
)
from evalkit.cli.prompts import print_prompts, prompts_json
from evalkit.errors import UsageError
from evalkit.report.terminal import counted, say
from evalkit.report.text import number

if TYPE_CHECKING:
    from evalkit.analysis.sizing import Sizing
    from evalkit.runs.forecast import Forecast
    from evalkit.runs.prompts import ShownPrompt

__all__ = ["command"]

in_size = partial(option, group="How much is enough")
_FEW = 3
"""Tasks left out that are each named."""


@click.command(
    "plan",
    cls=GroupedCommand,
    short_help="Show what a run would do, without doing it.",
    epilog=(
        "Example: evalkit plan --model demo --suite quickstart    or: evalkit plan --pilot "
        "reports/runs/pilot --difference 2"
    ),
)
@choosing_options()
@in_size(
    "--pilot",
    type=PATH,
    metavar="RUN",
    help="Finished run whose scores tell how much wording and instances vary.",
)
@in_size(
    "--components",
    metavar="P,I,E",
    help=(
        "The same, stated: variances of phrasings, instances and interaction, "
        "such as 0.0004,0.15,0.05."
    ),
)
@in_size(
    "--difference",
    type=float,
    metavar="POINTS",
    help="Gap between seen and unseen wording that must not be missed.",
)
@in_size("--power", type=click.FloatRange(0.05, 0.999), default=0.8, help="Chance of showing it.")
@in_output(
    "--show",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also print N prompts exactly as they are sent, tasks and phrasings in turn.",
)
@table_options()
@output_options
def command(
    pilot: Path | None,
    components: str | None,
    difference: float | None,
    power: float,
    show: int,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> int:
    """Show what a run would do: tasks, phrasings, requests, tokens, what is stored already,
    and how long it may take.

    Takes the options of 'evalkit run'; loads no weights, opens no connection and writes nothing.
    With --difference and a pilot it also says how many phrasings and instances would show a gap of
    that size.
    """
    sizes: list[Sizing] = []
    if difference is not None or pilot is not None or components is not None:
        sizes = _sized(pilot, components, difference, power=power, level=given["level"])
    found, prompts = _forecast(given, needed=not sizes, show=show)
    if as_json:
        print_json(
            {
                **({"plan": _as_json(found)} if found else {}),
                **({"prompts": prompts_json(prompts)} if show else {}),
                **({"sizing": _sizes_json(sizes, difference, power)} if sizes else {}),
            }
        )
        return 0
    print_prompts(prompts)
    if found is not None:
        _show(found, quiet=quiet)
    if sizes:
        _show_sizes(sizes, difference or 0.0, power=power)
    return 0


at_most_one_model(command)


def _forecast(
    given: dict[str, Any], *, needed: bool, show: int
) -> tuple[Forecast | None, list[ShownPrompt]]:
    """What the run comes to, and its first prompts."""
    if given["model"] is None:
        if needed or show:
            raise UsageError(
                "--model: says nothing of what is run; a model is expected, such as --model demo. "
                "Or give --pilot and --difference."
            )
        return None, []
    from evalkit.runs.choose import choose
    from evalkit.runs.forecast import forecast
    from evalkit.runs.prompts import shown_prompts

    settings = settings_from(given)
    chosen = choose(settings)
    found = forecast(settings, chosen)
    if not show:
        return found, []
    prompts, notes = shown_prompts(chosen[0], settings, number=show)
    found.notes += notes
    return found, prompts


def _sized(
    pilot: Path | None,
    components: str | None,
    difference: float | None,
    *,
    power: float,
    level: float,
) -> list[Sizing]:
    if difference is None:
        raise UsageError(
            "--difference: is missing; with --pilot or --components say which gap must not be "
            "missed, in points, such as --difference 2."
        )
    if (pilot is None) == (components is None):
        raise UsageError(
            "--pilot or --components: exactly one of the two says how much scores vary. "
            "Give a finished run, or three variances."
        )
    from evalkit.analysis.sizing import pilot_of, size, stated

    return size(
        pilot_of(pilot) if pilot is not None else stated(components or ""),
        gap=difference / 100,
        power=power,
        level=level,
    )


def _as_json(found: Forecast) -> dict[str, Any]:
    names = (
        "phrasings",
        "cells",
        "not_asked",
        "requests",
        "stored",
        "prompt_tokens",
        "naive_tokens",
        "answer_tokens",
    )
    return {
        **asdict(found),
        "pending": found.pending,
        "total": {name: found.total(name) for name in names},
    }


def _sizes_json(sizes: list[Sizing], difference: float | None, power: float) -> dict[str, Any]:
    return {
        "difference": (difference or 0.0) / 100,
        "power": power,
        "scopes": [asdict(item) for item in sizes],
    }


def _show(found: Forecast, *, quiet: bool) -> None:
    """Print the table, the totals and what could not be found out."""
    if not quiet:
        counts = ("phrasings", "seen", "unseen", "unknown", "instances", "requests", "stored")
        rows = [
            [
                row.task,
                *(f"{getattr(row, name):,}" for name in counts),
                f"{row.prompt_tokens:,.0f}",
            ]
            for row in found.tasks
        ]
        print_table(["task", *counts, "tokens to ask"], rows)
    how = {
        "tokenizer": "counted with the model's tokenizer",
        "sample": "the model's tokenizer on some requests per task, scaled by letters",
        "characters": "four letters a token: the model's tokenizer is not on this machine",
    }[found.tokens_by]
    cells, requests = int(found.total("cells")), int(found.total("requests"))
    say(
        f"{counted(len(found.tasks), 'task')}, {counted(cells, 'cell')}, "
        f"{counted(requests, 'unique request')}"
    )
    if found.design != "full":
        rest = int(found.total("not_asked"))
        say(
            f"Budget, design {found.design}: "
            + (
                f"{rest:,} of {cells + rest:,} cells are not asked"
                if rest
                else "the instances shown are a part"
            )
        )
    say(
        f"Stored already: {found.stored_in_run:,} in the run directory, "
        f"{found.stored_in_cache:,} in the cache; to ask: {found.pending:,}"
    )
    say(
        f"Prompt tokens to ask: {found.total('prompt_tokens'):,.0f} ({how}); "
        f"sent anew for every choice they would be {found.total('naive_tokens'):,.0f}"
    )
    if found.total("answer_tokens"):
        say(f"Tokens to generate: at most {found.total('answer_tokens'):,.0f}")
    if found.cost is not None:
        say(f"Cost: at most {found.cost:.2f}")
    say(
        f"Time: {_time(found.seconds)}"
        + (f" (at the speed of {found.seconds_from})" if found.seconds is not None else "")
    )
    say(f"Run directory: {found.run}")
    for line in _left_out(found.left_out):
        say(f"Left out: {line}")
    for note in found.notes:
        say(f"Note: {note}")


def _left_out(reasons: Mapping[str, str]) -> list[str]:
    """Return what is left out: every task of a few, else how many of which benchmark.

    >>> _left_out({"a/x": "no file", **{f"b/{n}": "no file" for n in range(4)}})
    ["5 tasks without data on this machine: 4 of b, 1 of a; 'evalkit data status' names the files, --json every task"]
    """  # noqa: E501
    if len(reasons) <= _FEW:
        return [f"{name}: {reason}" for name, reason in reasons.items()]
    counts = Counter(name.split("/", 1)[0] for name in reasons)
    shown = ", ".join(f"{number} of {name}" for name, number in counts.most_common())
    return [
        f"{len(reasons)} tasks without data on this machine: {shown}; "
        "'evalkit data status' names the files, --json every task"
    ]


def _time(seconds: float | None) -> str:
    """Return a time in words.

    >>> _time(None), _time(0.4), _time(90), _time(7300)
    ('unknown: no earlier run of this model lies beside this one', 'under a minute', '2 min', '2 h 2 min')
    """  # noqa: E501
    if seconds is None:
        return "unknown: no earlier run of this model lies beside this one"
    if seconds < 60:
        return "under a minute"
    hours, minutes = divmod(-(-int(seconds) // 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _show_sizes(sizes: list[Sizing], difference: float, *, power: float) -> None:
    """Print the designs per scope, the cheapest marked."""
    rows = []
    for item in sizes:
        best = item.cheapest
        for design in item.designs:
            mark = "fewest cells" if design is best else ""
            rows.append(
                [
                    item.scope,
                    f"{design.n_instances:,}",
                    str(design.n_per_arm),
                    f"{design.n_cells:,}",
                    number(design.power),
                    mark,
                ]
            )
        if not item.designs:
            rows.append([item.scope, "-", "-", "-", "-", "no design looked at is enough"])
    title = (
        f"Seen and unseen phrasings each, and instances, that show a gap of {difference:g} points "
        f"with power {power:g}"
    )
    print_table(
        ["scope", "instances", "phrasings per arm", "cells per task", "power %", ""],
        rows,
        title=title,
    )
    for item in sizes:
        parts = item.components
        say(
            f"{item.scope}: variance of phrasings {parts.phrasing:.3g}, instances "
            f"{parts.instance:.3g}, interaction {parts.interaction:.3g}, "
            f"gap over instances {item.gap_variance:.3g}"
        )
