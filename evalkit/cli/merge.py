"""``evalkit merge``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    data_dir_option,
    option,
    output_options,
    print_json,
)
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import ModelSpec
    from evalkit.tuning.weights import Merging

__all__ = ["METHODS", "NUMBERS", "command", "values"]

in_checkpoints = partial(option, group="Checkpoints")
in_numbers = partial(
    option, group="Numbers (one may be a list 0,0.5,1 or a range START:END:STEP: a checkpoint each)"
)
in_greedy = partial(option, group="Greedy soup")
NUMBERS = ("alpha", "scale", "density", "gamma", "rank", "decay", "seed")
METHODS = (
    "interpolate",
    "slerp",
    "soup",
    "model-stock",
    "task-vector",
    "svd",
    "ties",
    "dare",
    "breadcrumbs",
    "bitdelta",
    "graft",
    "sparse",
    "ema",
)
"""Names of `tuning.merging.METHODS`, written out so that ``--help`` imports no engine;
a test holds both together.
"""


@click.command(
    "merge",
    cls=GroupedCommand,
    epilog="Example: evalkit merge interpolate --base BASE --tuned TUNED --alpha 0:1:0.25 --out "
    "sweep or: evalkit merge task-vector --base BASE --tuned INSTRUCT --onto DOMAIN --out "
    "adapted",
)
@click.argument("method", type=click.Choice(METHODS), metavar="METHOD")
@in_checkpoints("--base", metavar="MODEL", help="What the others were tuned from.")
@in_checkpoints("--tuned", multiple=True, required=True, metavar="MODEL", help="Repeatable.")
@in_checkpoints("--onto", metavar="MODEL", help="task-vector: what takes it; default: --base.")
@in_checkpoints(
    "--out",
    required=True,
    type=PATH,
    metavar="DIR",
    help="Model directory that is made; of several, the folder that takes them.",
)
@in_numbers(
    "--alpha",
    metavar="X",
    help="interpolate, slerp: share of the tuned model. [default: 0.5]",
)
@in_numbers(
    "--scale",
    metavar="X",
    help=(
        "task-vector, ties, dare, breadcrumbs, sparse: factor of the change; below 0 takes away. "
        "[default: 1]"
    ),
)
@in_numbers(
    "--density",
    metavar="X",
    help=(
        "ties, dare, breadcrumbs, sparse, graft: share of the change that stays. "
        "[default: 0.2; graft 0.01]"
    ),
)
@in_numbers(
    "--gamma",
    metavar="X",
    help="breadcrumbs: share of the change, its largest part, that goes. [default: 0.01]",
)
@in_numbers(
    "--rank",
    metavar="X",
    help="svd, task-vector, sparse: rank of the change. [default: svd 8, else the whole change]",
)
@in_numbers("--decay", metavar="X", help="ema: weight of what came before. [default: 0.9]")
@in_numbers("--seed", metavar="X", help="dare: which part stays. [default: 0]")
@in_greedy(
    "--greedy",
    is_flag=True,
    help="soup: take checkpoints in one by one, best first, while the loss does not rise.",
)
@in_greedy("--tasks", metavar="A,B", help="Tasks whose right answers are predicted.")
@in_greedy("--sources", metavar="A,B", help="Only phrasings of these sources; default: all.")
@in_greedy(
    "--split", default="validation", help="Split of the instances; one that nothing was trained on."
)
@data_dir_option(in_greedy)
@output_options
def command(method: str, out: Path, as_json: bool, quiet: bool, **given: Any) -> int:
    """Make checkpoints of checkpoints.

    METHOD is interpolate, slerp, soup, model-stock, task-vector, svd, ties, dare, breadcrumbs,
    bitdelta, graft, sparse or ema.
    Reads safetensors one tensor at a time and writes whole model directories.
    """
    from evalkit import catalog
    from evalkit.tuning.weights import Merging, merge

    base, onto = (
        None if given[name] is None else catalog.load_model(given[name], device="cpu")
        for name in ("base", "onto")
    )
    tuned = tuple(catalog.load_model(name, device="cpu") for name in given["tuned"])
    said = (lambda line: None) if quiet or as_json else (lambda line: say(line, err=True))
    if given["greedy"] or given["tasks"]:
        report = _greedy(method, tuned, out, given, said)
        if as_json:
            print_json([{"model": str(out), **report}])
        elif not quiet:
            say(f"Taken: {', '.join(report['greedy']['taken'])}")
            say(f"To use it, type: evalkit run --model {out} --suite SUITE")
        return 0
    merging: Merging = Merging(method, tuned, base, onto)
    numbers = {name: values(name, given[name]) for name in NUMBERS if given[name] is not None}
    places = _places(numbers, out)
    reports = merge(merging, places, said)
    if as_json:
        made = zip(places, reports, strict=True)
        print_json([{"model": str(place), **report} for (_, place), report in made])
    elif not quiet:
        say(f"To use it, type: evalkit run --model {places[-1][1]} --suite SUITE")
    return 0


def _greedy(
    method: str,
    tuned: tuple[ModelSpec, ...],
    out: Path,
    given: dict[str, Any],
    said: Callable[[str], None],
) -> dict[str, Any]:
    """Write a greedy soup and return what was done."""
    from evalkit.cli.materials import materials_of
    from evalkit.errors import UsageError
    from evalkit.tuning.greedy import greedy_soup

    if method != "soup" or len(tuned) < 2 or not given["tasks"] or not given["greedy"]:
        raise UsageError(
            "--greedy: is of soup, of two --tuned or more, with --tasks that say what the loss is "
            "measured on. Give all of them."
        )
    settings = {
        **{"phrasing_file": (), "instances": 200, "validation_share": 0.2},
        **{"seed": 0, "hold_out": 0.0},
    }
    return greedy_soup(tuned, materials_of({**given, **settings}), out, said)


def values(name: str, text: str) -> tuple[float, ...]:
    """Return the numbers that a text names.

    >>> values("alpha", "0:1:0.25")
    (0.0, 0.25, 0.5, 0.75, 1.0)
    >>> values("scale", "-1,0.5")
    (-1.0, 0.5)
    """
    from evalkit.errors import UsageError

    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
    if span := re.fullmatch(rf"({number}):({number}):({number})", text.strip(), re.IGNORECASE):
        start, end, step = (float(part) for part in span.groups())
        if step > 0 and start <= end and (end - start) / step < 1000:
            count = int((end - start) / step + 1e-9) + 1
            return tuple(round(start + i * step, 12) for i in range(count))
    elif re.fullmatch(rf"{number}(?:\s*,\s*{number})*", text.strip(), re.IGNORECASE):
        found = tuple(float(part) for part in text.split(","))
        if len(set(found)) == len(found):
            return found
    raise UsageError(
        f"--{name} {text}: is not accepted; a number, a list 0,0.5,1 without repetitions, "
        "or a range START:END:STEP upwards in at most 1,000 steps is."
    )


def _places(numbers: dict[str, tuple[float, ...]], out: Path) -> list[tuple[dict[str, Any], Path]]:
    """Return settings and directory of every checkpoint: `out` itself when it is one."""
    from evalkit.errors import UsageError

    several = [name for name, found in numbers.items() if len(found) > 1]
    if len(several) > 1:
        raise UsageError(
            f"--{several[0]} and --{several[1]}: both hold several numbers; one of them may. "
            "Make the others in a second call."
        )
    fixed = {name: found[0] for name, found in numbers.items() if name not in several}
    if not several:
        return [(fixed, out)]
    name = several[0]
    return [({**fixed, name: number}, out / f"{name}-{number:g}") for number in numbers[name]]
