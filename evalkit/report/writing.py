"""Writes everything a person looks at into a run directory.

Leaderboard, page, Markdown, figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evalkit.report.leaderboard import leaderboard_csv, leaderboard_row
from evalkit.report.page import render_markdown, render_page
from evalkit.report.run_view import Comparison, RunView
from evalkit.store.atomic import write_atomic

if TYPE_CHECKING:
    from evalkit.analysis.standings import Standings
    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest
    from evalkit.report.comparison_page import Against
    from evalkit.report.drawing import Drawing

__all__ = ["write_comparison", "write_figures", "write_leaderboard", "write_report"]

FORMS: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png", "pdf")
"""Forms every figure is written in."""


def write_report(path: Path, run: RunView, *, comparison: Comparison | None = None) -> None:
    """Write ``leaderboard.csv``, ``report.html`` and ``report.md`` of one run.

    Parameters
    ----------
    path
        Directory they go to.
    run
        The run.
    comparison
        With a baseline, when one is given.
    """
    write_leaderboard(path, run.manifest, run.estimates)
    write_atomic(path / "report.html", render_page(run, comparison=comparison))
    write_atomic(path / "report.md", render_markdown(run, comparison=comparison))


def write_leaderboard(path: Path, manifest: Manifest, estimates: Sequence[Estimate]) -> None:
    """Write the ``leaderboard.csv`` of one run.

    Parameters
    ----------
    path
        Directory it goes to.
    manifest, estimates
        Of the run.
    """
    write_atomic(path / "leaderboard.csv", leaderboard_csv([leaderboard_row(manifest, estimates)]))


def write_comparison(
    path: Path,
    runs: Sequence[RunView],
    names: Sequence[str],
    order: Standings,
    compared: Sequence[Against] = (),
) -> None:
    """Write ``comparison.html`` of several runs of one suite.

    Parameters
    ----------
    path
        Directory it goes to.
    runs, names, order, compared
        As for `evalkit.report.comparison_page.render_comparison`.
    """
    from evalkit.report.comparison_page import render_comparison

    write_atomic(path / "comparison.html", render_comparison(runs, names, order, compared))


def write_figures(path: Path, found: Iterable[Drawing]) -> tuple[list[Path], dict[str, str]]:
    """Write figures as SVG, PNG and PDF; return the files, and why the others are not there.

    Parameters
    ----------
    path
        Folder they go to.
    found
        Figures, as `evalkit.report.drawings.drawings` yields them.
    """
    from evalkit.report.figures.canvas import figure_bytes

    written: list[Path] = []
    absent: dict[str, str] = {}
    for drawing in found:
        if drawing.draw is None:
            absent[drawing.name] = drawing.why
            continue
        ax = drawing.draw()
        for form in FORMS:
            write_atomic(path / f"{drawing.name}.{form}", figure_bytes(ax, form=form))
            written.append(path / f"{drawing.name}.{form}")
    return written, absent
