"""``evalkit report``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.log_options import log_options, told_of
from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    in_output,
    no_report_option,
    option,
    output_options,
    print_json,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.catalog.score_tables import Told

__all__ = ["command"]

RUN_MARKS = ("manifest.json", "responses.sqlite", "run.lock")
"""A folder with one of these was meant to be a run."""

in_what = partial(option, group="What")


@click.command(
    "report",
    cls=GroupedCommand,
    epilog="Example: evalkit report reports/runs/demo_quickstart_1f2e3d4c --figures",
)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@in_what(
    "--figures",
    is_flag=True,
    help="Write every figure alone too, as SVG, PNG and PDF, into figures/.",
)
@in_what("--baseline", type=PATH, metavar="RUN", help="Run to compare with; for one RUN.")
@in_what(
    "--flips",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Instances per task shown side by side; default: 3 to 25.",
)
@in_output(
    "--out", "-o", type=PATH, metavar="DIR", help="Where it goes; default: the run directory."
)
@log_options()
@no_report_option
@output_options
def command(
    runs: tuple[Path, ...],
    figures: bool,
    baseline: Path | None,
    flips: int | None,
    out: Path | None,
    no_report: bool,
    **flags: Any,
) -> int:
    """Write tables, figures and the page of one or more runs, or of a log.

    One RUN: report.html, report.md and leaderboard.csv. Several runs of the same suite:
    comparison.html. Everything is made from what is stored; no model and no benchmark data is
    needed.

    In place of a RUN a score table, or a log of lm-eval, Inspect, HELM, Every Eval Ever or
    promptfoo (FILE::MODEL for one of several models), or several of these: a page per model with
    its figures, and comparison.html of a log's models, below reports/logs/ where --out is not
    given.
    """
    told = told_of(flags)
    logs = [path for path in runs if _is_log(path)]
    _refuse(runs, logs, told, figures=figures, baseline=baseline, flips=flips, no_report=no_report)
    absent: dict[str, str] = {}
    if logs:
        written = _logs(logs, told, out, quiet=flags["quiet"])
    elif no_report:
        written, absent = _bare(runs[0], out)
    elif len(runs) == 1:
        written, absent = _one(runs[0], figures, baseline, flips, out)
    else:
        written, absent = _several(runs, figures, out)
    if flags["as_json"]:
        print_json({"written": [str(path) for path in written], "not_drawn": absent})
        return 0
    for path in written:
        say(str(path))
    if not flags["quiet"]:
        for name, why in absent.items():
            say(f"{name}: not drawn. {why}", err=True)
    return 0


def _refuse(
    runs: Sequence[Path],
    logs: Sequence[Path],
    told: Told,
    *,
    figures: bool,
    baseline: Path | None,
    flips: int | None,
    no_report: bool,
) -> None:
    """Refuse what does not go together."""
    if logs and (len(logs) < len(runs) or baseline is not None or flips is not None or no_report):
        raise UsageError(
            f"{logs[0]}: is no run but a log or table; logs are accepted together with logs alone, "
            "without --baseline, --flips and --no-report. A log and a run: evalkit compare."
        )
    if not logs and (told.form or told.phrasing or told.metric or told.renamed):
        raise UsageError(
            "--format, --phrasing, --metric and --map: are for a log or table. Leave them out."
        )
    if len(runs) > 1 and baseline is not None:
        raise UsageError(
            f"--baseline: is for one RUN, {len(runs)} are given. "
            "Leave it out: several runs are compared with each other."
        )
    if len(runs) > 1 and flips is not None:
        raise UsageError(f"--flips: is for one RUN, {len(runs)} are given. Leave it out.")
    if no_report and (figures or flips is not None or baseline is not None or len(runs) > 1):
        raise UsageError(
            "--no-report: writes leaderboard.csv of one RUN alone; --figures, --flips, "
            "--baseline and further runs are of the page. Leave one out."
        )


def _is_log(place: Path) -> bool:
    """Whether something is there that is no run, whole or damaged, nor ``FILE::MODEL`` of
    nothing.
    """
    from evalkit.runs.imported import file_of

    path, _ = file_of(place)
    return path.exists() and not any((path / name).exists() for name in RUN_MARKS)


def _logs(places: Sequence[Path], told: Told, out: Path | None, *, quiet: bool) -> list[Path]:
    """Write the pages of logs; of several each has a folder of its name in --out."""
    from evalkit.runs.table_report import folder_of, report_log

    pages = []
    for place in places:
        inner = out / folder_of(place) if out is not None and len(places) > 1 else out
        written, notes = report_log(place, told, inner)
        pages += written
        for note in () if quiet else notes:
            say(note if len(places) == 1 else f"{place}: {note}", err=True)
    return pages


def _bare(path: Path, out: Path | None) -> tuple[list[Path], dict[str, str]]:
    """Write the row of the leaderboard, no page."""
    from evalkit.report.writing import write_leaderboard
    from evalkit.runs.read import finished, read_own_estimates
    from evalkit.store.directory import refuse_own

    refuse_own(out or path, of=path)
    manifest = finished(path)
    write_leaderboard(out or path, manifest, read_own_estimates(path, manifest))
    return [(out or path) / "leaderboard.csv"], {}


def _one(
    path: Path, figures: bool, baseline: Path | None, flips: int | None, out: Path | None
) -> tuple[list[Path], dict[str, str]]:
    from evalkit.report.drawings import drawings
    from evalkit.report.writing import write_figures, write_report
    from evalkit.runs.read import against, read_run
    from evalkit.store.directory import refuse_own

    refuse_own(out or path, of=path)
    run = read_run(path, flips=flips)
    comparison = None if baseline is None else against(path, run, baseline)
    target = out or path
    write_report(target, run, comparison=comparison)
    written = [target / name for name in ("report.html", "report.md", "leaderboard.csv")]
    if not figures:
        return written, {}
    drawn, absent = write_figures(
        target / "figures", drawings(run.evidence, run.estimates, counts=run.manifest.totals)
    )
    return [*written, *drawn], absent


def _several(
    paths: Sequence[Path], figures: bool, out: Path | None
) -> tuple[list[Path], dict[str, str]]:
    from evalkit.report.comparison_page import comparison_drawings
    from evalkit.report.writing import write_figures
    from evalkit.runs.read import write_comparison_of

    target, runs, names, order, _ = write_comparison_of(paths, out)
    if not figures:
        return [target / "comparison.html"], {}
    drawn, absent = write_figures(target / "figures", comparison_drawings(runs, names, order))
    return [target / "comparison.html", *drawn], absent
