"""``evalkit series``."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.choosing import choosing_options, settings_from
from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    in_output,
    option,
    output_options,
    p_value,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import say
from evalkit.report.text import number

if TYPE_CHECKING:
    from evalkit.gating.series import Point, Series
    from evalkit.records import ModelSpec

__all__ = ["command"]

in_places = partial(option, group="Where a checkpoint stands")
in_told = partial(option, group="What is told")
ASKING = (
    *("suite", "tasks", "limit", "phrasings", "phrasing_file", "kinds", "perturb", "shots"),
    *("tuned_on", "mitigation", "seed", "batch_size", "device", "dtype", "chat_template"),
    *("chat_template_kwargs", "data_dir", "available", "no_report", "resamples"),
)
"""Options of a run that hold for every checkpoint that is still to be asked."""
OF_MODEL = ("device", "dtype", "chat_template", "tuned_on")
"""Those that are settled before, in the model itself."""
METRICS = "mean,unseen_mean,min"


@click.command(
    "series",
    cls=GroupedCommand,
    epilog="Example: evalkit series runs/step-*"
    " or: evalkit series sft/checkpoint-* --suite robustness --limit 50 --out sft-series"
    " or: evalkit series sweep/alpha-* --x alpha --suite quickstart --out sweep-series",
)
@click.argument("places", nargs=-1, metavar="RUN|MODEL...")
@in_places(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Checkpoint, or a pattern such as 'sft/checkpoint-*'. Repeatable.",
)
@in_places(
    "--x",
    default="step",
    metavar="WORD",
    help=(
        "What orders them: step, tokens, fraction, date, alpha, ...; the number beside this word "
        "in their names."
    ),
)
@in_places(
    "--x-file", type=PATH, metavar="FILE", help="CSV with columns run and x, in place of names."
)
@in_told(
    "--metrics", default=METRICS, metavar="A,B", help="Statistics with their bands and plateaus."
)
@in_told(
    "--tested", default="mean", metavar="METRIC", help="What the first regression is found on."
)
@in_told(
    "--margin",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.02,
    help="Fall from which a step may regress, a fraction.",
)
@in_told(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.01,
    help="Gain that counts as none for a plateau, a fraction.",
)
@in_told(
    "--level",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.95,
    help="Level of intervals, and of the rule over all steps together.",
)
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Folder for series.csv, tasks.csv, figures, and the runs of models.",
)
@choosing_options(*ASKING)
@table_options()
@output_options
def command(
    places: tuple[str, ...], models: tuple[str, ...], as_json: bool, quiet: bool, **given: Any
) -> int:
    """Follow a metric over checkpoints: growth, plateau, forgetting, first step that regresses.

    RUN is a run directory, MODEL a checkpoint that is asked first, which needs --suite or --tasks
    and --out. All must be of one suite.
    """
    metrics = _metrics(given["metrics"], given["tested"])
    runs, asked = _sorted_out(places, models)
    told = _read_x(given["x_file"])
    if asked:
        runs = [*runs, *_ask(asked, given, told, quiet=quiet or as_json)]
    points = _points(runs, given["x"], told)
    from evalkit.gating.series import series

    found = series(
        points,
        metrics=metrics,
        tested=given["tested"],
        margin=given["margin"],
        tolerance=given["tolerance"],
        level=given["level"],
    )
    if given["out"] is not None:
        _write(given["out"], found, given["x"])
    if as_json:
        print_json(dataclasses.asdict(found))
    elif not quiet:
        _show(found, given)
    return 0


def _metrics(text: str, tested: str) -> list[str]:
    from evalkit.gating.units import LINEAR
    from evalkit.records.statistics import STATISTICS

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in STATISTICS:
            raise UsageError(
                f"--metrics {name}: is not known; names of docs/metrics.md are accepted, "
                f"such as {METRICS}."
            )
    if tested not in LINEAR:
        raise UsageError(f"--tested {tested}: is not accepted; {', '.join(LINEAR)} are.")
    return names


def _sorted_out(places: Sequence[str], models: Sequence[str]) -> tuple[list[Path], list[ModelSpec]]:
    """Return run directories and models: a folder with a manifest is a run."""
    from evalkit import catalog
    from evalkit.store.directory import is_run_dir

    named: list[str] = []
    for pattern in models:
        found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
        if not found:
            raise UsageError(f"--model {pattern}: matches nothing. Check the pattern.")
        named += found
    runs = [Path(place) for place in places if is_run_dir(Path(place))]
    named += [place for place in places if not is_run_dir(Path(place))]
    return runs, [catalog.load_model(name) for name in named]


def _read_x(path: Path | None) -> dict[str, float]:
    from evalkit.runs.places import read_places

    return {} if path is None else read_places(path)


def _place(names: Sequence[str], x: str, told: dict[str, float]) -> float:
    """Return the place of a checkpoint by the first of its names that tells it."""
    from evalkit.runs.places import place_in

    for name in names:
        if name in told:
            return told[name]
        if not told and (found := place_in(name, x)) is not None:
            return found
    where = "--x-file" if told else f"--x {x}"
    like = "a day such as 2026-03-01" if x == "date" else f"a name such as {x}-100 or 100{x}"
    raise UsageError(
        f"{where}: says nothing of {names[0]!r}; {like} tells it. "
        "Name another word, or give --x-file with the columns run and x."
    )


def _ask(
    asked: Sequence[ModelSpec], given: dict[str, Any], told: dict[str, float], *, quiet: bool
) -> list[Path]:
    """Ask every model that has no finished run yet, and return the run directories."""
    from evalkit.backends.hf.files import locate
    from evalkit.runs.execute import run
    from evalkit.runs.progress import ShownProgress, interruptible
    from evalkit.store.atomic import slug

    if given["out"] is None:
        raise UsageError(
            f"--out: is needed, because {asked[0].name} is no run and would be asked as a model. "
            "Name a folder for the runs of models, or a run directory."
        )
    for model in asked:
        _place((model.display, model.name), given["x"], told)
        if model.backend == "hf":
            locate(model)  # all are there before the first is asked
    overrides = {name: given[name] for name in ASKING if name not in OF_MODEL}
    runs: list[Path] = []
    for model in asked:
        place = given["out"] / "runs" / slug(f"{Path(model.name).parent.name}-{model.display}")
        wanted = {**overrides, "model": _with(model, given), "out": place}
        settings = settings_from(wanted)
        progress = ShownProgress(quiet=quiet, label=model.display)
        with interruptible(progress):
            try:
                runs.append(run(settings, progress).path)
            finally:
                progress.close()
    return runs


def _with(model: ModelSpec, given: dict[str, Any]) -> ModelSpec:
    """Return a model with the options that belong to it."""
    changes = {name: given[name] for name in OF_MODEL[:3] if given[name] is not None}
    if given["tuned_on"]:
        changes["tuned_on"] = tuple(part.strip() for part in given["tuned_on"].split(","))
    return dataclasses.replace(model, **changes)


def _points(runs: Sequence[Path], x: str, told: dict[str, float]) -> list[Point]:
    """Return the runs in the order of their places; refuse equal places and other suites."""
    from evalkit.analysis.compare import compare_suites
    from evalkit.gating.series import Point
    from evalkit.runs.places import gaps
    from evalkit.runs.read import finished, read_own_estimates, table_of

    found: list[tuple[Point, Path]] = []
    for path in runs:
        manifest = finished(path)
        names = (str(path), path.name, manifest.model.label, manifest.model.name)
        point = Point(
            x=_place(names[1:] if not told else names, x, told),
            label=manifest.model.label,
            table=table_of(path, None),
            estimates=read_own_estimates(path, manifest),
        )
        for other, where in found:
            if other.x == point.x:
                raise UsageError(
                    f"{where} and {path}: both stand at {x} {point.x:g}. Leave one out."
                )
        if found:
            compare_suites(finished(found[0][1]).suite, manifest.suite)
        found.append((point, path))
    points = sorted((point for point, _ in found), key=lambda point: point.x)
    for missing in gaps([point.x for point in points])[:5]:
        say(f"{x} {missing:g}: no run stands there, though the others are evenly spaced.", err=True)
    return points


def _show(found: Series, given: dict[str, Any]) -> None:
    from evalkit.records.statistics import statistic

    x = given["x"]
    rows = []
    for k, step in enumerate(found.steps):
        bands = [found.bands[name][k] for name in found.bands]
        values = [f"{number(value)} [{number(low)}, {number(high)}]" for value, low, high in bands]
        fall = number(step.harm, sign=True)
        fall += f" since {step.since:g}" if step.harm == step.harm else ""
        rows.append([f"{step.x:g}", *values, fall, p_value(step.p), p_value(step.allowed)])
    titles = [statistic(name).title for name in found.bands]
    fell = f"{statistic(found.metric).title} worse by"
    print_table([x, *titles, fell, "p", "p needed"], rows, title="percentage points")
    span = found.steps[-1].x - found.steps[0].x

    def slope(value: float) -> str:
        """Return points per unit of x; 0 where rounding alone is left of it."""
        return f"{100 * value if abs(value) * span > 1e-12 else 0.0:+.3g}"

    tasks = [
        [
            one.task,
            number(one.scores[0]),
            number(one.scores[-1]),
            f"{slope(one.slope)} [{slope(one.low)}, {slope(one.high)}]",
            number(max(one.scores) - one.scores[-1]),
        ]
        for one in found.growth
    ]
    print_table(["task", "first", "last", f"growth per {x}", "lost since best"], tasks)
    for one in found.plateaus:
        title = statistic(one.metric).title
        say(
            (
                f"{title}: level from {x} {one.x:g} on ({number(one.value)}; "
                f"best later {number(one.best)})."
            )
            if one.reached
            else f"{title}: not level yet at {x} {one.x:g}."
        )
    worst = found.first_regression
    level = f"{1 - given['level']:.0%} over all steps"
    say(
        (
            f"First regression: {x} {worst.x:g} ({worst.label}), {100 * worst.harm:.1f} points "
            f"below {x} {worst.since:g}; error rate {level}."
        )
        if worst
        else (
            f"No step regresses by more than {number(given['margin'])} points beyond chance "
            f"(error rate {level})."
        )
    )
    if given["out"] is not None:
        say(f"Written: {given['out']}")


def _write(out: Path, found: Series, x: str) -> None:
    from evalkit.records.statistics import statistic
    from evalkit.report.drawing import Drawing
    from evalkit.report.figures.lines import Band, plot_bands
    from evalkit.report.figures.maps import Grid, plot_step_map
    from evalkit.report.writing import write_figures
    from evalkit.store.atomic import write_atomic
    from evalkit.store.csv_file import csv_of

    rows = [
        [place, label, metric, *band]
        for metric, bands in found.bands.items()
        for place, label, band in zip(found.xs, found.labels, bands, strict=True)
    ]
    write_atomic(out / "series.csv", csv_of((x, "model", "metric", "value", "low", "high"), rows))
    cells = [
        [one.task, *cell]
        for one in found.growth
        for cell in zip(found.xs, one.scores, one.forgetting, strict=True)
    ]
    write_atomic(out / "tasks.csv", csv_of(("task", x, "score", "forgetting"), cells))
    slopes = [[one.task, one.slope, one.low, one.high] for one in found.growth]
    write_atomic(out / "growth.csv", csv_of(("task", "slope", "low", "high"), slopes))
    steps = [list(dataclasses.astuple(step)) for step in found.steps]
    names = [field.name for field in dataclasses.fields(found.steps[0])]
    write_atomic(out / "steps.csv", csv_of(names, steps))
    bands = [
        Band(label=statistic(name).title, values=values, low=low, high=high)
        for name, (values, low, high) in (
            (name, zip(*band, strict=True)) for name, band in found.bands.items()
        )
    ]
    worst = found.first_regression
    lines = partial(plot_bands, found.xs, bands, x_label=x, marked=worst.x if worst else None)
    data = Grid(
        rows=[one.task for one in found.growth],
        columns=[f"{place:g}" for place in found.xs],
        values=[one.forgetting for one in found.growth],
        column_label=x,
    )
    write_figures(
        out,
        [
            Drawing(name="series", title="series", draw=lines),
            Drawing(name="forgetting", title="lost", draw=partial(plot_step_map, data)),
        ],
    )
