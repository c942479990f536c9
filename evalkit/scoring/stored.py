"""The second half of the corridor: stored responses -> scores -> estimates -> files.

Needs no model and no benchmark data.

`evalkit run` ends with it, `evalkit score` and `evalkit report` begin with it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from evalkit.backends.precision import NOISE, could_turn, noise
from evalkit.errors import StoreError
from evalkit.phrasings.prompts import answer_labels, worded
from evalkit.records import Instance, Job, Phrasing, Response, Task
from evalkit.records.manifest import Counts, Manifest, ModelRecord
from evalkit.scoring import Answered, Verdict
from evalkit.scoring.cell import VERSIONS, target_text, verdict_of
from evalkit.scoring.choice import choice_accuracy_apart
from evalkit.scoring.code import CODE, learn
from evalkit.scoring.columns import Cells
from evalkit.scoring.grouping import groups_of
from evalkit.scoring.metric import MISSING, NOT_ASKED
from evalkit.scoring.reading.rules import VERSION as PARSER
from evalkit.scoring.states import FREE, Form, asked_form
from evalkit.store.blocks import stored_jobs
from evalkit.store.designs import get_design
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.keys import first_places
from evalkit.store.programs import get_outcomes
from evalkit.store.responses import Store

__all__ = ["Collector", "answered_cell", "refuse_damaged", "score_run", "scored", "stored_cells"]


APART = {"missing", "not_asked"}
"""States that are no answers."""


class Collector(Protocol):
    """What wants to see the answers while they are scored.

    `evalkit.scoring.answers.Answers` is one.
    """

    def begin(self, task: Task, instances: Sequence[Instance], phrasing_ids: Sequence[str]) -> None:
        """Make ready for a task."""
        ...

    def cell(
        self, phrasing: int, position: int, *, answered: Answered | None, verdict: Verdict
    ) -> None:
        """Take in one cell."""
        ...

    def end(self) -> None:
        """Close the task."""
        ...


class _Used:
    """What the unique requests of a run used.

    Plain arrays, since ten million keys in a set would be a gigabyte.
    """

    def __init__(self) -> None:
        self._keys = bytearray()
        self._columns = {
            name: array("q") for name in ("prompt_tokens", "answer_tokens", "boundary")
        }

    def add(self, keys: Sequence[str], responses: Mapping[str, Response]) -> None:
        """Take in the cells of one phrasing that were asked."""
        self._keys += bytes.fromhex("".join(keys))
        found = [responses.get(key) for key in keys]
        prompt, answer, boundary = self._columns.values()
        prompt.extend(0 if one is None else one.prompt_tokens for one in found)
        answer.extend(0 if one is None else sum(one.token_counts) for one in found)
        boundary.extend(0 if one is None else one.boundary for one in found)

    def fill(self, counts: Counts) -> None:
        """Write the totals, each request once."""
        import numpy as np

        first = first_places(bytes(self._keys))
        counts.requests = len(first)
        for name, column in self._columns.items():
            setattr(
                counts,
                name,
                int(np.frombuffer(column, dtype=np.int64)[first].sum()) if column else 0,
            )


def stored_cells(
    store: Store,
    *,
    manifest: Manifest,
    counts: Counts,
    collector: Collector | None = None,
) -> Iterator[Cells]:
    """Yield the cells of a run, one phrasing of a task after the other, and add up what was used.

    Parameters
    ----------
    store
        The run's responses and records.
    manifest
        Of the run: says which tasks, which model answered, and in what precision.
    counts
        Filled in.
    collector
        Shown every answer.
    """
    used = _Used()
    precision = manifest.model.fingerprint.get("dtype", ""), _measured(manifest)
    counts.unstable = 0 if precision[0] in NOISE else None
    counts.choices, counts.by_text, counts.begins_another, metrics = 0, 0, 0, dict[str, int]()
    for job in stored_jobs(store, manifest.suite):
        if collector is not None:
            collector.begin(job.task, job.instances, [one.id for one in job.phrasings])
        if job.task.metric in CODE:
            learn(get_outcomes(store))
        yield from _cells_of(
            job, store, manifest.model, counts, used, precision=precision, collector=collector
        )
        if job.phrasings:
            metrics[job.task.metric] = VERSIONS.get(job.task.metric, 1)
        if collector is not None:
            collector.end()
    if counts.by_text:
        metrics["text of choices"] = PARSER
    counts.metrics = metrics
    used.fill(counts)


def _cells_of(
    job: Job,
    store: Store,
    model: ModelRecord,
    counts: Counts,
    used: _Used,
    *,
    precision: tuple[str, float | None],
    collector: Collector | None,
) -> Iterator[Cells]:
    """Yield the cells of one task, and add them to what was counted and used."""
    designs = get_design(store, job.task.id, n_instances=len(job.instances))
    form = asked_form(job.task, job.instances)
    names = [instance.id for instance in job.instances]
    targets = [target_text(instance) for instance in job.instances]
    groups = groups_of(job.task, job.instances)
    factors = _factors(job.instances)
    for row, phrasing in enumerate(job.phrasings):
        design = designs.get(phrasing.id)
        for repeat in range(job.repeats):
            keys = replace(job.blocks[row], keys=job.blocks[row].repeated(repeat)).each()
            asked = keys if design is None else [keys[n] for n in design.nonzero()[0]]
            responses = store.get(model.fingerprint_digest, asked)
            used.add(asked, responses)
            verdicts = []
            for position, key in enumerate(keys):
                if design is not None and not design[position]:
                    verdicts.append(NOT_ASKED)
                    continue
                answered, verdict = scored(job, phrasing, position, responses.get(key), form=form)
                verdicts.append(verdict)
                if answered is not None:
                    _add_decision(counts, job.task, answered, verdict, precision)
                if collector is not None and repeat == 0:
                    collector.cell(row, position, answered=answered, verdict=verdict)
            _add_up(counts, job.task, verdicts, [responses.get(key) for key in asked])
            yield Cells(
                model=model.label,
                task=job.task,
                phrasing=phrasing,
                seen=job.seen[phrasing.id],
                instance_ids=names,
                targets=targets,
                verdicts=verdicts,
                groups=groups,
                factors=factors,
                repeat=repeat,
            )


def _factors(instances: Sequence[Instance]) -> dict[str, list[str]]:
    """Return every factor with its levels; empty where nothing varies."""
    names = sorted({name for one in instances for name in one.factors})
    return {name: [one.factors.get(name, "") for one in instances] for name in names}


def _add_decision(
    counts: Counts,
    task: Task,
    answered: Answered,
    verdict: Verdict,
    precision: tuple[str, float | None],
) -> None:
    """Add one answer to those that rounding, or a choice that begins another, decides."""
    if counts.unstable is not None:
        counts.unstable += _could_turn(task, answered, *precision)
    if task.metric == "choice_accuracy":
        counts.begins_another = (counts.begins_another or 0) + _begins_another(answered, verdict)


def _add_up(
    counts: Counts,
    task: Task,
    verdicts: Sequence[Verdict],
    responses: Sequence[Response | None],
) -> None:
    """Add the cells of one phrasing to the totals."""
    found = Counter(verdict.status for verdict in verdicts)
    counts.cells += len(responses)
    counts.not_asked += found["not_asked"]
    counts.missing += found["missing"]
    counts.unparsed += found["unparsed"]
    counts.truncated += sum(one is not None and one.truncated for one in responses)
    cut = sum(one is not None and one.finish_reason == "length" for one in responses)
    counts.cut = (counts.cut or 0) + cut
    states = Counter(counts.states or {})
    states.update(one.state for one in verdicts if one.state and one.state not in APART)
    counts.states = dict(sorted(states.items()))
    if task.metric in CODE:
        _add_programs(counts, verdicts)
    if task.kind == "choice":
        _add_choices(counts, responses)


def _add_programs(counts: Counts, verdicts: Sequence[Verdict]) -> None:
    """Add what came of the programs of one phrasing to the totals."""
    found = Counter(counts.programs or {})
    found.update(one.prediction or "none" for one in verdicts if one.state not in APART)
    counts.programs = dict(sorted(found.items()))


def _add_choices(counts: Counts, responses: Sequence[Response | None]) -> None:
    """Add the answers to choices, and those of them that are text, to the totals."""
    answers = [one for one in responses if one is not None and not one.error]
    counts.choices = (counts.choices or 0) + len(answers)
    counts.by_text = (counts.by_text or 0) + sum(not one.logprobs for one in answers)


def _measured(manifest: Manifest) -> float | None:
    """The largest noise that an engine measured while the run was made, nats;
    None where none did.
    """
    found = [attempt.engine.get("noise") for attempt in manifest.attempts]
    return max((value for value in found if value is not None), default=None)


def _begins_another(answered: Answered, verdict: Verdict) -> bool:
    """Whether a choice was made only because another one begins with it,
    as ``10`` does with ``1``.
    """
    return (
        bool(answered.response.logprobs)
        and _nested(answered.labels)
        and choice_accuracy_apart(answered).prediction != verdict.prediction
    )


@lru_cache(maxsize=1024)
def _nested(labels: tuple[str, ...]) -> bool:
    return any(one != other and one.startswith(other) for one in labels for other in labels)


def _could_turn(task: Task, answered: Answered, dtype: str, measured: float | None) -> bool:
    """Whether rounding could turn the choice that was made, by the value that the task's metric
    compares.
    """
    logprobs = answered.response.logprobs
    if not logprobs or len(logprobs) != len(answered.labels):
        return False
    per_byte = task.metric == "choice_accuracy_norm"
    sizes = [
        max(1, len(label.encode("utf-8", "surrogatepass"))) if per_byte else 1
        for label in answered.labels
    ]
    texts = [answered.instance.choices[answered.choice_index(shown)] for shown in range(len(sizes))]
    limit = noise(dtype, max(answered.response.token_counts, default=1), measured) / min(sizes)
    return could_turn(
        ((text, value / size) for text, value, size in zip(texts, logprobs, sizes, strict=True)),
        limit,
    )


def scored(
    job: Job,
    phrasing: Phrasing,
    position: int,
    response: Response | None,
    *,
    form: Form = FREE,
) -> tuple[Answered | None, Verdict]:
    """Return the answer of one cell, None when there is none, and the verdict on it.

    Parameters
    ----------
    job, phrasing, position
        The cell.
    response
        What was stored for it.
    form
        In which form the task asks for its answers; without it nothing but the score counts.
    """
    answered = answered_cell(job, phrasing, position, response)
    if answered is None:
        return None, MISSING
    return answered, verdict_of(job.task, answered, form=form)


def answered_cell(
    job: Job, phrasing: Phrasing, position: int, response: Response | None
) -> Answered | None:
    """Return the answer of one cell with what was asked; None when there is none.

    Parameters
    ----------
    job, phrasing, position
        The cell.
    response
        What was stored for it.
    """
    if response is None:
        return None
    instance = job.instances[position]
    order, names = job.arrangement(phrasing, position)
    shown = tuple(instance.choices[index] for index in order) if order else instance.choices
    offered = worded(job.task, phrasing, shown)
    labels = answer_labels(phrasing, offered, names) if shown else ()
    return Answered(
        instance=instance,
        response=response,
        language=phrasing.language,
        labels=labels,
        order=order,
        constraints=(*job.task.constraints, *phrasing.constraints),
    )


def score_run(
    path: Path, *, collector: Collector | None = None
) -> tuple[Manifest, list[Cells], Counts]:
    """Return manifest, cells and counts of a run directory, recomputed from its responses.

    Parameters
    ----------
    path
        Run directory.
    collector
        Shown every answer.

    Raises
    ------
    StoreError
        When the directory is no run, or its store is damaged.
    """
    manifest, counts = read_manifest(path), Counts()
    with Store(RunDir(path).store_path, read_only=True) as store:
        cells = list(stored_cells(store, manifest=manifest, counts=counts, collector=collector))
        refuse_damaged(store)
    return manifest, cells, counts


def refuse_damaged(store: Store, *, fingerprint: str | None = None) -> None:
    """Raise when responses that were wanted fail their checksum.

    Parameters
    ----------
    store
        What was read.
    fingerprint
        Of the model: its damaged rows are moved out of the way, so that they are asked anew. None
        leaves them where they are.

    Raises
    ------
    StoreError
        Saying how many.
    """
    if n_damaged := len(store.damaged):
        if fingerprint is not None:
            store.set_aside(fingerprint)
        raise StoreError(
            f"{store.path}: {n_damaged} responses fail their checksum and were not used. "
            "Run the same 'evalkit run' again to ask them anew."
        )
