"""``evalkit inside``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    data_dir_option,
    in_output,
    option,
    output_options,
    phrasing_file_option,
    print_json,
    print_table,
)
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.report.drawing import Drawing
    from evalkit.runs.inside import Seen

__all__ = ["command"]

in_asked = partial(option, group="What is asked")
in_looked_at = partial(option, group="What is looked at")
SHARES = ("model", "task", "phrasing", "instance", "share", "tokens", "logprob")
DRIFT = ("model", "task", "phrasing", "instance", "token", "share")
LAYERS = ("model", "layer", "same_instance", "same_wording", "recovered", "gained", "n")


@click.command(
    "inside",
    cls=GroupedCommand,
    epilog="Example: evalkit inside demo --tasks procedural/boolean --generate 8 --out inside"
    " or: evalkit inside BASE --against TUNED --tasks 'procedural/*' --out inside",
)
@click.argument("model")
@in_asked("--tasks", required=True, metavar="A,B", help="Task ids or patterns.")
@in_asked("--phrasings", type=click.IntRange(min=1), default=4, help="Correct phrasings per task.")
@in_asked("--limit", "-L", type=click.IntRange(min=1), default=8, help="Instances per task.")
@phrasing_file_option(in_asked)
@data_dir_option(in_asked)
@in_asked("--seed", type=int, default=0, help="Of the choice.")
@in_looked_at(
    "--against",
    metavar="MODEL",
    help="A checkpoint of the same shape, whose states are put into MODEL layer by layer.",
)
@in_looked_at(
    "--generate",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Tokens that are generated to see whether the instruction is leant on less and less.",
)
@in_looked_at("--plan", is_flag=True, help="Only say how many passes it takes.")
@in_looked_at("--device", default="auto", metavar="auto|cpu|cuda[:i]", help="Where.")
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Folder for shares.csv, drift.csv, layers.csv and figures; default: only print.",
)
@output_options
def command(model: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Look inside a model: what its answers lean on, where wordings part, which layer differs.

    MODEL is demo, a directory or hub id of a Transformers model.
    """
    from evalkit import catalog
    from evalkit.runs.inside import items_of, look, look_again

    items = items_of(
        [part.strip() for part in given["tasks"].split(",") if part.strip()],
        **{name: given[name] for name in ("phrasings", "limit", "data_dir", "seed")},
        phrasing_files=given["phrasing_file"],
    )
    names = [model, *([given["against"]] if given["against"] else [])]
    specs = [catalog.load_model(name, device=given["device"]) for name in names]
    if given["plan"]:
        _plan(specs, len(items), given, as_json=as_json)
        return 0
    said = (lambda _line: None) if quiet or as_json else partial(_every, count=10)
    seen = {
        name: look(spec, items, generate=given["generate"], said=said)
        for name, spec in zip(names, specs, strict=True)
    }
    if len(specs) > 1:
        moved = look_again(specs[0], specs[1], items, said=said)
        layers = seen[model].layers
        seen[model].layers = [{**a, **b} for a, b in zip(layers, moved, strict=True)]
    if given["out"] is not None:
        _write(given["out"], seen)
    if as_json:
        parts = ("shares", "drift", "layers")
        print_json({name: {p: getattr(one, p) for p in parts} for name, one in seen.items()})
    elif not quiet:
        _show(seen)
        if given["out"] is not None:
            say(f"Written: {given['out']}")
    return 0


def _every(line: str, *, count: int) -> None:
    """Print the progress of every so many prompts."""
    if int(line.split()[0]) % count == 0:
        say(line, err=True)


def _plan(specs: Sequence[Any], n_items: int, given: Mapping[str, Any], *, as_json: bool) -> None:
    from evalkit.backends.hf.files import locate
    from evalkit.runs.inside import costs, depth

    plain = costs(n_items, n_generated=given["generate"], n_layers=None)
    forward, backward = plain.forward * len(specs), plain.backward * len(specs)
    if len(specs) > 1:
        forward += n_items * (3 + depth(locate(specs[0]).config))
    if as_json:
        print_json({"prompts": n_items, "forward": forward, "backward": backward})
        return
    say(
        f"{n_items:,} prompts: {forward:,} forward and {backward:,} backward passes of one prompt "
        "each; no answer of a run serves them."
    )


