"""A finished run asked for again: whether anything could come out otherwise than it did.

Looks at everything a run is made from, without loading a model: settings, tasks, phrasings and
instances, the model's files, versions of libraries, evalkit's own files, and whether what was
written is still as it was sealed. Whatever cannot be told that way is run as ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.backends.hf.files import locate, read_template
from evalkit.backends.hf.fingerprint import hashes
from evalkit.errors import EvalkitError
from evalkit.records import Job
from evalkit.records.manifest import Intervals, Manifest
from evalkit.records.reading import ShapeError
from evalkit.runs.identity import same_run, suite_record
from evalkit.runs.settings import Settings
from evalkit.runs.versions import library_versions
from evalkit.store.blocks import holds_job
from evalkit.store.directory import is_run_dir, read_manifest, sealed_file
from evalkit.store.responses import Store
from evalkit.store.run_files import RUN_FILES

__all__ = ["unchanged"]


def unchanged(
    path: Path, settings: Settings, jobs: Sequence[Job], left_out: Mapping[str, str]
) -> Manifest | None:
    """Return the manifest of a finished run that would come out as it is; None when it may not.

    Parameters
    ----------
    path
        Run directory.
    settings, jobs, left_out
        What is asked for now, what was chosen, and what could not be.
    """
    if not _plain(settings) or not is_run_dir(path):
        return None
    try:
        manifest = read_manifest(path)
        if (
            _same_ask(manifest, settings, jobs, left_out)
            and _same_files(path, manifest, settings)
            and _same_model(manifest, settings)
            and _same_store(path, jobs)
        ):
            return manifest
    except (EvalkitError, ShapeError, OSError, KeyError, TypeError):
        pass  # whatever is wrong is said by the run itself
    return None


def _plain(settings: Settings) -> bool:
    """Whether a run asks for nothing beyond answers of a model whose files lie here."""
    asks_more = settings.fresh or settings.code_execution or settings.mitigations
    passes = settings.representations or settings.uncertainty or settings.judge
    away = settings.backend or settings.executor != "local"
    return settings.model.backend == "hf" and not (away or asks_more or passes)


def _same_ask(
    manifest: Manifest, settings: Settings, jobs: Sequence[Job], left_out: Mapping[str, str]
) -> bool:
    return (
        manifest.state == "complete"
        and same_run(manifest, settings)
        and manifest.suite.digest == suite_record(settings, jobs).digest
        and manifest.model.label == settings.label
        and manifest.model.tuned_on == settings.model.tuned_on
        and dict(manifest.model.levels) == dict(settings.model.levels)
        and manifest.intervals == Intervals(level=settings.level, resamples=settings.resamples)
        and dict(manifest.left_out) == dict(left_out)
    )


def _same_files(path: Path, manifest: Manifest, settings: Settings) -> bool:
    """Whether tables are as sealed, the page is there if wanted,
    and no file is newer than the end.
    """
    ended = (path / "manifest.json").stat().st_mtime_ns
    package = Path(__file__).parent.parent
    own = [one for one in package.rglob("*") if "__pycache__" not in one.parts and one.is_file()]
    if any(one.stat().st_mtime_ns > ended for one in [path / "responses.sqlite", *own]):
        return False
    for one in RUN_FILES:
        if one.seal is not None:
            sealed_file(path, one.name, manifest)
        if one.made == "page" and (path / one.name).is_file() != settings.report:
            return False
    return all((path / name).is_file() for name in ("phrasings.csv", "leaderboard.csv"))


def _same_model(manifest: Manifest, settings: Settings) -> bool:
    """Whether everything that the fingerprint is made of is as it was.

    The rest of a fingerprint follows from settings, files and versions.
    """
    files = locate(settings.model, offline=True)
    told = manifest.model.fingerprint
    text = read_template(settings.model.chat_template or "")
    template = text is None or told["chat_template"] == hashlib.sha256(text.encode()).hexdigest()
    pinned = not files.revision or files.revision == settings.model.revision
    asked = settings.model.device
    precision = settings.model.dtype != "auto" or asked in ("auto", manifest.device)
    return (
        pinned
        and precision
        and template
        and manifest.versions == library_versions()
        and all(told[name] == value for name, value in hashes(files).items())
    )


def _same_store(path: Path, jobs: Sequence[Job]) -> bool:
    if (wal := path / "responses.sqlite-wal").is_file() and wal.stat().st_size:
        return False
    with Store(path / "responses.sqlite", read_only=True) as store:
        return all(holds_job(store, job) for job in jobs)
