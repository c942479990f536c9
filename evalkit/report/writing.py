"""Writes everything a person looks at into a run directory: leaderboard, page, Markdown, figures."""

from __future__ import annotations

from pathlib import Path

from evalkit.report.leaderboard import leaderboard_csv, leaderboard_row
from evalkit.report.page import render_markdown, render_page
from evalkit.report.run_view import Comparison, RunView
from evalkit.rundir import write_atomic

__all__ = ["write_figures", "write_report"]


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
    write_atomic(path / "leaderboard.csv", leaderboard_csv([leaderboard_row(run.manifest, run.estimates)]))
    write_atomic(path / "report.html", render_page(run, comparison=comparison))
    write_atomic(path / "report.md", render_markdown(run, comparison=comparison))


def write_figures(path: Path, run: RunView) -> tuple[list[Path], dict[str, str]]:
    """Write every figure of a run as SVG and PNG; return the files, and why the others are not there.

    Parameters
    ----------
    path
        Folder they go to.
    run
        The run.
    """
    from evalkit.report.drawings import drawings
    from evalkit.report.figures.canvas import figure_bytes

    written: list[Path] = []
    absent: dict[str, str] = {}
    for drawing in drawings(run.evidence, run.estimates, counts=run.manifest["counts"]):
        if drawing.draw is None:
            absent[drawing.name] = drawing.why
            continue
        ax = drawing.draw()
        for form in ("svg", "png"):
            write_atomic(path / f"{drawing.name}.{form}", figure_bytes(ax, form=form))
            written.append(path / f"{drawing.name}.{form}")
    return written, absent
