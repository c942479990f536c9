"""``evalkit weights``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    data_dir_option,
    in_output,
    option,
    output_options,
    print_json,
    print_table,
    table_options,
)
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.report.drawing import Drawing
    from evalkit.tuning.spectra import Change

__all__ = ["command"]

in_counted = partial(option, group="What counts")
in_path = partial(option, group="Loss on the straight path")
PAUSE = 5.0
"""Seconds between two lines of progress."""
COLUMNS = ("tensor", "layer", "module", "rows", "columns", "relative", "rank", "intruders")


@click.command(
    "weights",
    cls=GroupedCommand,
    epilog="Example: evalkit weights BASE TUNED --out changes"
    " or: evalkit weights BASE TUNED --barrier 11 --tasks 'procedural/*' --out changes",
)
@click.argument("base")
@click.argument("tuned")
@in_counted(
    "--energy", type=float, default=0.9, help="Share of the squared change that the rank must hold."
)
@in_counted(
    "--top",
    type=int,
    default=10,
    help="First singular vectors of the tuned matrix that may be intruders.",
)
@in_counted(
    "--cosine",
    type=float,
    default=0.5,
    help="Best cosine with the base's vectors below which one is an intruder.",
)
@in_path(
    "--barrier",
    type=click.IntRange(3, 101),
    metavar="N",
    help="Measure the loss at N points from BASE to TUNED; needs --tasks.",
)
@in_path("--tasks", metavar="A,B", help="Tasks whose right answers are predicted.")
@in_path("--sources", metavar="A,B", help="Only phrasings of these sources; default: all.")
@in_path("--split", default="train", help="Split of the instances.")
@data_dir_option(in_path)
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Folder for weights.csv and the figures; default: only print.",
)
@table_options()
@output_options
def command(base: str, tuned: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Show what a tuning changed in the weights: how much, in how many directions, and where.

    BASE and TUNED are checkpoints of one model: demo, a directory or hub id with safetensors.
    """
    from evalkit import catalog
    from evalkit.errors import UsageError
    from evalkit.tuning.spectra import Limits, changes

    silent = quiet or as_json
    if (given["barrier"] is None) != (given["tasks"] is None):
        raise UsageError("--barrier and --tasks: belong together. Give both or neither.")
    if given["barrier"] is not None and given["out"] is None:
        raise UsageError("--barrier: needs --out, a folder for one checkpoint at a time.")
    pair = tuple(catalog.load_model(name, device="cpu") for name in (base, tuned))
    limits = Limits(energy=given["energy"], top=given["top"], cosine=given["cosine"])
    found = changes(pair[0], pair[1], limits, (lambda *_: None) if silent else _progress())
    path = _path(pair, given, silent=silent) if given["barrier"] else {}
    if given["out"] is not None:
        _write(given["out"], found, path)
    if as_json:
        print_json({"changes": [dataclasses.asdict(change) for change in found], **path})
    elif not quiet:
        _show(found, limits.energy, path)
        if given["out"] is not None:
            say(f"Written: {given['out']}")
    return 0


def _progress() -> Callable[[int, int], None]:
    """Return what says how far it is, every few seconds."""
    last = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            say(f"{done} of {of} tensors", err=True)

    return told


def _path(pair: Sequence[Any], given: dict[str, Any], *, silent: bool) -> dict[str, Any]:
    """Return the losses along the straight path and the barrier."""
    from evalkit.cli.materials import materials_of
    from evalkit.tuning.barrier import barrier, losses

    settings = {
        **{"phrasing_file": (), "instances": 200, "validation_share": 0.2},
        **{"seed": 0, "hold_out": 0.0},
    }
    materials = materials_of({**given, **settings})
    last = given["barrier"] - 1
    alphas = [step / last for step in range(last + 1)]
    found = losses(
        (pair[0], pair[1]),
        alphas,
        materials,
        given["out"] / "path.part",
        lambda line: None if silent else say(line, err=True),
    )
    height, place = barrier(alphas, found)
    return {"alphas": alphas, "losses": found, "barrier": height, "barrier_at": place}


