"""Asking: all cells of a run, or those that a budget pays for, round by round.

Rounds are a function of the seed and the answers alone: an interrupted run goes through the same
rounds again, finds their answers stored, and goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evalkit.backends.base import Backend
from evalkit.records import Block, Job, Response, Suite, digest, repeat_key
from evalkit.runs.ask import Keeps, Progress, ask, block_of, pending
from evalkit.scoring.grouping import groups_of
from evalkit.scoring.stored import scored
from evalkit.stats.intervals.grouped import group_codes
from evalkit.stats.planning.budget import gather_cells
from evalkit.stats.planning.budget_design import balanced_design
from evalkit.stats.planning.budget_model import Covariates
from evalkit.stats.planning.budget_search import find_phrasing
from evalkit.store.blocks import store_job, stored_blocks
from evalkit.store.designs import SPARSE, put_design, put_rounds, put_search
from evalkit.store.responses import Store
from evalkit.store.shared_cache import SharedCache

__all__ = ["Asker", "cells_of_budget", "first_design", "known_beforehand", "spend_budget"]

Mask = npt.NDArray[np.bool_]


def cells_of_budget(job: Job, suite: Suite) -> int:
    """Return the most cells of a task that are asked.

    Its share, but never fewer than one per phrasing.
    """
    size = len(job.phrasings) * len(job.instances)
    share = 1.0 if suite.budget is None else suite.budget
    return min(size, max(len(job.phrasings), round(share * size)))


def known_beforehand(job: Job, suite: Suite) -> bool:
    """Return whether the cells asked do not depend on answers."""
    return job.design not in SPARSE or (job.design == "balanced" and suite.half_width is None)


def first_design(job: Job, suite: Suite, *, seed: int) -> Mask:
    """Return the (P, N) cells of a task that a balanced design asks.

    Where answers decide, another design of the same size.
    """
    shape = (len(job.phrasings), len(job.instances))
    if job.design not in SPARSE:
        return np.ones(shape, dtype=bool)
    budget, rng = cells_of_budget(job, suite), _rng(job, seed)
    return balanced_design(*shape, budget=budget, rng=rng, groups=_groups(job))


def _groups(job: Job) -> npt.NDArray[np.int64] | None:
    """Code of the group of each instance; None where none has one."""
    groups = groups_of(job.task, job.instances)
    return group_codes(groups) if groups else None


def _rng(job: Job, seed: int) -> np.random.Generator:
    return np.random.default_rng(int(digest([seed, job.task.id, "budget"], length=16), 16))


class Asker:
    """Asks what is not stored yet and reads the scores of what is.

    Parameters
    ----------
    jobs
        All tasks.
    backend
        The model.
    store
        The run's store.
    cache
        The responses that runs share, when they are used.
    fingerprint
        Digest of the backend's fingerprint.
    fresh
        Forget what the cache holds for these requests.
    progress
        Told of every batch.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        backend: Backend,
        *,
        store: Store,
        cache: SharedCache | None,
        fingerprint: str,
        fresh: bool,
        progress: Progress,
    ) -> None:
        self.backend, self.store, self.fingerprint, self.progress = (
            backend,
            store,
            fingerprint,
            progress,
        )
        self.stores: list[Keeps] = [store] if cache is None else [store, cache]
        self.cache = cache
        self.failed: dict[str, Response] = {}
        self.jobs: list[Job] = []
        for job in jobs:
            content, stored = job.content_digest, stored_blocks(self.store, job.task.id)
            blocks = [
                block_of(job, phrasing, content=content, stored=stored.get(phrasing.id))
                for phrasing in job.phrasings
            ]
            if "told" in backend.capabilities:
                self._forget_told(stored, blocks)
            self.jobs.append(replace(job, blocks=tuple(blocks)))
            store_job(self.store, self.jobs[-1])
        if fresh and cache is not None:
            blocks_of = (
                (repeat_key(key, repeat) if repeat else key)
                for job in self.jobs
                for block in job.blocks
                for key in block.each()
                for repeat in range(job.repeats)
            )
            cache.forget(fingerprint, blocks_of)

    def _forget_told(self, stored: Mapping[str, Block], blocks: Sequence[Block]) -> None:
        """Forget answers of a model that is told the right ones, where what it was told changed."""
        for block in blocks:
            before = stored.get(block.phrasing_id)
            if before is not None and before.inputs != block.inputs:
                self.store.forget(self.fingerprint, before.each())

    def missing(self, masks: Mapping[str, Mask] | None = None) -> tuple[list[str], int]:
        """Return the request keys without an answer and the number of unique ones, of the cells
        of `masks`; None: of all cells.
        """
        keys = (
            block.repeated(repeat)
            if masks is None
            else replace(
                block,
                keys="".join(
                    block.key(place) for place in np.flatnonzero(masks[job.task.id][row]).tolist()
                ),
            ).repeated(repeat)
            for job in self.jobs
            if masks is None or job.task.id in masks
            for row, block in enumerate(job.blocks)
            for repeat in range(job.repeats)
        )
        return self.store.missing_in(self.fingerprint, keys)

    def ask(self, missing: Sequence[str], *, jobs: Sequence[Job] | None = None) -> None:
        """Ask the requests with these keys."""
        wanted = pending(self.jobs if jobs is None else jobs, set(missing))
        for response in ask(
            self.backend,
            wanted,
            fingerprint=self.fingerprint,
            stores=self.stores,
            progress=self.progress,
        ):
            self.failed[response.key] = response

    def from_cache(self, missing: Sequence[str]) -> list[str]:
        """Copy what earlier runs stored into this run; return what is still missing."""
        if self.cache is None:
            return list(missing)
        return self.cache.copy_to(self.store, self.fingerprint, missing)

    def scores(self, job: Job, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the scores of cells (phrasing, instance) of a task; NaN without an answer."""
        keys = [job.blocks[row].key(column) for row, column in cells.tolist()]
        responses = self.store.get(self.fingerprint, keys)
        found = np.full(len(keys), np.nan)
        for number, (key, (row, column)) in enumerate(zip(keys, cells.tolist(), strict=True)):
            _, verdict = scored(job, job.phrasings[row], column, responses.get(key))
            if verdict.score is not None:
                found[number] = verdict.score
        return found

    def reasons(self) -> dict[str, int]:
        """Return the number of failed requests by reason."""
        found: dict[str, int] = {}
        for response in self.failed.values():
            found[response.error] = found.get(response.error, 0) + 1
        return found


def spend_budget(asker: Asker, suite: Suite, *, seed: int) -> None:
    """Ask the cells of a run: all, or those its budget pays for.

    Parameters
    ----------
    asker
        The tasks and the model.
    suite
        Budget, half-width, search.
    seed
        Of the run.
    """
    jobs = asker.jobs
    sparse = [job for job in jobs if job.design in SPARSE]
    if not sparse:
        _ask_once(asker, None)
        return
    put_rounds(asker.store, ended=False)
    if all(known_beforehand(job, suite) for job in jobs):
        masks = {job.task.id: first_design(job, suite, seed=seed) for job in jobs}
        for job in jobs:
            put_design(
                asker.store,
                job.task.id,
                [phrasing.id for phrasing in job.phrasings],
                masks[job.task.id],
            )
        _ask_once(asker, masks)
    else:
        _in_rounds(asker, suite, seed=seed)
    put_rounds(asker.store, ended=True)


def _ask_once(asker: Asker, masks: Mapping[str, Mask] | None) -> None:
    missing, total = asker.missing(masks)
    left = asker.from_cache(missing)
    asker.progress.begin(total=total, stored=total - len(left))
    asker.ask(left)


def _in_rounds(asker: Asker, suite: Suite, *, seed: int) -> None:
    """Task by task, as many rounds as the answers ask for."""
    missing, total = asker.missing()
    planned = sum(cells_of_budget(job, suite) for job in asker.jobs)
    asker.progress.begin(total=planned, stored=min(planned, total - len(missing)))
    for job in asker.jobs:
        put_design(
            asker.store,
            job.task.id,
            [phrasing.id for phrasing in job.phrasings],
            np.zeros(_shape(job), dtype=bool),
        )
    for job in asker.jobs:
        _one_task(asker, job, suite, seed=seed)


def _shape(job: Job) -> tuple[int, int]:
    return len(job.phrasings), len(job.instances)


def _one_task(asker: Asker, job: Job, suite: Suite, *, seed: int) -> None:
    ids = [phrasing.id for phrasing in job.phrasings]
    mask = np.zeros(_shape(job), dtype=bool)

    def answer(cells: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        mask[cells[:, 0], cells[:, 1]] = True
        put_design(asker.store, job.task.id, ids, mask)
        now = np.zeros_like(mask)
        now[cells[:, 0], cells[:, 1]] = True
        asker.ask(asker.from_cache(asker.missing({job.task.id: now})[0]), jobs=[job])
        return asker.scores(job, cells)

    budget, rng = cells_of_budget(job, suite), _rng(job, seed)
    if suite.find is not None:
        found = find_phrasing(answer, _shape(job), budget=budget, rng=rng, want=suite.find)
        put_search(
            asker.store, job.task.id, want=suite.find, order=[ids[row] for row in found.order]
        )
        return
    metric, half_width = suite.half_width if suite.half_width is not None else ("mean", None)
    adaptive = job.design == "adaptive"
    gather_cells(
        answer,
        _shape(job),
        budget=budget,
        rng=rng,
        half_width=half_width,
        metric=metric,
        choose="adaptive" if adaptive else "balanced",
        covariates=Covariates(groups=_groups(job)),
    )
