"""The corridor itself, top to bottom: choose, ask, score, estimate, write.

The only module that knows every room.

`run` resumes by itself: what is stored is not asked again, what changed in a task or phrasing file
is, and a model that changed is refused.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import opened
from evalkit.catalog.paths import cache_dir
from evalkit.errors import BackendError, ExtraMissingError, IncompleteError
from evalkit.records import Job, Response, Task, digest
from evalkit.records.manifest import Attempt, Intervals, Manifest
from evalkit.runs.ask import Progress
from evalkit.runs.choose import choose
from evalkit.runs.identity import (
    manifest_of,
    refuse_other_model,
    refuse_other_run,
    refuse_package,
    run_directory,
    suite_record,
)
from evalkit.runs.said_again import refuse_silent, said_again
from evalkit.runs.settings import Settings
from evalkit.runs.unchanged import unchanged
from evalkit.store.blocks import stored_jobs
from evalkit.store.directory import RunDir, lost_answers, unknown_loss
from evalkit.store.responses import Store
from evalkit.store.shared_cache import SharedCache
from evalkit.tuning.adapters import refuse_overlap

__all__ = ["Outcome", "open_backend", "run"]

_NEEDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "metric 'chrf'": ("sacrebleu", "hf"),
        "metric 'sentence_bleu'": ("sacrebleu", "hf"),
        "measure 'language'": ("lingua", "rules"),
    }
)
"""What scores -> the package it uses, and the extra that brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    path: Path
    """Run directory."""
    manifest: Manifest
    """Final manifest."""
    failures: Mapping[str, int]
    """Number of failed requests by reason."""

    @property
    def exit_code(self) -> int:
        """Return 0 when everything was asked and answered, else 3."""
        return IncompleteError.exit_code if self.manifest.state != "complete" else 0


def run(settings: Settings, progress: Progress) -> Outcome:
    """Evaluate a suite and write its run directory.

    Parameters
    ----------
    settings
        What is asked for.
    progress
        Shows how far it is; may ask to stop.

    Raises
    ------
    EvalkitError
        Whatever stands in the way, before anything is half-written; `Interrupted` when the user
        stopped it.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    jobs, left_out = choose(settings, progress)
    path = run_directory(settings)
    if (done := unchanged(path, settings, jobs, left_out)) is not None:
        progress.note(
            f"{path}: finished before and nothing changed since, so nothing is asked, computed or "
            f"drawn again ('evalkit score {shlex.quote(str(path))}' computes and draws anew)"
        )
        return Outcome(path=path, manifest=done, failures={})
    from evalkit.runs.finish import finish
    from evalkit.runs.programs import refuse_code, run_programs

    _refuse_lacking([job.task for job in jobs])
    refuse_overlap(
        settings.mitigations, [phrasing.id for job in jobs for phrasing in job.phrasings]
    )
    contained = refuse_code([job.task for job in jobs], allowed=settings.code_execution)
    if contained:
        progress.note(contained)
    refuse_package(path)
    with RunDir(path) as directory:
        if settings.fresh:
            directory.clear()
        manifest, failures, engine = _asked(settings, jobs, left_out, directory, progress)
        attempt = Attempt(
            started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=round(time.monotonic() - clock, 3),
            engine=engine,
        )
        manifest = replace(manifest, attempts=(*manifest.attempts, attempt))
        if settings.judge is not None:
            from evalkit.runs.judge import judge_after

            if settings.code_execution:  # what came of programs stands beside the judge's word
                with Store(directory.store_path) as store:
                    run_programs(store, manifest, progress)
            judge_after(path, manifest, settings.judge, progress)
        final = finish(
            directory,
            manifest,
            Intervals(level=settings.level, resamples=settings.resamples),
            report=settings.report,
            programs=progress if settings.code_execution else None,
        )
    return Outcome(path=path, manifest=final, failures=failures)


def _asked(
    settings: Settings,
    jobs: Sequence[Job],
    left_out: Mapping[str, str],
    directory: RunDir,
    progress: Progress,
) -> tuple[Manifest, dict[str, int], Any]:
    """Open the model, ask what the run directory lacks, and close it.

    Returns the manifest as written, failures by reason, and the engine's counters.
    """
    earlier = directory.manifest()
    refuse_other_run(directory, earlier, settings)
    progress.note(f"loading {settings.model.display}")
    with getattr(progress, "opening", nullcontext)():
        backend = open_backend(settings)
    try:
        if said := getattr(backend, "opening", ""):
            progress.note(f"{settings.model.display}: {said}")
        fingerprint = dict(sorted(backend.fingerprint().items()))
        refuse_other_model(directory, earlier, fingerprint)
        notices = list(getattr(backend, "notices", ()))
        for notice in [*notices, *_about_cache(settings, backend)]:
            progress.note(notice)
        manifest = manifest_of(
            settings,
            jobs,
            left_out,
            fingerprint=fingerprint,
            device=backend.device,
            notices=notices,
            attempts=earlier.attempts if earlier else (),
        )
        directory.write_manifest(manifest)
        if (watch := getattr(progress, "watch", None)) is not None:
            watch(lambda: backend.stats)
        failures = _answered(
            settings,
            jobs,
            backend,
            fingerprint=digest(fingerprint),
            progress=progress,
            directory=directory,
        )
        return manifest, failures, _finite(backend.stats)
    finally:
        backend.close()


def _answered(
    settings: Settings,
    jobs: Sequence[Job],
    backend: Backend,
    *,
    fingerprint: str,
    progress: Progress,
    directory: RunDir,
) -> dict[str, int]:
    """Ask what is not stored, hidden states too where they are wanted;
    return the failures by reason.
    """
    if settings.uncertainty:
        refuse_silent(jobs, backend)
    with Store(directory.store_path) as store:
        failures = _collect(
            settings,
            jobs,
            backend,
            store=store,
            fingerprint=fingerprint,
            progress=progress,
            directory=directory,
        )
        if settings.representations:
            from evalkit.runs.representations import represent

            represent(
                jobs,
                backend,
                store,
                n_instances=settings.representations,
                seed=settings.seed,
                progress=progress,
            )
        if settings.uncertainty:
            said_again(
                list(stored_jobs(store, suite_record(settings, jobs))),
                backend,
                store,
                fingerprint=fingerprint,
                n_instances=settings.uncertainty,
                seed=settings.seed,
                progress=progress,
            )
    return failures


def _about_cache(settings: Settings, backend: Backend) -> list[str]:
    """Return that answers of a model whose versions cannot be told apart are not shared."""
    able = backend.capabilities
    if settings.cache is not None or "unversioned" not in able or "told" in able:
        return []
    return [
        (
            "The server does not say which version of its model answers, "
            "so answers of earlier runs are not used again (--cache uses them)."
        )
    ]


class _Tally:
    """Counts the answers that are safe, so that the next process knows when some are gone.

    Parameters
    ----------
    directory
        Keeps the number in its lock.
    there
        Answers there are already.
    """

    def __init__(self, directory: RunDir, there: int) -> None:
        self._directory, self._n = directory, there
        directory.acknowledge(there)

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Count a batch that was just stored."""
        self._n += sum(not response.error for response in responses)
        self._directory.acknowledge(self._n)


