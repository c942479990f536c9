"""Runs in a notebook: ``evalkit.load_run(path)`` gives labelled frames and figures, ``evalkit.run(...)`` is the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import UsageError
from evalkit.runs.read import read_run
from evalkit.scoring.table import read_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from evalkit.records.manifest import Manifest
    from evalkit.report.run_view import RunView
    from evalkit.scoring import ScoreTable

__all__ = ["Run", "load_run", "run"]


class Run:
    """A finished run: frames are read when they are first asked for.

    Parameters
    ----------
    path
        Run directory.

    Raises
    ------
    EvalkitError
        When it is no run.
    """

    def __init__(self, path: Path | str) -> None:
        from evalkit.store.directory import read_manifest

        self.path = Path(path)
        self.manifest: Manifest = read_manifest(self.path)

    def __repr__(self) -> str:
        model, suite = self.manifest.model.label, self.manifest.suite.name
        return f"Run({model!r} on {suite!r}, {self.manifest.state}, {str(self.path)!r})"

    @cached_property
    def table(self) -> ScoreTable:
        """The cells, with `ScoreTable.block` for dense arrays."""
        return read_table(self.path)

    @property
    def scores(self) -> pd.DataFrame:
        """One row per cell, columns as in ``scores.parquet``."""
        return self.table.frame

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per statistic, columns as in ``estimates.csv``; fractions."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.view.estimates])

    @cached_property
    def view(self) -> RunView:
        """What the report draws from."""
        return read_run(self.path, table=self.table)

    @cached_property
    def phrasings(self) -> pd.DataFrame:
        """One row per task and phrasing.

        Text, source, relation, score with interval, share of the spread, unparsed share.
        """
        import pandas as pd

        return pd.DataFrame(
            [asdict(row) for task in self.view.evidence.tasks for row in task.phrasings]
        )

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures this run has data for."""
        return tuple(name for name, drawing in self._drawings.items() if drawing.draw is not None)

    @cached_property
    def _drawings(self) -> dict[str, Any]:
        from evalkit.report.drawings import drawings

        return {
            drawing.name: drawing
            for drawing in drawings(
                self.view.evidence, self.view.estimates, counts=self.manifest.totals
            )
        }

    def plot(self, name: str = "scores", *, ax: Axes | None = None) -> Axes:
        """Draw a figure and return its Axes.

        Parameters
        ----------
        name
            One of `figures`.
        ax
            Axes to draw on; a new figure's when None.

        Raises
        ------
        UsageError
            When there is no such figure, or no data for it.
        """
        if name not in self._drawings:
            raise UsageError(f"figure {name!r}: is not known; known: {', '.join(self._drawings)}.")
        drawing = self._drawings[name]
        if drawing.draw is None:
            raise UsageError(f"figure {name!r}: cannot be drawn from this run. {drawing.why}")
        axes: Axes = drawing.draw(ax)
        return axes


def load_run(path: Path | str) -> Run:
    """Return a finished run.

    Parameters
    ----------
    path
        Run directory, as ``evalkit run`` wrote it.

    Raises
    ------
    EvalkitError
        When it is no run.
    """
    return Run(path)


def run(model: str, suite: str | None = None, *, quiet: bool = False, **options: Any) -> Run:
    """Evaluate a suite, as ``evalkit run`` does, and return the run.

    Parameters
    ----------
    model
        As for ``--model``.
    suite
        As for ``--suite``; None when ``tasks`` is given.
    quiet
        Whether no progress is shown.
    **options
        Options of the command with ``_`` for ``-``: ``limit=100``, ``tuned_on="flan,p3"``,
        ``fresh=True``; a list repeats an option.

    Raises
    ------
    EvalkitError
        Whatever the command would print; a run with missing cells is returned, not raised.
    """
    import shlex
    from dataclasses import replace

    import click

    from evalkit.cli.choosing import settings_from
    from evalkit.cli.run import command
    from evalkit.runs.execute import run as corridor
    from evalkit.runs.progress import ShownProgress

    words = ["--model", model, *(["--suite", suite] if suite else []), *_words(options)]
    try:
        given = dict(command.make_context("run", list(words)).params)
    except click.UsageError as error:
        raise UsageError(f"evalkit.run: {error.format_message()}") from error
    for name in ("as_json", "quiet"):
        given.pop(name, None)
    settings = replace(settings_from(given), command=shlex.join(["evalkit", "run", *words]))
    progress = ShownProgress(quiet=quiet, label=settings.model.display)
    try:
        return Run(corridor(settings, progress).path)
    finally:
        progress.close()


def _words(options: Mapping[str, Any]) -> list[str]:
    """Options of a call as words of a command line; None and False are left out."""
    words = []
    for name, value in options.items():
        values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
        for one in values:
            if one is None or one is False:
                continue
            words += [f"--{name.replace('_', '-')}"] + ([] if one is True else [str(one)])
    return words