def _means(rows: Sequence[Mapping[str, Any]], *names: str) -> list[float]:
    """Return means over prompts, tasks weighing alike; NaN where nothing is known."""
    found = []
    for name in names:
        by_task: dict[str, list[float]] = {}
        for row in rows:
            if row[name] == row[name]:
                by_task.setdefault(row["task"], []).append(row[name])
        found.append(fmean(map(fmean, by_task.values())) if by_task else float("nan"))
    return found


def _show(seen: Mapping[str, Seen]) -> None:
    rows = []
    for name, one in seen.items():
        share, tokens = _means(one.shares, "share", "tokens")
        first, last = _ends(one.drift)
        known = [row["share"] for row in one.shares if row["share"] == row["share"]]
        rows.append(
            [name, f"{100 * share:.1f}", f"{100 * tokens:.1f}", first, last, f"{len(known)}"]
        )
    print_table(
        ["model", "on the instruction, %", "its tokens, %", "first half", "second half", "prompts"],
        rows,
        title="|gradient x input| of the right answer; halves are of what the model generates",
    )
    for name, one in seen.items():
        print_table(
            [
                "layer",
                "one instance, two wordings",
                "one wording, two instances",
                "recovered, %",
                "gained, %",
            ],
            [_layer(row) for row in one.layers],
            title=(
                f"{name}: mean cosine of the last prompt token's states, and what patching brings"
            ),
        )
        if found := [
            row for row in one.layers if row.get("gained", float("nan")) == row.get("gained")
        ]:
            most = max(found, key=lambda row: row["gained"])
            say(
                f"Most of the difference enters in layer {most['layer']}: "
                f"{100 * most['gained']:.0f} % of it (median over {most['n']} prompts)."
            )


def _ends(drift: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the mean share over the first and the second half of the generated tokens."""
    if not drift:
        return "-", "-"
    middle = max(row["token"] for row in drift) / 2
    halves = (
        [row for row in drift if (row["token"] > middle) is second] for second in (False, True)
    )
    first, second = (f"{100 * _means(rows, 'share')[0]:.1f}" if rows else "-" for rows in halves)
    return first, second


def _layer(row: Mapping[str, Any]) -> list[str]:
    def shown(name: str, form: str) -> str:
        value = row.get(name, float("nan"))
        return form.format(value) if value == value else "-"

    moved = [
        f"{100 * row[name]:.0f}" if row.get(name, float("nan")) == row.get(name) else "-"
        for name in ("recovered", "gained")
    ]
    return [row["layer"], shown("same_instance", "{:.3f}"), shown("same_wording", "{:.3f}"), *moved]


def _write(out: Path, seen: Mapping[str, Seen]) -> None:
    from evalkit.report.writing import write_figures
    from evalkit.store.atomic import write_atomic
    from evalkit.store.csv_file import csv_of

    for part, columns in (("shares", SHARES), ("drift", DRIFT), ("layers", LAYERS)):
        rows = [
            [{"model": name, **row}.get(column) for column in columns]
            for name, one in seen.items()
            for row in getattr(one, part)
        ]
        if rows:
            write_atomic(out / f"{part}.csv", csv_of(columns, rows))
    write_figures(out, _drawings(seen))


def _drawings(seen: Mapping[str, Seen]) -> list[Drawing]:
    from evalkit.report.drawing import Drawing
    from evalkit.report.figures.lines import plot_layers

    words = {
        "same_instance": "one instance, two wordings",
        "same_wording": "one wording, two instances",
        "recovered": "share of the difference recovered",
    }
    lines = {
        f"{words[part]} ({name})": [row[part] for row in one.layers]
        for name, one in seen.items()
        for part in words
        if one.layers and part in one.layers[0]
    }
    layers = [row["layer"] for row in next(iter(seen.values())).layers]
    draw = partial(plot_layers, layers, lines)
    return [Drawing(name="layers", title="states by layer", draw=draw)]
