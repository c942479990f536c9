"""Runs in a notebook: ``evalkit.load_run(path)`` gives labelled frames and figures,
``evalkit.run(...)`` is the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from evalkit.backends.base import Backend
from evalkit.errors import UsageError
from evalkit.records import ModelSpec, Phrasing, Request, Response, Suite, Task
from evalkit.runs.given import settings_of
from evalkit.runs.notebook_line import shown_below
from evalkit.runs.options import OPTIONS
from evalkit.runs.read import answers_of, read_own_estimates, read_run
from evalkit.runs.results import Compared, Gated, Place, compare, gate
from evalkit.runs.shown import frame, shown
from evalkit.runs.spoken import spoken
from evalkit.scoring.table import read_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest
    from evalkit.records.policy import Policy
    from evalkit.report.run_view import RunView
    from evalkit.scoring import ScoreTable

__all__ = ["Run", "load_run", "run"]

F = TypeVar("F", bound=Callable[..., Any])


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

    def _repr_html_(self) -> str:
        counts = self.manifest.counts
        title = f"{self.manifest.model.label} on {self.manifest.suite.name}"
        lines = [
            f"{counts.cells:,} cells, {counts.missing} missing, {counts.unparsed} unparsed"
            if counts
            else "the run was not finished",
            str(self.path),
        ]
        return shown(title, lines, self._headline if counts else [])

    @cached_property
    def table(self) -> ScoreTable:
        """The cells, with `ScoreTable.block` for dense arrays."""
        return read_table(self.path)

    @property
    def scores(self) -> pd.DataFrame:
        """One row per cell, columns as in ``scores.parquet``."""
        return self.table.frame

    @cached_property
    def responses(self) -> pd.DataFrame:
        """One row per cell: key of the request, log-probabilities or text as they came back."""
        import pandas as pd

        return pd.DataFrame(answers_of(self.path))

    @cached_property
    def headline(self) -> pd.DataFrame:
        """The summary that the command prints: statistics over all tasks with intervals;
        fractions.
        """
        import pandas as pd

        columns = ("metric", "value", "low", "high", "n_tasks", "n_phrasings", "n_instances")
        return pd.DataFrame(
            [
                {"words": words, **{name: getattr(row, name) for name in columns}}
                for words, row in self._headline
            ]
        )

    @cached_property
    def _headline(self) -> list[tuple[str, Estimate]]:
        from evalkit.report.summary import over_all_tasks

        return over_all_tasks(read_own_estimates(self.path))

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per statistic, columns as in ``estimates.csv``; fractions."""
        return frame(read_own_estimates(self.path))

    @cached_property
    def view(self) -> RunView:
        """What the report draws from."""
        return read_run(self.path, table=self.table)

    @cached_property
    def phrasings(self) -> pd.DataFrame:
        """One row per task and phrasing.

        Text, source, relation, score with interval, share of the spread, unparsed share.
        """
        return frame(row for task in self.view.evidence.tasks for row in task.phrasings)

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
        axes: Axes = drawing.draw(ax=ax)
        if ax is None:
            shown_below(axes.figure)
        return axes

    def compare(self, other: Place, **settings: Any) -> Compared:
        """Compare with another run of the suite: `other` minus this one.

        Parameters
        ----------
        other
            Run, run directory or score table.
        **settings
            Those of `evalkit.compare`.
        """
        return compare(self, other, **settings)

    def gate(self, baseline: Place, policy: str | Path | Policy | None = None) -> Gated:
        """Decide whether this run's model may replace the baseline's.

        Parameters
        ----------
        baseline, policy
            As in `evalkit.gate`.
        """
        return gate(self, baseline, policy)


@spoken
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


def _explained(function: F) -> F:
    """Add the options of the table, from the third on, to the parameters in a docstring."""
    lines = [f"    {option.name}\n        {option.help}" for option in OPTIONS[2:]]
    text, raises, rest = str(function.__doc__).partition("\n\n    Raises")
    function.__doc__ = "\n".join([text, *lines]) + raises + rest
    return function


@_explained
@spoken
def run(
    model: str | Path | ModelSpec | Backend | Callable[[Request], str | Response] | tuple[Any, Any],
    suite: str | Path | Suite | None = None,
    *,
    tasks: str | Task | Sequence[str | Task] | None = None,
    limit: int | None = None,
    phrasings: int | Phrasing | Sequence[Phrasing | str] | None = None,
    phrasing_file: str | Path | Sequence[str | Path] | None = None,
    stratum: str | Sequence[str] | None = None,
    languages: str | Sequence[str] | None = None,
    kinds: str | Sequence[str] | None = None,
    perturb: str | Sequence[str] | None = None,
    shots: int | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    repeats: int | None = None,
    budget: float | None = None,
    budget_design: Literal["paired", "balanced", "adaptive"] | None = None,
    half_width: str | float | None = None,
    find: Literal["best", "worst"] | None = None,
    tuned_on: str | Sequence[str] | None = None,
    mitigation: str | Sequence[str] | None = None,
    score_by: Literal["own", "byte", "read", "letter", "text"] = "own",
    allow_code_execution: bool = False,
    judge: str | ModelSpec | None = None,
    seed: int = 0,
    batch_size: str | int = "auto",
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    chat_template: str | Path | None = None,
    chat_template_kwargs: str | Mapping[str, Any] | None = None,
    allow_unknown: bool = False,
    model_args: str | None = None,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    available: bool = False,
    fresh: bool = False,
    cache: bool | None = None,
    no_report: bool = False,
    executor: Literal["local", "ray"] = "local",
    workers: int = 1,
    address: str | None = None,
    level: float = 0.95,
    representations: int = 0,
    resamples: int = 1000,
    uncertainty: int = 0,
    quiet: bool = False,
) -> Run:
    """Evaluate a suite, as ``evalkit run`` does, and return the run.

    Every option of the command is a keyword; a repeatable one takes a list.

    Parameters
    ----------
    model
        Text as for ``--model``, a `ModelSpec`, a backend, a function that takes a request and
        returns text or a `Response`, or a pair of a Transformers model and its tokenizer.
    suite
        Name, file or `Suite`; None when `tasks` says what is run.
    quiet
        Whether no progress is shown.

    Raises
    ------
    EvalkitError
        Whatever the command would print; a run with missing cells is returned, not raised.
    """
    given = dict(locals())
    from evalkit.runs.execute import run as corridor
    from evalkit.runs.progress import ShownProgress

    settings = settings_of(given)
    progress = ShownProgress(quiet=quiet, label=settings.label)
    try:
        return Run(corridor(settings, progress).path)
    finally:
        progress.close()
