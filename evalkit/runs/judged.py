"""What judges said of a run, read back: the column of its table, and what each pass came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.analysis.judged import Judgement, judgement
from evalkit.records.manifest import Manifest
from evalkit.runs.judge_questions import Cell, cell_of
from evalkit.store.blocks import stored_jobs
from evalkit.store.judgements import ALONE, Pass, get_labels, get_passes, get_rows, judge_path
from evalkit.store.responses import Store

if TYPE_CHECKING:
    from evalkit.scoring import ScoreTable

__all__ = ["judged_values", "judgement_of", "judgements", "of_one_judge"]

TWO_JUDGES = (
    "{} judged {} and {} judged {}, or one of them in other wordings or with other limits, so what "
    "they say is not compared; 'evalkit judge' for both runs with the same judge and options"
)


def judgement_of(run: Path, name: str, *, level: float = 0.95) -> Judgement:
    """Return what a pass came to.

    Parameters
    ----------
    run
        Run directory.
    name
        `ALONE`, or the other run.
    level
        Level of intervals.
    """
    with Store(judge_path(run), read_only=True) as store:
        cells = [cell_of(row) for row in get_rows(store, name)]
        return judgement(cells, get_labels(store, name), level=level)


def judgements(run: Path, *, level: float = 0.95) -> list[tuple[Pass, Judgement]]:
    """Return every pass of a run with what it came to; empty when no judge was asked."""
    if not judge_path(run).is_file():
        return []
    with Store(judge_path(run), read_only=True) as store:
        passes = get_passes(store)
    return [(one, judgement_of(run, one.name, level=level)) for one in passes]


def of_one_judge(
    paths: Sequence[Path], tables: Sequence[ScoreTable]
) -> tuple[list[ScoreTable], list[str]]:
    """Return tables to be compared, and a note for each whose verdicts are not of the first one's
    judge.

    Parameters
    ----------
    paths
        Run directories, or score tables, which say of no judge.
    tables
        Their tables. Where two judges spoke, or one that was asked otherwise, the column ``judged``
        is left out of all.
    """
    told = [_alone(path) for path in paths]
    spoken = [(path, one) for path, one in zip(paths, told, strict=True) if one is not None]
    others = [(path, one) for path, one in spoken if one.digest != spoken[0][1].digest]
    if not others:
        return list(tables), []
    first = spoken[0]
    notes = [TWO_JUDGES.format(first[1].judge, first[0], one.judge, path) for path, one in others]
    return [table.without_judged() for table in tables], notes


def _alone(run: Path) -> Pass | None:
    """Return the pass of a judge over single answers of a run."""
    if not judge_path(run).is_file():
        return None
    with Store(judge_path(run), read_only=True) as store:
        return next((one for one in get_passes(store) if one.name == ALONE), None)


def judged_values(store: Store, manifest: Manifest) -> Mapping[Cell, float]:
    """Return (task, phrasing, instance) -> mean verdict, of the answers that a judge read.

    Parameters
    ----------
    store
        The run's own store; what judges said lies beside it.
    manifest
        Of the run.

    Notes
    -----
    A verdict on an answer to another prompt than the one that the cell has now is left out.
    """
    path = judge_path(store.path.parent)
    if not path.is_file():
        return {}
    with Store(path, read_only=True) as judges:
        cells = [cell_of(row) for row in get_rows(judges, ALONE)]
    keys = {
        (job.task.id, block.phrasing_id, instance.id): key
        for job in (stored_jobs(store, manifest.suite) if cells else ())
        for block in job.blocks
        for instance, key in zip(job.instances, block.each(), strict=True)
    }
    found = {}
    for one in cells:
        cell = (one.task, one.phrasing_id, one.instance_id)
        if one.value is not None and keys.get(cell) == one.key:
            found[cell] = one.value
    return found
