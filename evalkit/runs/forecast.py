"""What a run would do, without doing it.

How much is asked, what is stored already, how long it may take.

Reads the catalog, the run directory and the cache; loads no weights, opens no connection and writes
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from evalkit.catalog.paths import cache_dir
from evalkit.errors import EvalkitError
from evalkit.phrasings.prompts import request_of
from evalkit.records import Job, ModelSpec, Request, digest
from evalkit.records.manifest import Manifest
from evalkit.registry import BACKENDS
from evalkit.runs.ask import prompt_of
from evalkit.runs.budget import first_design, known_beforehand
from evalkit.runs.choose import choose
from evalkit.runs.identity import run_directory, same_run
from evalkit.runs.judge_questions import n_judged
from evalkit.runs.said_again import n_second_pass
from evalkit.runs.settings import Settings
from evalkit.store.directory import is_run_dir, read_manifest
from evalkit.store.responses import Store

__all__ = ["Forecast", "TaskForecast", "forecast"]

LETTERS_PER_TOKEN = 4.0
"""Assumed where no tokenizer is at hand."""
_SAMPLE = 300
"""Requests per task whose tokens are counted; the rest follows from their letters."""


class Tokenizer(Protocol):
    """Counts tokens of texts."""

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
        ...


@dataclass(slots=True, kw_only=True)
class TaskForecast:
    """What one task comes to."""

    task: str
    """Task id."""
    phrasings: int = 0
    """Phrasings, controls and perturbed copies included."""
    seen: int = 0
    """Phrasings the model saw while it was tuned."""
    unseen: int = 0
    """Phrasings it did not see."""
    unknown: int = 0
    """Phrasings of which nothing is known."""
    instances: int = 0
    """Instances."""
    cells: int = 0
    """Cells that are asked: phrasings times instances, or what the budget pays for."""
    not_asked: int = 0
    """Cells that a sparse design leaves out."""
    requests: int = 0
    """Unique requests that no task before asks."""
    stored: int = 0
    """Of these, answered already."""
    prompt_tokens: float = 0.0
    """Tokens of the prompts that are still to be asked, each once."""
    naive_tokens: float = 0.0
    """The same with the whole prompt sent anew for every choice, choices included."""
    answer_tokens: float = 0.0
    """Most tokens that are generated."""


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What a run comes to."""

    run: str
    """Run directory."""
    tasks: list[TaskForecast] = field(default_factory=list)
    """One row per task."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Tasks whose data is not on this machine, with the reason."""
    design: str = "full"
    """``full``, ``paired`` (the instances are a part), or the sparse design of the budget."""
    tokens_by: str = "characters"
    """``tokenizer`` (counted), ``sample`` (counted on some requests per task) or ``characters``
    (assumed 4 a token)."""
    stored_in_run: int = 0
    """Unique requests answered in the run directory."""
    stored_in_cache: int = 0
    """Further ones answered in the cache."""
    seconds: float | None = None
    """Estimated time; None when no earlier run tells."""
    seconds_from: str = ""
    """Run the time was taken from."""
    cost: float | None = None
    """Most that is spent, in the currency of the model's prices; None where none are known."""
    notes: list[str] = field(default_factory=list)
    """What could not be found out."""

    def total(self, name: str) -> float:
        """Return the sum of a column over tasks."""
        return float(sum(getattr(task, name) for task in self.tasks))

    @property
    def pending(self) -> int:
        """Return the number of requests still to be asked."""
        return int(self.total("requests") - self.total("stored"))


def forecast(
    settings: Settings, chosen: tuple[list[Job], dict[str, str]] | None = None
) -> Forecast:
    """Return what `settings` would come to.

    Parameters
    ----------
    settings
        What is asked for.
    chosen
        What `choose` made of it, when that was done already.

    Raises
    ------
    EvalkitError
        Whatever would stop the run before its model is loaded.
    """
    jobs, left_out = choose(settings) if chosen is None else chosen
    path = run_directory(settings)
    found = Forecast(run=str(path), left_out=left_out)
    found.notes += [note for job in jobs for note in job.notes]
    if settings.uncertainty:
        found.notes.append(
            "--uncertainty: a second pass of at most "
            f"{n_second_pass(jobs, settings.uncertainty):,} requests follows, not counted above"
        )
    if settings.judge is not None:
        found.notes.append(
            f"--judge: at most {n_judged(jobs):,} questions to the judge follow, not counted above"
        )
    found.design = jobs[0].design
    if not all(known_beforehand(job, settings.suite) for job in jobs):
        found.notes.append(
            "which cells are asked follows from the answers; counted are as many cells of a "
            "balanced design, and there may be fewer"
        )
    count, found.tokens_by = _tokenizer(settings.model)
    answered = _Answered(settings, path, found)
    try:
        met: set[str] = set()
        for job in jobs:
            asked = first_design(job, settings.suite, seed=settings.seed)
            found.tasks.append(_task(job, asked, met, answered, count=count, found=found))
    finally:
        answered.close()
    _add_time(found, settings, path)
    _add_cost(found, settings.model)
    return found


