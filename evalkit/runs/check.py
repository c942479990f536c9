"""``evalkit check RUN``: does a run directory hold what it says? Everything is counted and
computed again from the stored rows.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit import __version__
from evalkit.errors import EvalkitError, IncompleteError, StoreError
from evalkit.records.manifest import COUNTED_LATER
from evalkit.runs.finish import Read, estimated, read
from evalkit.runs.read import read_own_estimates
from evalkit.scoring.table import read_table
from evalkit.store.directory import RunDir, lost_answers, read_manifest, unknown_loss
from evalkit.store.responses import Store

if TYPE_CHECKING:
    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest
    from evalkit.scoring import ScoreTable

__all__ = ["RunCheck", "agree", "check_run", "check_store"]

_NAMED = 5
"""Damaged rows named one by one; the rest are counted."""
_NUMBERS = ("value", "low", "high")
"""What is computed in an estimate; everything else in it is exact."""
RELATIVE = 1e-6
"""Share of a number by which it may differ when it is computed again on another machine."""
ABSOLUTE = 1e-9
"""The same for numbers near 0, which are differences of numbers near 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """What a check of a run directory, or of a response store alone, came to."""

    path: Path
    """Run directory or store."""
    state: str
    """``sound``, ``partial`` or ``damaged``."""
    checked: tuple[str, ...]
    """What was found in order."""
    problems: tuple[str, ...]
    """What is damaged, does not agree, or is not there yet."""

    @property
    def exit_code(self) -> int:
        """Return 0 for a sound run, 3 for one that is not finished, 4 for a damaged one."""
        return {"sound": 0, "partial": IncompleteError.exit_code, "damaged": StoreError.exit_code}[
            self.state
        ]


def check_store(path: Path) -> RunCheck:
    """Check a response store: SQLite's structure and the checksum of every row.

    Parameters
    ----------
    path
        The file.
    """
    checked: list[str] = []
    problems = _store_problems(path, checked)
    return RunCheck(
        path=path,
        state="damaged" if problems else "sound",
        checked=tuple(checked),
        problems=tuple(problems),
    )


def check_run(path: Path) -> RunCheck:
    """Check a run directory: manifest, store, counts, scores and estimates. Nothing is changed.

    Parameters
    ----------
    path
        Run directory.
    """
    checked: list[str] = []
    problems: list[str] = []

    def found(state: str) -> RunCheck:
        return RunCheck(path=path, state=state, checked=tuple(checked), problems=tuple(problems))

    try:
        manifest = read_manifest(path)
    except StoreError as error:
        problems.append(str(error))
        return found("damaged")
    checked.append("manifest.json matches its digest")
    directory = RunDir(path)
    if manifest.state != "complete" and not directory.store_path.is_file():
        problems.append(f"{path}: nothing was asked yet. Type: {manifest.to_go_on()}")
        return found("partial")
    problems += _store_problems(directory.store_path, checked)
    if problems:
        return found("damaged")
    problems += _lost(directory)
    if manifest.counts is None:
        if directory.is_copy:
            checked.append(unknown_loss(directory.store_path))
        problems.append(
            f"{path}: the run was not finished; what was answered is stored. "
            f"Type: {manifest.to_go_on()}"
        )
        return found("damaged" if len(problems) > 1 else "partial")
    try:
        problems += _derived_problems(directory, manifest, checked)
    except EvalkitError as error:
        problems.append(str(error))
    if problems:
        return found("damaged")
    if manifest.state != "complete":
        why = (
            f"{manifest.counts.missing} cells have no answer"
            if manifest.counts.missing
            else "its rounds did not end, so cells that its budget pays for were not asked"
        )
        problems.append(f"{path}: {why}. Type: {manifest.to_go_on()}")
        return found("partial")
    return found("sound")


def _lost(directory: RunDir) -> list[str]:
    """Whether answers are gone that the last process called safe."""
    with Store(directory.store_path, read_only=True) as store:
        there, said = store.count(set_aside=True), directory.acknowledged()
    return [lost_answers(directory.store_path, said, there)] if there < said else []


