"""The pass of a judge over the answers of a finished run:
stored, cached, resumed, never in a score.

Not handled here: what is made of it (`evalkit.analysis.judged`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import opened
from evalkit.catalog.paths import cache_dir
from evalkit.errors import BackendError, UsageError
from evalkit.phrasings.judging import ANSWERS, PAIRS, VERSION
from evalkit.records import Ask, ModelSpec, Response, digest
from evalkit.records.manifest import Manifest
from evalkit.runs.ask import Progress, ask
from evalkit.runs.judge_questions import Asking, Judged, cells, judged_of, questions, row_of
from evalkit.store.directory import read_manifest
from evalkit.store.judgements import ALONE, Pass, judge_path, put_pass
from evalkit.store.responses import Store
from evalkit.store.shared_cache import SharedCache

__all__ = ["Wanted", "judge", "judge_after", "wanted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a judge is to be asked."""

    run: Path
    """Run directory."""
    manifest: Manifest
    """Its manifest."""
    name: str
    """Name of the pass: `ALONE`, or the other run."""
    answers: tuple[Judged, ...]
    """Answers, or pairs."""
    asking: Asking
    """How it is asked."""

    @property
    def wordings(self) -> tuple[str, ...]:
        """Return the ids of the wordings."""
        shipped = ANSWERS if self.name == ALONE else PAIRS
        return tuple(one.id for one in shipped[: self.asking.wordings])

    def asks(self) -> dict[str, Ask]:
        """Return every question once, by its request key."""
        return {
            found.request.key: found
            for one in self.answers
            for _, _, found, _ in questions(one, self.asking)
        }


def judge_after(run: Path, manifest: Manifest, spec: ModelSpec, progress: Progress) -> None:
    """Let a judge read the answers of a run whose numbers are not made yet;
    without written ones say so.

    Parameters
    ----------
    run, manifest
        The run, owned by this process.
    spec, progress
        As for `judge`.
    """
    answers = tuple(cells(run, manifest, None))
    if not answers:
        progress.note("--judge: no answer is a text, so there is nothing to judge")
        return
    what = Wanted(run=run, manifest=manifest, name=ALONE, answers=answers, asking=Asking())
    judge(what, spec, progress)


def wanted(run: Path, asking: Asking, other: Path | None = None) -> Wanted:
    """Return what a judge is to be asked of a run.

    Parameters
    ----------
    run
        Run directory; of an unfinished run the answers that are there.
    asking
        How it is asked.
    other
        The run whose answers these are compared with; None to judge answers alone.

    Raises
    ------
    UsageError
        When there is nothing to judge, or there are not so many wordings.
    ComparisonError
        When the two runs asked different things.
    """
    most = len(ANSWERS if other is None else PAIRS)
    if not 1 <= asking.wordings <= most:
        raise UsageError(
            f"--wordings: {asking.wordings} is not possible; 1 to {most} wordings are there."
        )
    manifest = read_manifest(run)
    pair = None if other is None else (other, read_manifest(other))
    answers = tuple(cells(run, manifest, asking.limit, pair))
    if not answers:
        raise UsageError(
            f"{run}: no answer is a text: choices were scored by log-probability, of which a judge "
            "has nothing to say. Run a task that generates, or choices with --score-by read."
        )
    name = ALONE if other is None else other.resolve().name
    return Wanted(run=run, manifest=manifest, name=name, answers=answers, asking=asking)


def judge(what: Wanted, spec: ModelSpec, progress: Progress, *, cache: bool | None = None) -> Pass:
    """Ask a judge what is not stored yet, and store what it said; return the pass.

    Parameters
    ----------
    what
        What is asked.
    spec
        The judge.
    progress
        Shows how far it is; may ask to stop.
    cache
        Share its answers between runs; None: where versions of the model can be told apart.

    Raises
    ------
    BackendError
        When the judge cannot write.
    Interrupted
        When the user stopped it; what was answered is stored.
    """
    progress.note(f"loading the judge {spec.display}")
    backend = opened(spec, ())
    with ExitStack() as stack:
        stack.callback(backend.close)
        if "generate" not in backend.capabilities:
            raise BackendError(
                f"{spec.display}: cannot write, and a verdict is a text. Name another judge."
            )
        fingerprint = dict(sorted(backend.fingerprint().items()))
        key = digest(fingerprint)
        if key == what.manifest.model.fingerprint_digest:
            progress.note("the judge is the model whose answers it judges")
        store = stack.enter_context(Store(judge_path(what.run)))
        asks = what.asks()
        _ask(backend, asks, store, key, progress, cache=cache)
        answers: dict[str, Response] = store.get(key, asks)
    judged = [judged_of(one, what.asking, answers) for one in what.answers]
    found = Pass(
        name=what.name,
        judge=spec.display,
        fingerprint=fingerprint,
        digest=digest([key, VERSION, list(what.wordings), what.asking.max_tokens]),
        wordings=what.wordings,
        asked=2 * len(what.wordings) * len(judged),
        unanswered=sum(2 * len(what.wordings) - len(one.verdicts) for one in judged),
        shortened=sum(one.shortened for one in what.answers),
    )
    with Store(judge_path(what.run)) as store:
        put_pass(store, found, map(row_of, judged))
    return found


def _ask(
    backend: Backend,
    asks: dict[str, Ask],
    store: Store,
    fingerprint: str,
    progress: Progress,
    *,
    cache: bool | None,
) -> None:
    """Ask what neither the run nor the cache holds."""
    missing = store.missing(fingerprint, asks)
    shares = "unversioned" not in backend.capabilities if cache is None else cache
    shared = SharedCache(cache_dir() / "responses.sqlite", progress.note) if shares else None
    try:
        if shared is not None:
            missing = shared.copy_to(store, fingerprint, missing)
        progress.begin(total=len(asks), stored=len(asks) - len(missing))
        ask(
            backend,
            [asks[key] for key in missing],
            fingerprint=fingerprint,
            stores=[store, *([shared] if shared is not None else [])],
            progress=progress,
        )
    finally:
        if shared is not None:
            shared.close()
