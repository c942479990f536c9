"""What makes two runs the same run, and the refusals when they are not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.backends.openai.settings import changing_answers
from evalkit.catalog.paths import default_runs_dir
from evalkit.errors import BackendError, StoreError, UsageError
from evalkit.records import Job, ModelSpec, digest
from evalkit.records.manifest import (
    Attempt,
    DesignRecord,
    Manifest,
    ModelRecord,
    SuiteRecord,
    TaskRecord,
)
from evalkit.records.reading import ShapeError, record_of
from evalkit.runs.settings import Settings
from evalkit.store.atomic import slug
from evalkit.store.directory import RunDir

__all__ = [
    "identity",
    "manifest_of",
    "refuse_other_model",
    "refuse_other_run",
    "refuse_package",
    "run_directory",
    "same_run",
    "suite_record",
]

DRAWING = ("max_tokens", "temperature", "top_p", "repeats")
"""Settings of a suite that stand in place of those of its tasks that generate."""
_NAMED = 5
"""Settings named when two runs differ; the rest are counted."""


def run_directory(settings: Settings) -> Path:
    """Return where a run goes: ``--out``, or a name made of model, suite and a digest of what
    was asked.
    """
    if settings.out is not None:
        return settings.out
    asked = digest(identity(settings), length=8)
    name = f"{slug(settings.model.display)}_{slug(settings.suite.name)}_{asked}"
    return default_runs_dir() / name


def identity(settings: Settings) -> dict[str, Any]:
    """Return what makes two runs the same run: everything asked for that changes cells."""
    model = asdict(settings.model)
    for irrelevant in ("batch_size", "device", "label", "tuned_on", "levels"):
        model.pop(irrelevant)
    suite = asdict(settings.suite)
    for name in ("description", "measures", "citation"):
        suite.pop(name)
    for name in (
        "budget_design",
        "half_width",
        "find",
        "strata",
        "without",
        "languages",
        *DRAWING,
    ):  # what is not asked for leaves the identity as it was before the option existed
        if suite[name] in (None, ()):
            suite.pop(name)
    own = {
        "tasks": {task.id: digest(task.content()) for task in settings.tasks},
        "phrasings": {one.id: digest(asdict(one)) for one in settings.phrasings},
    }
    return _without_place(
        {
            "model": {
                **model,
                "options": {str(key): str(value) for key, value in model["options"].items()},
            },
            "suite": suite,
            "mitigations": list(settings.mitigations),
            "phrasing_files": [str(path) for path in settings.phrasing_files],
            **{name: marks for name, marks in own.items() if marks},
            "available": settings.available,
            "seed": settings.seed,
        }
    )


def same_run(manifest: Manifest, settings: Settings) -> bool:
    """Return whether a manifest is that of the run `settings` ask for."""
    return digest(identity(settings)) == digest(_without_place(manifest.identity))


def _without_place(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity without where its server is and how hard it is asked.

    A server that moves to another port goes on with its run.
    """
    model = told.get("model")
    if not isinstance(model, Mapping) or model.get("backend") != "openai":
        return dict(told)
    found = dict(model)
    with suppress(BackendError, ShapeError):  # told when the server is opened; here another run
        spec = record_of(
            ModelSpec,
            {name: model.get(name) for name in ("backend", "name", "chat_template", "options")},
        )
        found["name"], found["options"] = changing_answers(spec)
    return {**told, "model": found}


def refuse_package(path: Path) -> None:
    """Raise UsageError for a run directory inside the installed package."""
    if Path(os.path.realpath(path)).is_relative_to(Path(__file__).resolve().parent.parent):
        raise UsageError(
            f"--out: {path} lies inside the installed package, which the next update replaces. "
            "Name another directory."
        )


def refuse_other_run(directory: RunDir, earlier: Manifest | None, settings: Settings) -> None:
    """Raise StoreError when the directory holds a run of other settings; they are named."""
    if earlier is None:
        return
    mine, theirs = identity(settings), _without_place(earlier.identity)
    if digest(mine) != digest(theirs):
        differing = list(_differences(theirs, mine))
        more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        raise StoreError(
            f"{directory.path}: holds another run (different "
            f"{', '.join(differing[:_NAMED])}{more}). "
            "Name another --out, or add --fresh to forget it."
        )