def _task(
    job: Job,
    asked: np.ndarray,
    met: set[str],
    answered: _Answered,
    *,
    count: Tokenizer | None,
    found: Forecast,
) -> TaskForecast:
    """Count the cells `asked` of one task; `met` holds the keys of the tasks before."""
    relations = Counter(job.seen[phrasing.id] for phrasing in job.phrasings)
    row = TaskForecast(
        task=job.task.id,
        phrasings=len(job.phrasings),
        seen=relations["seen"],
        unseen=relations["unseen"],
        unknown=relations["unknown"],
        instances=len(job.instances),
        cells=int(asked.sum()) * job.repeats,
        not_asked=int((~asked).sum()),
    )
    fresh: dict[str, Request] = {}
    for request in _requests(job, asked):
        if request.key not in met:
            met.add(request.key)
            fresh[request.key] = request
    row.requests = len(fresh)
    pending = answered.without(fresh)
    row.stored = len(fresh) - len(pending)
    _add_tokens(row, pending, count, found)
    return row


def _requests(job: Job, asked: np.ndarray) -> Iterator[Request]:
    for row, phrasing in enumerate(job.phrasings):
        for position in np.flatnonzero(asked[row]).tolist():
            request = request_of(prompt_of(job, phrasing, position))
            yield from (replace(request, repeat=repeat) for repeat in range(job.repeats))


def _add_tokens(
    row: TaskForecast, pending: Sequence[Request], count: Tokenizer | None, found: Forecast
) -> None:
    """Count tokens of some requests at equal distances, and scale by letters."""
    row.answer_tokens = float(sum(request.max_tokens for request in pending))
    prompts = [len(request.text) + len(request.system) for request in pending]
    choices = [sum(map(len, request.continuations)) for request in pending]
    per_letter = 1.0 / LETTERS_PER_TOKEN
    if count is not None and pending:
        step = -(-len(pending) // _SAMPLE)
        sample = pending[::step]
        if step > 1:
            found.tokens_by = "sample"
        texts = [
            f"{request.system}\n\n{request.text}" if request.system else request.text
            for request in sample
        ]
        per_letter = sum(count(texts)) / max(1, sum(len(text) for text in texts))
    row.prompt_tokens = sum(prompts) * per_letter
    row.naive_tokens = sum(
        (prompt * max(1, len(request.continuations)) + letters) * per_letter
        for prompt, letters, request in zip(prompts, choices, pending, strict=True)
    )


def _tokenizer(model: ModelSpec) -> tuple[Tokenizer | None, str]:
    """Tokenizer of a model that lies on this machine, loaded without weights or network.

    None for any other.
    """
    if model.backend not in {"hf", "vllm"}:
        return None, "characters"
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return None, "characters"
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model.name, revision=model.revision, local_files_only=True
        )
    # not on this machine, or not readable: the run will say so
    except (OSError, ValueError, KeyError, ImportError):
        return None, "characters"
    return lambda texts: [
        len(ids) for ids in tokenizer(list(texts), verbose=False)["input_ids"]
    ], "tokenizer"