def _store_problems(path: Path, checked: list[str]) -> list[str]:
    try:
        with Store(path, read_only=True) as store:
            outcome = store.check()
    except StoreError as error:
        return [str(error)]
    if outcome.sound:
        checked.append(
            f"{path.name}: {outcome.n_responses:,} responses, every checksum holds, "
            "structure is sound"
        )
        return []
    problems = [f"{path}: {line}" for line in outcome.structure[:_NAMED]]
    if outcome.damaged:
        more = f" and {len(outcome.damaged) - _NAMED} more" if len(outcome.damaged) > _NAMED else ""
        problems.append(
            f"{path}: {len(outcome.damaged)} rows fail their checksum "
            f"({', '.join(outcome.damaged[:_NAMED])}{more}). They are never used. "
            "Run the same 'evalkit run' again to ask them anew."
        )
    return problems


def _derived_problems(directory: RunDir, manifest: Manifest, checked: list[str]) -> list[str]:
    """Recompute what was derived from the responses and compare it with the files."""
    with Store(directory.store_path, read_only=True) as store:
        found = read(store, manifest)
    return [
        *_count_problems(directory, manifest, found, checked),
        *_table_problems(directory, manifest, found.table, checked),
        *_estimate_problems(directory, manifest, found, checked),
    ]


def _count_problems(
    directory: RunDir, manifest: Manifest, found: Read, checked: list[str]
) -> list[str]:
    told, counts, problems = asdict(manifest.totals), found.counts, []
    differing = [
        f"{name} {told[name]} instead of {value}"
        for name, value in asdict(counts).items()
        if told[name] != value and (told[name] or name not in COUNTED_LATER)
    ]
    if differing:
        problems.append(
            f"{directory.path / 'manifest.json'}: counts do not agree with the rows: "
            f"{', '.join(differing)}. {_mend(directory)}"
        )
    else:
        checked.append(
            f"counts agree with the rows: {counts.cells:,} cells, {counts.missing:,} missing, "
            f"{counts.unparsed:,} unparsed"
        )
    if manifest.state == "complete" and not found.ended:
        problems.append(
            f"{directory.path / 'manifest.json'}: says complete, but the rounds of its budget did "
            f"not end. {_mend(directory)}"
        )
    return problems


def _table_problems(
    directory: RunDir, manifest: Manifest, table: ScoreTable, checked: list[str]
) -> list[str]:
    try:
        stored = read_table(directory.path, manifest)
    except EvalkitError as error:
        return [str(error)]
    if not table.agrees(stored):
        return [
            f"{directory.scores_path}: does not agree with the stored responses. {_mend(directory)}"
        ]
    checked.append("scores.parquet matches its digest and the stored responses")
    return []


def _estimate_problems(
    directory: RunDir, manifest: Manifest, found: Read, checked: list[str]
) -> list[str]:
    try:
        stored = read_own_estimates(directory.path, manifest)
    except EvalkitError as error:
        return [str(error)]
    if manifest.evalkit != __version__ or manifest.intervals is None:
        checked.append(
            f"estimates.csv can be read; made by evalkit {manifest.evalkit}, "
            f"so not recomputed by {__version__}"
        )
        return []
    from evalkit.analysis.estimates_file import of_first_schema

    if of_first_schema(directory.estimates_path):
        checked.append(
            "estimates.csv can be read; rows over tasks answer another question there, "
            "so not recomputed"
        )
        return []
    again = estimated(found, manifest.intervals, seed=manifest.seed)
    if agree(stored, again):
        checked.append(
            f"estimates.csv: {len(again):,} estimates, all recomputed to within rounding"
        )
        return []
    return [
        (
            f"{directory.estimates_path}: estimates do not agree with the scores, "
            f"or were made by other library versions. {_mend(directory)}"
        )
    ]


def agree(one: Sequence[Estimate], other: Sequence[Estimate]) -> bool:
    """Return whether two lists of estimates say the same.

    Names, counts and digests to the letter, numbers to within rounding: another processor or
    another library for linear algebra adds in another order, which moves last digits.

    Parameters
    ----------
    one, other
        In any order.
    """
    mine, theirs = ({_key(row): row for row in rows} for rows in (one, other))
    return (
        len(one) == len(other)
        and mine.keys() == theirs.keys()
        and all(
            _close(getattr(row, name), getattr(theirs[key], name))
            for key, row in mine.items()
            for name in _NUMBERS
        )
    )


def _key(row: Estimate) -> tuple[str, ...]:
    """Everything of an estimate that is no computed number."""
    return tuple(str(value) for name, value in sorted(asdict(row).items()) if name not in _NUMBERS)


def _close(one: float, other: float) -> bool:
    """Whether two numbers differ by rounding alone; what is undefined equals itself."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _mend(directory: RunDir) -> str:
    return f"Type: evalkit score {shlex.quote(str(directory.path))}"
