"""The answers of a finished run as questions to a judge, and the judge's answers as rows.

Only answers under correct instructions are judged: what a wrong one asks for, no judge is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.errors import ComparisonError
from evalkit.phrasings.judging import (
    ANSWERS,
    LONGEST,
    PAIRS,
    JudgeWording,
    answer_question,
    pair_question,
)
from evalkit.records import Ask, Hint, Job, Phrasing, Response
from evalkit.records.manifest import Manifest
from evalkit.runs.ask import prompt_of
from evalkit.runs.pick import pick_instances
from evalkit.scoring.code import CODE, learn
from evalkit.scoring.metric import Answered
from evalkit.scoring.states import asked_form
from evalkit.scoring.stored import scored
from evalkit.scoring.verdicts import JudgedCell, JudgeVerdict, read_pair, read_verdict
from evalkit.store.blocks import stored_jobs
from evalkit.store.directory import RunDir
from evalkit.store.programs import get_outcomes
from evalkit.store.responses import Store

__all__ = [
    "Asking",
    "Cell",
    "Judged",
    "cell_of",
    "cells",
    "judged_of",
    "n_judged",
    "questions",
    "row_of",
]

Cell: TypeAlias = tuple[str, str, str]
"""Task, phrasing, instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a judge is asked."""

    limit: int | None = None
    """Instances per task; None for all."""
    wordings: int = 2
    """How many wordings."""
    max_tokens: int = 32
    """Most tokens of a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One answer to be judged, with the one it is compared with where there are two."""

    job: Job
    """Its task."""
    position: int
    """Place of its instance."""
    phrasing: Phrasing
    """Phrasing it was given under."""
    key: str
    """Key of the request it is to."""
    answers: tuple[str, ...]
    """The answer, and the other run's."""
    scores: tuple[float | None, ...]
    """Their scores by the metric of the task."""

    @property
    def cell(self) -> Cell:
        """Return task, phrasing and instance."""
        return self.job.task.id, self.phrasing.id, self.job.instances[self.position].id

    @property
    def shortened(self) -> bool:
        """Return whether a judge sees a part of it only."""
        return any(len(text) > LONGEST for text in self.answers)

    @property
    def task_text(self) -> str:
        """Return the task as a judge is shown it: in the words of one phrasing, whichever the
        answer was given under.

        An answer to lettered choices means nothing beside another list, so there it is the phrasing
        itself.
        """
        own = self.phrasing
        if self.job.task.kind != "choice":
            own = next(one for one in self.job.phrasings if _plain(one))
        return prompt_of(self.job, own, self.position).text


def _plain(phrasing: Phrasing) -> bool:
    return phrasing.kind == "correct" and not phrasing.perturbation


def cells(
    run: Path, manifest: Manifest, limit: int | None, other: tuple[Path, Manifest] | None = None
) -> Iterator[Judged]:
    """Yield every answer that is a text, or every pair of them.

    Parameters
    ----------
    run, manifest
        A finished run.
    limit
        Instances per task; None for all.
    other
        The run whose answers these are compared with; None to judge answers alone.

    Raises
    ------
    ComparisonError
        When the two runs asked different things.
    """
    with ExitStack() as stack:
        mine = stack.enter_context(Store(RunDir(run).store_path, read_only=True))
        jobs = list(stored_jobs(mine, manifest.suite))
        theirs, their_jobs = None, dict[str, Job]()
        if other is not None:
            theirs = stack.enter_context(Store(RunDir(other[0]).store_path, read_only=True))
            their_jobs = {job.task.id: job for job in stored_jobs(theirs, other[1].suite)}
            _refuse_other(jobs, their_jobs, run, other[0])
        for job in jobs:
            if not any(map(_plain, job.phrasings)):
                continue
            of_run = (mine, manifest)
            if theirs is None or other is None:
                yield from _alone(job, limit, of_run)
            elif job.task.id in their_jobs:
                yield from _together(
                    (job, their_jobs[job.task.id]), limit, of_run, (theirs, other[1])
                )


def n_judged(jobs: Sequence[Job]) -> int:
    """Return the most questions that a judge can be asked of tasks whose answers are written,
    as `Asking` says by default.
    """
    return sum(
        2 * Asking().wordings * len(job.instances)
        for job in jobs
        if job.task.kind == "generate" or job.task.written
        for phrasing in job.phrasings
        if phrasing.kind == "correct"
    )


def _refuse_other(jobs: Sequence[Job], others: Mapping[str, Job], run: Path, other: Path) -> None:
    same = [job for job in jobs if job.task.id in others]
    if not same:
        raise ComparisonError(
            f"{run} and {other} have no task in common. Name two runs of one suite."
        )
    for job in same:
        if job.content_digest != others[job.task.id].content_digest:
            raise ComparisonError(
                f"{job.task.id}: {run} and {other} asked it of other instances or in another "
                "version, so their answers are no pairs. Run both anew with one suite and --limit."
            )