def _by_module(found: Sequence[Change]) -> dict[str, list[Change]]:
    """Return matrices by module, those in layers first."""
    groups: dict[str, list[Change]] = {}
    for change in sorted(found, key=lambda change: change.layer is None):
        if change.spectrum:
            groups.setdefault(change.module, []).append(change)
    return groups


def _middle(values: Sequence[float], form: str = "{:.3g}") -> str:
    known = [value for value in values if value == value]
    return form.format(median(known)) if known else "-"


def _show(found: Sequence[Change], energy: float, path: dict[str, Any]) -> None:
    rows = []
    for module, members in _by_module(found).items():
        largest = max(members, key=lambda change: change.relative)
        rows.append(
            [
                module,
                str(len(members)),
                f"{members[0].rows} x {members[0].columns}",
                _middle([100 * change.relative for change in members]),
                "-" if largest.layer is None else str(largest.layer),
                _middle([change.rank for change in members], "{:g}"),
                str(sum(int(change.intruders) for change in members)),
            ]
        )
    columns = (
        "module",
        "matrices",
        "shape",
        "change, %",
        "most in layer",
        f"rank for {energy:.0%}",
        "intruders",
    )
    print_table(columns, rows)
    if not any(change.relative for change in found):
        say("Nothing changed: all weights are equal.")
    say(
        "Change is the norm of tuned - base over that of base; change and rank are medians over "
        "layers, intruders a sum."
    )
    if path:
        ends = f"{path['losses'][0]:.4f} to {path['losses'][-1]:.4f} nat per answer token"
        top = f"{path['barrier']:.4f} at {path['barrier_at']:.2g} of the way"
        say(f"Loss {ends}; barrier: {top if path['barrier'] else 'none'}.")


def _write(out: Path, found: Sequence[Change], path: dict[str, Any]) -> None:
    from evalkit.report.writing import write_figures
    from evalkit.store.atomic import write_atomic
    from evalkit.store.csv_file import csv_of

    rows = [
        [*(getattr(change, name) for name in COLUMNS), list(change.spectrum)] for change in found
    ]
    write_atomic(out / "weights.csv", csv_of((*COLUMNS, "spectrum"), rows))
    if path:
        points = zip(path["alphas"], path["losses"], strict=True)
        write_atomic(out / "path.csv", csv_of(("alpha", "loss"), [list(point) for point in points]))
    write_figures(out, _drawings(found, path))


def _drawings(found: Sequence[Change], path: dict[str, Any]) -> list[Drawing]:
    from evalkit.report.drawing import Drawing
    from evalkit.report.figures.lines import plot_barrier, plot_spectra
    from evalkit.report.figures.maps import Grid, plot_layer_map

    groups = _by_module(found)
    layered = {
        module: {change.layer: change for change in members}
        for module, members in groups.items()
        if members[0].layer is not None
    }
    layers = sorted(
        {layer for members in layered.values() for layer in members if layer is not None}
    )
    made: list[Drawing] = []
    for name, label in (
        ("relative", "relative change"),
        ("rank", "rank of the change"),
        ("intruders", "intruder dimensions"),
    ):
        values = [
            [getattr(members.get(layer), name, float("nan")) for layer in layers]
            for members in layered.values()
        ]
        names = [str(layer) for layer in layers]
        data = Grid(rows=tuple(layered), columns=names, values=values, column_label="layer")
        draw = partial(plot_layer_map, data, label=label) if layers else None
        made.append(Drawing(name=name, title=label, draw=draw, why="No tensor has a layer."))
    lines = {
        module: max(members, key=lambda change: change.relative).spectrum
        for module, members in groups.items()
        if any(change.relative for change in members)
    }
    draw = partial(plot_spectra, lines) if lines else None
    made.append(Drawing(name="spectra", title="spectra", draw=draw, why="Nothing changed."))
    if path:
        draw = partial(plot_barrier, path["alphas"], path["losses"])
        made.append(Drawing(name="path", title="loss on the path", draw=draw))
    return made
