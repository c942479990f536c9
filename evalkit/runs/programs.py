"""The pass that runs what models wrote, on request only,
and stores what came of it beside the answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, product
from os import cpu_count

from evalkit.errors import UsageError
from evalkit.records import Job, Task
from evalkit.records.manifest import Manifest
from evalkit.runs.ask import Progress
from evalkit.scoring import Answered
from evalkit.scoring.code import CODE, program_of
from evalkit.scoring.sandbox.contain import notice_of, refuse_root, wall
from evalkit.scoring.sandbox.limits import Program
from evalkit.scoring.sandbox.running import run_program
from evalkit.store.blocks import stored_jobs
from evalkit.store.programs import get_outcomes, put_outcomes
from evalkit.store.responses import Store

__all__ = ["refuse_code", "run_programs"]

BATCH = 64
"""Programs after which what came of them is stored."""


def refuse_code(tasks: Sequence[Task], *, allowed: bool) -> str:
    """Return the notice of what stands around programs; empty when no task has any.

    Parameters
    ----------
    tasks
        What is about to be run.
    allowed
        Whether the person who typed the command allowed it.

    Raises
    ------
    UsageError
        When a task runs what the model writes and nobody allowed it.
    ScoringError
        When root would run it without bubblewrap.
    """
    running = [task.id for task in tasks if task.metric in CODE]
    if not running:
        return ""
    if not allowed:
        raise UsageError(
            f"{running[0]}: is scored by running programs that the model writes, "
            "which evalkit does only when it is asked to. "
            "Add --allow-code-execution (docs/code.md says what stands around them), "
            "or leave the task out."
        )
    refuse_root(wall())
    return notice_of(wall())


def run_programs(store: Store, manifest: Manifest, progress: Progress | None = None) -> int:
    """Run every program of a run that was not run yet; return how many.

    Parameters
    ----------
    store
        The run's answers; what came of programs is written there, batch by batch, so that a pass
        that was stopped goes on where it was.
    manifest
        Of the run.
    progress
        Asked whether to stop, told how far it is.
    """
    waiting = _pending(store, manifest, set(get_outcomes(store)))
    done = 0
    with ThreadPoolExecutor(max_workers=max(1, (cpu_count() or 2) // 2)) as workers:
        while batch := list(islice(waiting, BATCH)):
            outcomes = workers.map(run_program, [program for _, program in batch])
            told = [(one.kind, one.said) for one in outcomes]
            put_outcomes(store, dict(zip([name for name, _ in batch], told, strict=True)))
            done += len(batch)
            if progress is not None:
                progress.note(f"{done:,} programs run")
                if progress.stop_requested:
                    break
    return done


def _pending(store: Store, manifest: Manifest, known: set[str]) -> Iterator[tuple[str, Program]]:
    for job in stored_jobs(store, manifest.suite):
        if job.task.metric in CODE:
            for answered in _answers(store, manifest, job):
                found = program_of(answered)
                if found is not None and found[0] not in known:
                    known.add(found[0])
                    yield found


def _answers(store: Store, manifest: Manifest, job: Job) -> Iterator[Answered]:
    for block, repeat in product(job.blocks, range(job.repeats)):
        keys = replace(block, keys=block.repeated(repeat)).each()
        responses = store.get(manifest.model.fingerprint_digest, keys)
        for key, instance in zip(keys, job.instances, strict=True):
            response = responses.get(key)
            if response is not None and not response.error:
                yield Answered(instance=instance, response=response)