def _differences(theirs: Any, mine: Any, name: str = "") -> Iterator[str]:
    """Name every setting that is not the same, with both values."""
    if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
        for key in sorted({*theirs, *mine}):
            yield from _differences(
                theirs.get(key), mine.get(key), f"{name}.{key}" if name else str(key)
            )
    elif digest(theirs) != digest(mine):
        shown = [
            text if len(text) <= 60 else f"{text[:60]}..."
            for text in (json.dumps(value, default=str) for value in (theirs, mine))
        ]
        yield f"{name}: {shown[0]} then, {shown[1]} now"


def refuse_other_model(
    directory: RunDir, earlier: Manifest | None, fingerprint: Mapping[str, str]
) -> None:
    """Raise StoreError when the directory holds answers of a model with another fingerprint."""
    if earlier is None or earlier.model.fingerprint == fingerprint:
        return
    theirs = earlier.model.fingerprint
    differing = sorted(
        key for key in {*fingerprint, *theirs} if fingerprint.get(key) != theirs.get(key)
    )
    raise StoreError(
        f"{directory.path}: was run with another model: fingerprint "
        f"{earlier.model.fingerprint_digest[:12]} then, {digest(fingerprint)[:12]} now (different "
        f"{', '.join(differing)}). Name another --out, or add --fresh to forget it."
    )


def suite_record(settings: Settings, jobs: Sequence[Job]) -> SuiteRecord:
    """Return what the manifest says of the suite.

    Digests of every task, phrasing and instance list.
    """
    tasks = {job.task.id: _task_record(job) for job in jobs}
    suite, design = settings.suite, _design_record(settings, jobs)
    parts = [suite.version, {name: asdict(task) for name, task in tasks.items()}]
    if design is not None and design.sparse:
        parts.append(asdict(design))
    return SuiteRecord(
        name=suite.name,
        version=suite.version,
        digest=digest(parts),
        limit=suite.limit,
        shots=suite.shots,
        tasks=tasks,
        budget=design,
    )


def _task_record(job: Job) -> TaskRecord:
    wordings = {
        phrasing.id: digest(
            [
                phrasing.text,
                phrasing.layout,
                phrasing.label_space,
                phrasing.position,
                phrasing.wrapper,
                phrasing.cue,
                *([phrasing.frame, phrasing.reserved] if phrasing.frame else []),
                *([phrasing.answers] if phrasing.answers else []),
            ],
            length=16,
        )
        for phrasing in job.phrasings
    }
    return TaskRecord(
        benchmark=job.task.benchmark,
        digest=job.content_digest,
        instances_digest=job.instances_digest,
        n_instances=len(job.instances),
        phrasings=wordings,
    )


def _design_record(settings: Settings, jobs: Sequence[Job]) -> DesignRecord | None:
    """What the manifest says of the design of a budgeted run; None when every cell is asked."""
    suite, design = settings.suite, jobs[0].design
    if design == "full":
        return None
    return DesignRecord(
        design=design,
        fraction=suite.budget,
        half_width=suite.half_width,
        find=suite.find,
        seed=settings.seed,
    )


def _template_in_use(model: ModelSpec, fingerprint: Mapping[str, str]) -> str:
    """Return the choice that was made, or what it came to where none was made."""
    own = fingerprint.get("chat_template", "none") != "none"
    return model.chat_template or ("auto" if own else "none")


def manifest_of(
    settings: Settings,
    jobs: Sequence[Job],
    left_out: Mapping[str, str],
    *,
    fingerprint: Mapping[str, str],
    device: str,
    notices: Sequence[str],
    attempts: Sequence[Attempt] = (),
) -> Manifest:
    """Return what the manifest says before anything is asked.

    Parameters
    ----------
    settings, jobs, left_out
        What was asked for, what was chosen, and what could not be.
    fingerprint, device, notices
        Of the model: what decides its answers, where it runs, what is to be known of it.
    attempts
        Earlier starts of the same run.
    """
    model = settings.model
    return Manifest(
        evalkit=__version__,
        command=settings.command,
        identity=identity(settings),
        suite=suite_record(settings, jobs),
        limited=settings.limited or jobs[0].design != "full" or bool(left_out),
        left_out=left_out,
        model=ModelRecord(
            label=settings.label,
            backend=model.backend,
            name=model.name,
            revision=model.revision,
            dtype=model.dtype,
            chat_template=_template_in_use(model, fingerprint),
            tuned_on=model.tuned_on,
            levels=dict(model.levels.items()),
            fingerprint=fingerprint,
            fingerprint_digest=digest(fingerprint),
        ),
        mitigations=settings.mitigations,
        notes=(*(note for job in jobs for note in job.notes), *notices),
        seed=settings.seed,
        device=device,
        attempts=tuple(attempts),
        state="partial",
    )