def _finite(value: Any) -> Any:
    """Return an engine's counter as JSON can hold it: what is undefined is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    return value if isinstance(value, int | str | bool) or value is None else str(value)


def open_backend(settings: Settings) -> Backend:
    """Return the backend of a model with its mitigations around it.

    Raises
    ------
    BackendError
        When the engine cannot do what the suite needs.
    """
    backend: Backend
    if settings.executor == "ray":
        from evalkit.backends.ray_pool import RayBackend

        backend = RayBackend(
            settings.model,
            workers=settings.workers,
            mitigations=settings.mitigations,
            address=settings.address,
        )
    else:
        backend = opened(settings.model, settings.mitigations, backend=settings.backend)
    if not backend.capabilities & {"choice", "generate"}:
        raise BackendError(
            f"{settings.model.display}: backend {settings.model.backend!r} can neither score "
            "choices nor generate. Name another backend."
        )
    return backend


def _collect(
    settings: Settings,
    jobs: Sequence[Job],
    backend: Backend,
    *,
    store: Store,
    fingerprint: str,
    progress: Progress,
    directory: RunDir,
) -> dict[str, int]:
    """Ask what is not stored; return the number of failures by reason."""
    from evalkit.runs.budget import Asker, spend_budget

    def shared() -> bool:
        return (
            "unversioned" not in backend.capabilities if settings.cache is None else settings.cache
        )

    tell = getattr(progress, "warn", progress.note)
    if directory.is_copy:
        tell(unknown_loss(store.path))
    if (there := store.count(set_aside=True)) < (said := directory.acknowledged()):
        tell(f"{lost_answers(store.path, said, there)} They are asked again.")
    path = cache_dir() / "responses.sqlite"
    cache = SharedCache(path, progress.note, usable=shared) if shared() else None
    try:
        asker = Asker(
            jobs,
            backend,
            store=store,
            cache=cache,
            fingerprint=fingerprint,
            fresh=settings.fresh,
            progress=progress,
        )
        asker.stores.insert(1, _Tally(directory, store.count(set_aside=True)))
        spend_budget(asker, settings.suite, seed=settings.seed)
    finally:
        if cache is not None:
            cache.close()
    return asker.reasons()


def _refuse_lacking(tasks: Sequence[Task]) -> None:
    """Raise when the answers of a task could not be scored here.

    Raises
    ------
    ExtraMissingError
        With the command that installs what is missing.
    """
    for task in tasks:
        for what in (f"metric {task.metric!r}", *(f"measure {one!r}" for one in task.measures)):
            package, extra = _NEEDS.get(what, ("", ""))
            if package and find_spec(package) is None:
                raise ExtraMissingError(f"{task.id}: {what}", extra)
