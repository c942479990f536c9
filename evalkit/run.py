"""The corridor itself, top to bottom: choose, ask, score, estimate, write. The only module that knows every room.

`run` resumes by itself: what is stored is not asked again, what changed in a task or phrasing file is, and a model that
changed is refused.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit import __version__
from evalkit.backends.base import Backend
from evalkit.choosing import Settings, choose
from evalkit.collect import Job, Progress
from evalkit.errors import BackendError, IncompleteError, StoreError, UsageError
from evalkit.finish import finish
from evalkit.mitigations.adapters import refuse_overlap
from evalkit.mitigations.applying import opened
from evalkit.paths import cache_dir, default_runs_dir
from evalkit.records import digest
from evalkit.representations import represent
from evalkit.rundir import RunDir, slug
from evalkit.shared_cache import SharedCache
from evalkit.spending import Asker, spend_budget
from evalkit.store import Store

_NAMED = 5
"""Settings named when two runs differ; the rest are counted."""

__all__ = ["Outcome", "open_backend", "run", "run_directory", "same_run", "suite_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    path: Path
    """Run directory."""
    manifest: Mapping[str, Any]
    """Final manifest."""
    failures: Mapping[str, int]
    """Number of failed requests by reason."""

    @property
    def exit_code(self) -> int:
        """Return 0 when every cell has an answer, else 3."""
        return IncompleteError.exit_code if self.manifest["counts"]["missing"] else 0


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
        Whatever stands in the way, before anything is half-written; `Interrupted` when the user stopped it.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    jobs, left_out = choose(settings, progress)
    refuse_overlap(settings.mitigations, [phrasing.id for job in jobs for phrasing in job.phrasings])
    path = run_directory(settings)
    _refuse_package(path)
    with RunDir(path) as directory:
        if settings.fresh:
            directory.clear()
        earlier = directory.manifest()
        _refuse_other_run(directory, earlier, settings)
        backend = open_backend(settings)
        try:
            fingerprint = dict(sorted(backend.fingerprint().items()))
            _refuse_other_model(directory, earlier, fingerprint)
            manifest = _manifest(settings, jobs, left_out, fingerprint)
            attempts = list(earlier["attempts"]) if earlier else []
            manifest["device"] = str(getattr(backend, "device", ""))
            directory.write_manifest({**manifest, "state": "partial", "attempts": attempts, "counts": {}})
            if (watch := getattr(progress, "watch", None)) is not None:
                watch(lambda: getattr(backend, "stats", None) or {})
            with Store(directory.store_path) as store:
                failures = _collect(settings, jobs, backend, store=store, fingerprint=digest(fingerprint), progress=progress)
                if settings.representations:
                    represent(jobs, backend, store, n_instances=settings.representations, seed=settings.seed, progress=progress)
        finally:
            backend.close()
        engine = {name: _finite(value) for name, value in dict(getattr(backend, "stats", None) or {}).items()}
        attempts.append(
            {"started": started.strftime("%Y-%m-%dT%H:%M:%SZ"), "seconds": round(time.monotonic() - clock, 3), "engine": engine}
        )
        final = finish(directory, {**manifest, "attempts": attempts}, level=settings.level, resamples=settings.resamples)
    return Outcome(path=path, manifest=final, failures=failures)


def _finite(value: Any) -> Any:
    """Return an engine's counter as JSON can hold it: what is undefined is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    return value if isinstance(value, int | str | bool) or value is None else str(value)


def run_directory(settings: Settings) -> Path:
    """Return where a run goes: ``--out``, or a name made of model, suite and a digest of what was asked."""
    if settings.out is not None:
        return settings.out
    return default_runs_dir() / f"{slug(settings.model.display)}_{slug(settings.suite.name)}_{digest(_identity(settings), length=8)}"


def _identity(settings: Settings) -> dict[str, Any]:
    """What makes two runs the same run: everything asked for that changes cells."""
    model = asdict(settings.model)
    for irrelevant in ("batch_size", "device", "label", "tuned_on"):
        model.pop(irrelevant)
    suite = asdict(settings.suite)
    suite.pop("description")
    for name in ("budget_design", "half_width", "find"):  # what is not asked for leaves the identity as it was before the option existed
        if suite[name] is None:
            suite.pop(name)
    return {
        "model": {**model, "options": {str(key): str(value) for key, value in model["options"].items()}},
        "suite": suite,
        "mitigations": list(settings.mitigations),
        "phrasing_files": [str(path) for path in settings.phrasing_files],
        "available": settings.available,
        "seed": settings.seed,
    }


def same_run(manifest: Mapping[str, Any], settings: Settings) -> bool:
    """Return whether a manifest is that of the run `settings` ask for."""
    return digest(_identity(settings)) == digest(manifest["identity"])


def open_backend(settings: Settings) -> Backend:
    """Return the backend of a model with its mitigations around it.

    Raises
    ------
    BackendError
        When the engine cannot do what the suite needs.
    """
    backend: Backend
    if settings.executor == "ray":
        from evalkit.executors.ray_pool import RayBackend

        backend = RayBackend(settings.model, workers=settings.workers, mitigations=settings.mitigations, address=settings.address)
    else:
        backend = opened(settings.model, settings.mitigations)
    if not backend.capabilities & {"choice", "generate"}:
        raise BackendError(
            f"{settings.model.display}: backend {settings.model.backend!r} can neither score choices nor generate. Name another backend."
        )
    return backend


