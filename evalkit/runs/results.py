"""``compare``, ``gate`` and ``analyse`` as calls: what the commands compute, as frames.

Frames hold fractions at full precision; what a notebook shows is in percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from evalkit.errors import UsageError
from evalkit.records.questions import NAMES, Named
from evalkit.records.statistics import shown_in
from evalkit.runs.shown import frame, shown
from evalkit.runs.spoken import spoken

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis import PairedTest
    from evalkit.analysis.compare import Comparison
    from evalkit.analysis.score_files import TableSettings
    from evalkit.catalog.score_columns import ScoreFile
    from evalkit.gating import Decision, Explanation
    from evalkit.records import Estimate
    from evalkit.records.policy import Policy

__all__ = ["Analysed", "Compared", "Gated", "HasPath", "analyse", "compare", "gate"]

NAMED = 10
"""Phrasings and instances named in the explanation of a gate."""


class HasPath(Protocol):
    """A run, as `evalkit.run` and `evalkit.load_run` return it."""

    @property
    def path(self) -> Path:
        """Return its directory."""


Place: TypeAlias = "str | Path | HasPath"


def _path(place: Place) -> Path:
    if isinstance(found := getattr(place, "path", place), str | Path):
        return Path(found)
    raise UsageError(f"{type(place).__name__}: is no path, run or (for analyse) pandas.DataFrame.")


@dataclass(frozen=True, kw_only=True, repr=False)
class Compared:
    """Two runs or tables, paired; every difference is the second minus the first."""

    found: Comparison
    """Everything that was computed."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as that a run is unfinished."""

    @property
    def headline(self) -> pd.DataFrame:
        """Return the differences over all tasks, one row per statistic, with intervals."""
        return frame(self.found.overall)

    @property
    def estimates(self) -> pd.DataFrame:
        """Return every difference: per task, per benchmark and over all tasks."""
        return frame(self.found.estimates)

    @property
    def tests(self) -> pd.DataFrame:
        """Return one test per task, then of all tasks together."""
        return frame(self.found.tests)

    @property
    def phrasings(self) -> pd.DataFrame:
        """Return the flips of every phrasing."""
        return frame(self.found.by_phrasing)

    @property
    def instances(self) -> pd.DataFrame:
        """Return the instances with a flip, most first."""
        return frame(self.found.by_instance)

    def __repr__(self) -> str:
        return f"Compared({self.found.new!r} minus {self.found.old!r})"

    def _repr_html_(self) -> str:
        lines = [*self.notes, "percentage points, mean over tasks; the others: .headline"]
        found = {row.metric: row for row in self.found.overall}
        rows = [(one.title, found[one.name]) for one in shown_in("comparison") if one.name in found]
        return shown(f"{self.found.new} minus {self.found.old}", lines, rows)


