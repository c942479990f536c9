"""``evalkit check RUN``: does a run directory hold what it says? Everything is counted and computed again from the stored rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import __version__
from evalkit.errors import EvalkitError, IncompleteError, StoreError
from evalkit.runs.finish import distances_of
from evalkit.scoring.answers import Answers
from evalkit.scoring.stored import Counts, stored_scores
from evalkit.store.atomic import file_digest
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

if TYPE_CHECKING:
    from evalkit.scoring import ScoreTable

__all__ = ["RunCheck", "check_run", "check_store"]

_NAMED = 5
"""Damaged rows named one by one; the rest are counted."""


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
    if manifest["state"] != "complete" and not directory.store_path.is_file():
        problems.append(f"{path}: nothing was asked yet. Type: {_again(manifest)}")
        return found("partial")
    problems += _store_problems(directory.store_path, checked)
    if problems:
        return found("damaged")
    if not manifest["counts"]:
        problems.append(
            f"{path}: the run was not finished; what was answered is stored. Type: {_again(manifest)}"
        )
        return found("partial")
    try:
        problems += _derived_problems(directory, manifest, checked)
    except EvalkitError as error:
        problems.append(str(error))
    if problems:
        return found("damaged")
    if manifest["state"] != "complete":
        problems.append(
            f"{path}: {manifest['counts']['missing']} cells have no answer. Type: {_again(manifest)}"
        )
        return found("partial")
    return found("sound")


def _again(manifest: Mapping[str, Any]) -> str:
    return manifest.get("command") or "the same 'evalkit run' again"


def _store_problems(path: Path, checked: list[str]) -> list[str]:
    try:
        with Store(path, read_only=True) as store:
            outcome = store.check()
    except StoreError as error:
        return [str(error)]
    if outcome.sound:
        checked.append(
            f"{path.name}: {outcome.n_responses:,} responses, every checksum holds, structure is sound"
        )
        return []
    problems = [f"{path}: {line}" for line in outcome.structure[:_NAMED]]
    if outcome.damaged:
        more = f" and {len(outcome.damaged) - _NAMED} more" if len(outcome.damaged) > _NAMED else ""
        problems.append(
            f"{path}: {len(outcome.damaged)} rows fail their checksum ({', '.join(outcome.damaged[:_NAMED])}{more}). "
            "They are never used. Run the same 'evalkit run' again to ask them anew."
        )
    return problems


def _derived_problems(
    directory: RunDir, manifest: Mapping[str, Any], checked: list[str]
) -> list[str]:
    """Recompute what was derived from the responses and compare it with the files."""
    from evalkit.analysis import estimate, read_estimates
    from evalkit.scoring import ScoreTable

    problems: list[str] = []
    counts, answers = Counts(), Answers()
    with Store(directory.store_path, read_only=True) as store:
        rows = stored_scores(
            store,
            manifest=manifest,
            tasks=manifest["suite"]["tasks"],
            counts=counts,
            collector=answers,
        )
        table = ScoreTable.from_scores(rows)
    differing = [
        f"{name} {manifest['counts'].get(name)} instead of {value}"
        for name, value in asdict(counts).items()
        if name in manifest["counts"]
        and manifest["counts"][name] != value  # an earlier version did not count everything
    ]
    if differing:
        problems.append(
            f"{directory.path / 'manifest.json'}: counts do not agree with the rows: {', '.join(differing)}. {_mend(directory)}"
        )
    else:
        checked.append(
            f"counts agree with the rows: {counts.cells:,} cells, {counts.missing:,} missing, {counts.unparsed:,} unparsed"
        )
    problems += _table_problems(directory, manifest, table, checked)
    if manifest["evalkit"] != __version__:
        read_estimates(directory.estimates_path)
        checked.append(
            f"estimates.csv can be read; made by evalkit {manifest['evalkit']}, so not recomputed by {__version__}"
        )
        return problems
    settings = manifest["intervals"]
    again = estimate(
        table,
        level=settings["level"],
        n_resamples=settings["resamples"],
        seed=int(manifest["seed"]),
        answers=answers.blocks,
        distances=distances_of(directory, table),
    )
    if _rows(read_estimates(directory.estimates_path)) == _rows(again):
        checked.append(f"estimates.csv: {len(again):,} estimates, all recomputed to the last digit")
    else:
        problems.append(
            f"{directory.estimates_path}: estimates do not agree with the scores, or were made by other library versions. {_mend(directory)}"
        )
    return problems


def _table_problems(
    directory: RunDir, manifest: Mapping[str, Any], table: ScoreTable, checked: list[str]
) -> list[str]:
    from evalkit.scoring import ScoreTable

    path = directory.scores_path
    if not path.is_file():
        return [f"{path}: is not there. {_mend(directory)}"]
    if file_digest(path) != manifest["scores_digest"]:
        return [f"{path}: does not match the digest of the manifest. {_mend(directory)}"]
    if not ScoreTable.read_parquet(path).frame.equals(table.frame):
        return [f"{path}: does not agree with the stored responses. {_mend(directory)}"]
    checked.append("scores.parquet matches its digest and the stored responses")
    return []


def _rows(estimates: Any) -> list[str]:
    """Estimates as sorted text, in which a number that does not exist equals itself."""
    return sorted(repr(asdict(one)) for one in estimates)


def _mend(directory: RunDir) -> str:
    return f"Type: evalkit score {directory.path}"