class _Answered:
    """What the run directory and the cache hold for this model.

    Parameters
    ----------
    settings, path
        What is asked and where it would go.
    found
        Takes the notes and the counts.
    """

    def __init__(self, settings: Settings, path: Path, found: Forecast) -> None:
        self._found = found
        self._run: Store | None = None
        self._cache: Store | None = None
        self._run_fingerprint = ""
        if settings.fresh:
            return
        if is_run_dir(path):
            manifest = read_manifest(path)
            if same_run(manifest, settings):
                self._run_fingerprint = manifest.model.fingerprint_digest
                self._run = _opened(path / "responses.sqlite")
            else:
                found.notes.append(
                    f"{path} holds another run: 'evalkit run' will refuse it unless --out or "
                    "--fresh is given"
                )
        file = cache_dir() / "responses.sqlite"
        told = settings.model.backend == "scripted"  # its answers depend on what it is told
        shared = not told if settings.cache is None else settings.cache
        if shared and file.is_file():
            self._fingerprint = self._run_fingerprint or _fingerprint(settings, found)
            self._cache = _opened(file) if self._fingerprint else None

    def without(self, fresh: dict[str, Request]) -> list[Request]:
        """Return the requests that nothing answers."""
        missing = list(fresh)
        if self._run is not None:
            missing = self._run.missing(self._run_fingerprint, missing)
            self._found.stored_in_run += len(fresh) - len(missing)
        if self._cache is not None:
            before = len(missing)
            missing = self._cache.missing(self._fingerprint, missing)
            self._found.stored_in_cache += before - len(missing)
        return [fresh[key] for key in missing]

    def close(self) -> None:
        """Close both files."""
        for store in (self._run, self._cache):
            if store is not None:
                store.close()


def _opened(path: Path) -> Store | None:
    return Store(path, read_only=True) if path.is_file() else None


def _fingerprint(settings: Settings, found: Forecast) -> str:
    """Digest of the model's fingerprint where it is to be had without weights and network,
    else empty with a note.
    """
    model = settings.model
    here = model.backend != "hf" or Path(model.name).expanduser().is_dir()
    try:
        if not settings.mitigations and model.backend == "scripted":
            return digest(dict(sorted(BACKENDS.load("scripted")(model).fingerprint().items())))
        if not settings.mitigations and model.backend == "hf":
            from evalkit.backends.hf.fingerprint import fingerprint_of

            return digest(dict(sorted(fingerprint_of(model, offline=True).items())))
    except EvalkitError as error:
        if here:
            found.notes.append(f"the model cannot be used as it is: {error}")
            return ""
    found.notes.append(
        "what the cache holds for this model is not known before it is loaded, "
        "so nothing of it is counted"
    )
    return ""


def _add_time(found: Forecast, settings: Settings, path: Path) -> None:
    """Estimate the time from the newest run of the same model that lies beside this one.

    Seconds per prompt token asked.
    """
    model = settings.model
    rates: list[tuple[str, float, str]] = []
    folders = [path, *(sorted(path.parent.iterdir()) if path.parent.is_dir() else [])]
    for folder in dict.fromkeys(folder for folder in folders if is_run_dir(folder)):
        try:
            manifest = read_manifest(folder)
        except EvalkitError:  # a damaged neighbour is none of this run's business
            continue
        theirs = manifest.model
        if (theirs.backend, theirs.name, theirs.dtype) != (
            model.backend,
            model.name,
            model.dtype,
        ) or manifest.counts is None:
            continue
        rate = _seconds_per_token(manifest)
        if rate is not None:
            rates.append((manifest.attempts[-1].started, rate, str(folder)))
    if rates:
        _, rate, found.seconds_from = max(rates)
        found.seconds = rate * (found.total("prompt_tokens") + found.total("answer_tokens"))


def _seconds_per_token(manifest: Manifest) -> float | None:
    """Seconds per prompt token of a run, over the attempts that say how many requests their
    engine answered.
    """
    counts = manifest.totals
    told = [attempt for attempt in manifest.attempts if attempt.engine.get("requests")]
    asked = sum(int(attempt.engine["requests"]) for attempt in told)
    if not asked or not counts.requests or not counts.prompt_tokens:
        return None
    tokens = asked * counts.prompt_tokens / counts.requests
    return float(sum(attempt.seconds for attempt in told) / tokens)


def _add_cost(found: Forecast, model: ModelSpec) -> None:
    """Most that a served model with known prices may cost.

    Prompts sent for every choice, answers of full length.
    """
    if model.backend != "openai":
        return
    from evalkit.backends.openai.settings import read_settings

    settings = read_settings(model)
    if settings.known_cost:
        answers = found.total("answer_tokens") + found.pending * settings.answer_tokens
        found.cost = (
            found.total("naive_tokens") * settings.price_in + answers * settings.price_out
        ) / 1e6