@spoken
def compare(
    a: Place,
    b: Place,
    *,
    margin: float | None = None,
    model_a: str | None = None,
    model_b: str | None = None,
    question: Named = "random",
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> Compared:
    """Compare two runs or per-instance score tables of one suite, paired,
    as ``evalkit compare`` does.

    Parameters
    ----------
    a, b
        Run, run directory or score table; differences are `b` minus `a`.
    margin
        Also test that `b` is at most this much worse, a fraction.
    model_a, model_b
        Model of a table that holds several.
    question
        Intervals for these phrasings (``random``, ``fixed``), for new ones with normal effects
        (``normal``), or for tasks like these (``tasks``).
    level, resamples, seed
        Of the intervals.

    Raises
    ------
    ComparisonError
        When suites, phrasings or instances differ, naming what.
    EvalkitError
        When one of the two cannot be read.
    """
    from evalkit.analysis.compare import Settings, compare_suites, compare_tables
    from evalkit.analysis.ways import compare_ways
    from evalkit.runs.read import suite_of, tables_of
    from evalkit.store.directory import is_run_dir, read_manifest

    _refuse_intervals(level, resamples, question, NAMES)
    notes: list[str] = []
    places = [_path(a), _path(b)]
    compare_suites(*(suite_of(path, notes) for path in places))
    notes += compare_ways(*(read_manifest(path) if is_run_dir(path) else None for path in places))
    tables, said = tables_of(places, (model_a, model_b))
    notes += said
    how = Settings(level=level, n_resamples=resamples, seed=seed, question=question, margin=margin)
    return Compared(found=compare_tables(*tables, settings=how), notes=tuple(notes))


@dataclass(frozen=True, kw_only=True, repr=False)
class Gated:
    """A decision before a release, with what is behind it."""

    decision: Decision
    """Outcome, checks, policy and notes."""
    explanation: Explanation | None = None
    """Phrasings and instances that moved most."""

    @property
    def outcome(self) -> str:
        """Return ``pass``, ``regression`` or ``inconclusive``."""
        return self.decision.outcome

    @property
    def exit_code(self) -> int:
        """Return what the command would exit with: 0, 1 or 3."""
        return self.decision.exit_code

    @property
    def checks(self) -> pd.DataFrame:
        """Return one row per rule and scope, in the order of the policy."""
        return frame(self.decision.checks)

    def __repr__(self) -> str:
        return f"Gated({self.outcome!r}, {self.decision.why!r})"

    def __str__(self) -> str:
        from evalkit.report.gate_formats import gate_text

        return gate_text(self.decision, self.explanation)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def write(self, page: str | Path) -> Path:
        """Write the decision as a page, as ``evalkit gate --html`` does, and return its path.

        Parameters
        ----------
        page
            File; one that is there is replaced.

        Raises
        ------
        UsageError
            When it is a file of a run.
        StoreError
            When it cannot be written.
        """
        from evalkit.report.gate_page import gate_html
        from evalkit.store.directory import write_out

        write_out(Path(page), gate_html([(self.decision, self.explanation)]))
        return Path(page)


@spoken
def gate(candidate: Place, baseline: Place, policy: str | Path | Policy | None = None) -> Gated:
    """Decide whether a candidate may replace a baseline, as ``evalkit gate`` does.

    Parameters
    ----------
    candidate, baseline
        Run or run directory of the same suite; or log of another harness, or per-instance table.
    policy
        Policy, or its file; None for the one that ships.

    Raises
    ------
    GateError
        When a run cannot be read or trusted, or the two must not be compared. Never a pass then.
    IncompleteError
        When a run was not finished or misses cells.
    TableError
        When a log or table cannot be read, or holds several models.
    """
    from datetime import UTC, datetime

    from evalkit.catalog.policies import default_policy_path, read_policy_file
    from evalkit.gating.runs import gate_runs
    from evalkit.records.policy import Policy
    from evalkit.runs.imported import run_of
    from evalkit.runs.read import answer_blocks_of, answers_of

    if not isinstance(policy, Policy):
        policy = read_policy_file(Path(policy) if policy is not None else default_policy_path())
    decision, explanation = gate_runs(
        run_of(_path(candidate)),
        run_of(_path(baseline)),
        policy=policy,
        today=datetime.now(UTC).date(),
        explained=NAMED,
        answers=answers_of,
        blocks=answer_blocks_of,
    )
    return Gated(decision=decision, explanation=explanation)


@dataclass(frozen=True, kw_only=True, repr=False)
class Analysed:
    """The statistics of a score table."""

    file: ScoreFile
    """The rows as they were understood."""
    rows: Sequence[Estimate]
    """Every estimate."""
    how: TableSettings
    """How they were computed."""
    pairs: Sequence[PairedTest] = field(default=())
    """Every test, where tests were asked for."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was left out or assumed while reading."""
        return self.file.notes

    @property
    def estimates(self) -> pd.DataFrame:
        """Return one row per statistic, columns as in ``estimates.csv``."""
        return frame(self.rows)

    @property
    def tests(self) -> pd.DataFrame:
        """Return the paired tests; empty when none were asked for."""
        return frame(self.pairs)

    @property
    def phrasings(self) -> pd.DataFrame:
        """Return one row per model, task and phrasing; empty for a table without instances."""
        import pandas as pd

        from evalkit.analysis.score_files import phrasings_of

        return pd.DataFrame(phrasings_of(self.file) or [])

    def write(self, out: str | Path) -> list[Path]:
        """Write pages and figures, as ``evalkit analyse --out`` does, and return the pages.

        Parameters
        ----------
        out
            Folder; of several models each has one in it, and all a comparison.

        Raises
        ------
        UsageError
            When it is the folder of a run.
        TableError
            When the table has no scores.
        StoreError
            When it cannot be written.
        """
        from evalkit.runs.table_report import write_pages

        return write_pages(Path(out), self.file, self.rows, self.how)

    def __repr__(self) -> str:
        return f"Analysed({self.file.origin!r}, {len(self.rows)} estimates)"

    def _repr_html_(self) -> str:
        means = [
            (f"{row.model}, {row.task}: {row.metric}", row)
            for row in self.rows
            if row.metric in ("mean", "spread") and not row.group
        ]
        lines = [*self.notes, f"{len(self.rows)} estimates; mean and spread in percentage points"]
        return shown(self.file.origin, lines, means)


@spoken
def analyse(
    table: Place | pd.DataFrame,
    *,
    factor: str | Sequence[str] = (),
    reference: str | Mapping[str, str] | None = None,
    chance: float | Mapping[str, float] | None = None,
    tests: bool = False,
    question: Named | Literal["both"] = "random",
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> Analysed:
    """Compute the statistics of a score table made elsewhere, as ``evalkit analyse`` does.

    Parameters
    ----------
    table
        Frame, file, run, or folder of files: ``model, task, phrasing_id, score``, with
        ``instance_id`` (per instance) or without (aggregated).
    factor
        Columns to group by.
    reference
        Clean phrasing for drop rates, or attacked id -> reference id.
    chance
        Score of guessing, of all tasks or by task.
    tests
        Also test pairs of models, and attacked phrasings against their reference.
    question
        Intervals for new phrasings (``random``), for these (``fixed``), or ``both`` of these; for
        new ones with normal effects (``normal``), or for tasks like these (``tasks``).
    level, resamples, seed
        Of the intervals.

    Raises
    ------
    TableError
        When the table cannot be read or analysed.
    """
    import pandas as pd

    from evalkit.analysis.score_files import TableSettings, chances, estimates_of, tests_of
    from evalkit.catalog.score_columns import score_file
    from evalkit.catalog.score_tables import read_score_table

    _refuse_intervals(level, resamples, question, (*NAMES, "both"))
    named = chance if isinstance(chance, Mapping) else {} if chance is None else {"": chance}
    how = TableSettings(
        factors=(factor,) if isinstance(factor, str) else tuple(factor),
        reference=reference,
        chance=chances(f"{task}={value}" if task else str(value) for task, value in named.items()),
        level=level,
        n_resamples=resamples,
        question=question,
        seed=seed,
    )
    file = score_file(table) if isinstance(table, pd.DataFrame) else read_score_table(_path(table))
    return Analysed(
        file=file, rows=estimates_of(file, how), how=how, pairs=tests_of(file, how) if tests else ()
    )


def _refuse_intervals(level: float, resamples: int, question: str, known: Sequence[str]) -> None:
    if not 0 < level < 1:
        raise UsageError(f"--level: {level:g} is out of range; a number from 0 to 1 is accepted.")
    if resamples < 100:
        raise UsageError(
            f"--resamples: {resamples} is out of range; a whole number from 100 is accepted."
        )
    if question not in known:
        raise UsageError(
            f"--question: {question!r} is not known; {' or '.join(known)} is accepted."
        )
