"""Where a run stands, read from its directory while another process works on it. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evalkit.errors import StoreError
from evalkit.records.manifest import Counts
from evalkit.scoring import ScoreTable
from evalkit.scoring.stored import stored_cells
from evalkit.stats import Interval, mean_interval, rate_interval, spread
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

__all__ = ["Interim", "PhrasingInterim", "TaskInterim", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhrasingInterim:
    """One phrasing of a task so far."""

    phrasing_id: str
    """Phrasing."""
    seen: str
    """Its relation to the model."""
    done: int
    """Cells with a score."""
    total: int
    """Cells planned."""
    mean: Interval
    """Mean of the scored cells with the interval of these instances; NaN without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInterim:
    """One task so far."""

    task: str
    """Task."""
    done: int
    """Cells with a score."""
    total: int
    """Cells planned."""
    mean: Interval
    """Mean over the phrasings begun, controls left out, these phrasings given; NaN without any
    score."""
    spread: float
    """Largest minus smallest phrasing mean on the shared instances; NaN without any."""
    shared_instances: int
    """Instances scored under every phrasing that was begun, controls left out."""
    phrasings: tuple[PhrasingInterim, ...]
    """Its phrasings, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interim:
    """A run so far."""

    model: str
    """Model shown in tables."""
    suite: str
    """Suite."""
    state: str
    """``partial`` or ``complete``."""
    done: int
    """Cells with a score."""
    total: int
    """Cells planned."""
    tasks: tuple[TaskInterim, ...]
    """Tasks, in the order of the suite."""


def look(run: Path, *, level: float = 0.95) -> Interim:
    """Return where a run stands.

    Parameters
    ----------
    run
        Run directory.
    level
        Level of the intervals.

    Raises
    ------
    StoreError
        When it is no run directory, or nothing was asked yet.
    """
    manifest = read_manifest(run)
    directory = RunDir(run)
    if not directory.store_path.is_file():
        raise StoreError(
            f"{run}: nothing was asked yet. Wait until the model is loaded, "
            "or check that the run still works."
        )
    suite = manifest.suite
    with Store(directory.store_path, read_only=True) as store:
        begun = {
            task: told for task, told in suite.tasks.items() if store.get_records(f"blocks/{task}")
        }
        reached = replace(manifest, suite=replace(suite, tasks=begun))
        cells = list(stored_cells(store, manifest=reached, counts=Counts()))
    if not cells:
        raise StoreError(
            f"{run}: nothing was asked yet. Wait until the model is loaded, "
            "or check that the run still works."
        )
    table = ScoreTable.from_cells(cells)
    rows = tuple(_task(table, manifest.model.label, task, level) for task in begun)
    begun_cells = {row.task: row.total for row in rows}
    planned = sum(
        begun_cells.get(task, len(told.phrasings) * told.n_instances)
        for task, told in suite.tasks.items()
    )
    return Interim(
        model=manifest.model.label,
        suite=suite.name,
        state=manifest.state,
        done=sum(row.done for row in rows),
        total=planned,
        tasks=rows,
    )


def _task(table: ScoreTable, model: str, task: str, level: float) -> TaskInterim:
    block = table.block(model, task)
    there = ~np.isnan(block.values)
    begun = there.any(axis=1) & np.array([kind == "correct" for kind in block.kinds])
    shared = there[begun].all(axis=0) if begun.any() else np.zeros(there.shape[1], dtype=bool)
    phrasings = tuple(
        PhrasingInterim(
            phrasing_id=name,
            seen=block.seen[index],
            done=int(there[index].sum()),
            total=int(block.asked[index].sum()),
            mean=_mean(block.values[index : index + 1], level),
        )
        for index, name in enumerate(block.phrasing_ids)
    )
    return TaskInterim(
        task=task,
        done=int(there.sum()),
        total=int(block.asked.sum()),
        mean=_mean(block.values[begun], level),
        spread=spread(block.values[begun][:, shared]) if shared.any() else float("nan"),
        shared_instances=int(shared.sum()),
        phrasings=phrasings,
    )


def _mean(values: np.ndarray, level: float) -> Interval:
    """Mean with the interval for new instances.

    Wilson's for one phrasing of scores 0 and 1, Student's else.
    """
    scored = values[~np.isnan(values)]
    if len(values) == 1 and scored.size and np.isin(scored, (0.0, 1.0)).all():
        return rate_interval(int(scored.sum()), scored.size, level=level)
    return mean_interval(values, question="fixed", level=level)