def _texts(
    job: Job, limit: int | None, run: tuple[Store, Manifest]
) -> Iterator[tuple[Phrasing, int, str, Answered, float | None]]:
    """Yield phrasing, position, key, answer and score of every answer that is a text."""
    store, manifest = run
    picked = {
        one.id for one in pick_instances(job.task, job.instances, limit=limit, seed=manifest.seed)
    }
    form = asked_form(job.task, job.instances)
    if job.task.metric in CODE:
        learn(get_outcomes(store))
    for phrasing, block in zip(job.phrasings, job.blocks, strict=True):
        if phrasing.kind != "correct":
            continue
        keys = block.each()
        responses = store.get(manifest.model.fingerprint_digest, keys)
        for position, key in enumerate(keys):
            response = responses.get(key)
            if response is None or response.error or job.instances[position].id not in picked:
                continue
            answered, verdict = scored(job, phrasing, position, response, form=form)
            if answered is not None and answered.text is not None and not response.logprobs:
                yield phrasing, position, key, answered, verdict.score


def _alone(job: Job, limit: int | None, run: tuple[Store, Manifest]) -> Iterator[Judged]:
    for phrasing, position, key, answered, score in _texts(job, limit, run):
        yield Judged(
            job=job,
            position=position,
            phrasing=phrasing,
            key=key,
            answers=(answered.text or "",),
            scores=(score,),
        )


def _together(
    jobs: tuple[Job, Job],
    limit: int | None,
    run: tuple[Store, Manifest],
    other: tuple[Store, Manifest],
) -> Iterator[Judged]:
    theirs = {
        (phrasing.id, position): (answered.text or "", score)
        for phrasing, position, _, answered, score in _texts(jobs[1], None, other)
    }
    for phrasing, position, key, answered, score in _texts(jobs[0], limit, run):
        if (phrasing.id, position) in theirs:
            text, their_score = theirs[phrasing.id, position]
            yield Judged(
                job=jobs[0],
                position=position,
                phrasing=phrasing,
                key=key,
                answers=(answered.text or "", text),
                scores=(score, their_score),
            )


def questions(
    one: Judged, asking: Asking
) -> Iterator[tuple[JudgeWording, bool, Ask, tuple[str, ...]]]:
    """Yield wording, order, question and verdicts of everything a judge is asked of one answer
    or pair.
    """
    pair = len(one.answers) > 1
    wordings = (PAIRS if pair else ANSWERS)[: asking.wordings]
    text, references = one.task_text, one.job.instances[one.position].references
    for wording, swapped in product(wordings, (False, True)):
        if pair:
            request, labels = pair_question(
                wording,
                text,
                references,
                (one.answers[0], one.answers[1]),
                swapped=swapped,
                max_tokens=asking.max_tokens,
            )
        else:
            request, labels = answer_question(
                wording,
                text,
                references,
                one.answers[0],
                swapped=swapped,
                max_tokens=asking.max_tokens,
            )
        yield wording, swapped, Ask(request, _hint(one, wording, swapped, labels)), labels


def _hint(one: Judged, wording: JudgeWording, swapped: bool, labels: tuple[str, ...]) -> Hint:
    """What a scripted judge may know: the verdict by the metric, and that for the longer answer."""
    task, _, instance = one.cell
    if len(one.answers) > 1:
        first, second = (value or 0.0 for value in one.scores)
        right = 2 if first == second else int(second > first) ^ swapped
        sizes = [len(text.split()) for text in one.answers]
        lure = "" if sizes[0] == sizes[1] else labels[int(sizes[1] > sizes[0]) ^ swapped]
    else:
        right = int((one.scores[0] or 0.0) < 0.5) ^ swapped
        lure = labels[int(swapped)] if len(one.answers[0].split()) > 5 else ""
    return Hint(
        phrasing_id=f"{wording.id}{' swapped' if swapped else ''}",
        instance_id=instance,
        task=task,
        seen="unknown",
        kind="judge",
        target=None,
        labels=labels,
        reference=labels[right],
        lure=lure,
    )


def judged_of(one: Judged, asking: Asking, answers: Mapping[str, Response]) -> JudgedCell:
    """Return what a judge said of one answer or pair.

    Parameters
    ----------
    one, asking
        What was asked.
    answers
        Request key -> the judge's answer.
    """
    read = read_pair if len(one.answers) > 1 else read_verdict
    verdicts = [
        JudgeVerdict(wording.id, swapped, read(found.text or "", labels, swapped=swapped))
        for wording, swapped, ask, labels in questions(one, asking)
        if (found := answers.get(ask.request.key)) is not None
    ]
    task, phrasing, instance = one.cell
    pair = len(one.answers) > 1
    return JudgedCell(
        task=task,
        phrasing_id=phrasing,
        instance_id=instance,
        key=one.key,
        words=len(one.answers[0].split()),
        score=one.scores[0],
        other_words=len(one.answers[1].split()) if pair else None,
        other_score=one.scores[1] if pair else None,
        verdicts=tuple(verdicts),
    )


def cell_of(row: Sequence[Any]) -> JudgedCell:
    """Return a stored row as what it was made of."""
    *told, verdicts = row
    names = [field.name for field in fields(JudgedCell)]
    found = [*told, tuple(JudgeVerdict(*one) for one in verdicts)]
    return JudgedCell(**dict(zip(names, found, strict=True)))


def row_of(cell: JudgedCell) -> list[object]:
    """Return a judged answer or pair as JSON can hold it: its fields in order."""
    return list(astuple(cell))