def _refuse_package(path: Path) -> None:
    if path.resolve().is_relative_to(Path(__file__).resolve().parent):
        raise UsageError(f"--out: {path} lies inside the installed package, which the next update replaces. Name another directory.")


def _refuse_other_run(directory: RunDir, earlier: Mapping[str, Any] | None, settings: Settings) -> None:
    if earlier is None:
        return
    mine, theirs = _identity(settings), earlier["identity"]
    if digest(mine) != digest(theirs):
        differing = list(_differences(theirs, mine))
        more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        raise StoreError(
            f"{directory.path}: holds another run (different {', '.join(differing[:_NAMED])}{more}). Name another --out, or add --fresh to forget it."
        )


def _differences(theirs: Any, mine: Any, name: str = "") -> Iterator[str]:
    """Name every setting that is not the same, with both values."""
    if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
        for key in sorted({*theirs, *mine}):
            yield from _differences(theirs.get(key), mine.get(key), f"{name}.{key}" if name else str(key))
    elif digest(theirs) != digest(mine):
        shown = [text if len(text) <= 60 else f"{text[:60]}..." for text in (json.dumps(value, default=str) for value in (theirs, mine))]
        yield f"{name}: {shown[0]} then, {shown[1]} now"


def _refuse_other_model(directory: RunDir, earlier: Mapping[str, Any] | None, fingerprint: Mapping[str, str]) -> None:
    if earlier is None or earlier["model"]["fingerprint"] == fingerprint:
        return
    theirs = earlier["model"]["fingerprint"]
    differing = sorted(key for key in {*fingerprint, *theirs} if fingerprint.get(key) != theirs.get(key))
    raise StoreError(
        f"{directory.path}: was run with another model: fingerprint {earlier['model']['fingerprint_digest'][:12]} then, {digest(fingerprint)[:12]} now "
        f"(different {', '.join(differing)}). Name another --out, or add --fresh to forget it."
    )


def suite_record(settings: Settings, jobs: Sequence[Job]) -> dict[str, Any]:
    """Return what the manifest says of the suite: digests of every task, phrasing and instance list."""
    tasks = {}
    for job in jobs:
        wordings = {
            phrasing.id: digest(
                [phrasing.text, phrasing.layout, phrasing.label_space, phrasing.position, phrasing.wrapper, phrasing.cue], length=16
            )
            for phrasing in job.phrasings
        }
        tasks[job.task.id] = {
            "benchmark": job.task.benchmark,
            "digest": job.content_digest,
            "instances_digest": job.instances_digest,
            "n_instances": len(job.instances),
            "phrasings": wordings,
        }
    suite, budget = settings.suite, _budget_record(settings, jobs)
    sparse = budget is not None and budget["design"] != "paired"
    return {
        "name": suite.name,
        "version": suite.version,
        "digest": digest([suite.version, tasks, *([budget] if sparse else [])]),
        "limit": suite.limit,
        "shots": suite.shots,
        "tasks": tasks,
        **({} if budget is None else {"budget": budget}),
    }


def _budget_record(settings: Settings, jobs: Sequence[Job]) -> dict[str, Any] | None:
    """What the manifest says of the design of a budgeted run; None when every cell is asked."""
    suite, design = settings.suite, jobs[0].design
    if design == "full":
        return None
    return {
        "design": design,
        "fraction": suite.budget,
        "half_width": None if suite.half_width is None else list(suite.half_width),
        "find": suite.find,
        "seed": settings.seed,
    }


def _manifest(settings: Settings, jobs: Sequence[Job], left_out: Mapping[str, str], fingerprint: Mapping[str, str]) -> dict[str, Any]:
    model = settings.model
    return {
        "evalkit": __version__,
        "command": settings.command,
        "identity": _identity(settings),
        "suite": suite_record(settings, jobs),
        "limited": settings.limited or jobs[0].design != "full" or bool(left_out),
        "left_out": dict(left_out),
        "model": {
            "label": model.display,
            "backend": model.backend,
            "name": model.name,
            "revision": model.revision,
            "dtype": model.dtype,
            "chat_template": model.chat_template,
            "tuned_on": None if model.tuned_on is None else list(model.tuned_on),
            "fingerprint": dict(fingerprint),
            "fingerprint_digest": digest(fingerprint),
        },
        "mitigations": list(settings.mitigations),
        "notes": [note for job in jobs for note in job.notes],
        "seed": settings.seed,
    }


def _collect(
    settings: Settings, jobs: Sequence[Job], backend: Backend, *, store: Store, fingerprint: str, progress: Progress
) -> dict[str, int]:
    """Ask what is not stored; return the number of failures by reason."""
    cache = SharedCache(cache_dir() / "responses.sqlite", progress.note) if settings.cache else None
    try:
        asker = Asker(jobs, backend, store=store, cache=cache, fingerprint=fingerprint, fresh=settings.fresh, progress=progress)
        spend_budget(asker, settings.suite, seed=settings.seed)
    finally:
        if cache is not None:
            cache.close()
    return asker.reasons()


class _Callable(ModuleType):
    """Lets ``evalkit.run(...)`` be called in a notebook, although ``evalkit.run`` is also this module."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Do what `evalkit.notebook.run` does."""
        from evalkit.notebook import run as in_notebook

        return in_notebook(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
