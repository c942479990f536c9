"""The same stored answers scored by other rules: how much of what a run shows is its scorer?

A scorer is a metric with the kind of answer it can score. All of a run's cells are scored under
each, so that items and phrasings are the same and a difference is the rule's alone.

Not handled here: rules that need other answers than the stored ones (``evalkit run --score-by``
asks for those).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from evalkit.errors import UsageError
from evalkit.records import Instance, Job, Response
from evalkit.scoring.cell import target_text, verdict_of
from evalkit.scoring.choice import choice_accuracy, choice_accuracy_apart, choice_accuracy_norm
from evalkit.scoring.columns import Cells
from evalkit.scoring.metric import MISSING, Answered, Verdict
from evalkit.scoring.overlap import rouge_l, token_f1
from evalkit.scoring.reading.mentions import stated_rest
from evalkit.scoring.reading.numbers import final_marks
from evalkit.scoring.reading.plain import plain
from evalkit.scoring.stored import answered_cell
from evalkit.scoring.table import ScoreTable
from evalkit.scoring.text import normalise
from evalkit.store.blocks import stored_jobs
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

__all__ = [
    "LOGPROBS",
    "OWN",
    "SCORERS",
    "TEXTS",
    "Scored",
    "Scorer",
    "rescored",
    "rescored_table",
    "scorers_of",
]

OWN = "own"
"""The rule of the task itself."""
LOGPROBS = "log-probabilities"
TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Scorer:
    """One rule."""

    name: str
    """What it is asked for by."""
    answers: str
    """`LOGPROBS` or `TEXTS`."""
    means: str
    """What it does, in words."""
    judge: Callable[[Answered], Verdict]
    """The metric."""
    choices: bool = True
    """Whether it means anything where a label stands for the answer."""


def _per_token(answered: Answered) -> Verdict:
    counts = answered.response.token_counts
    values = answered.response.logprobs
    if len(counts) != len(values) or not all(count > 0 for count in counts):
        return MISSING
    mean = tuple(value / count for value, count in zip(values, counts, strict=True))
    return choice_accuracy(replace(answered, response=replace(answered.response, logprobs=mean)))


def _first(answered: Answered) -> Verdict:
    """The first token of each label; stored values are sums,
    so only where every label is one token.
    """
    counts = answered.response.token_counts
    if not counts or set(counts) != {1}:
        return MISSING
    return choice_accuracy(answered)


def _uniform(answered: Answered) -> Verdict:
    """Probability of the target among the choices, as a score: no decision is made."""
    found = choice_accuracy(answered)
    if found.target_probability is None or found.score is None:
        return MISSING
    return replace(found, score=found.target_probability)


def _right(answered: Answered) -> set[str]:
    """What a text must say to be right, normalised: references, and the label of the target."""
    instance, wanted = answered.instance, list(answered.instance.references)
    for shown, label in enumerate(answered.labels):
        if instance.target is not None and answered.choice_index(shown) == instance.target:
            wanted += [label, label.strip("()"), instance.choices[instance.target]]
    return {normalise(text) for text in wanted if text.strip()}


def _verdict(right: bool, text: str) -> Verdict:
    return Verdict(score=float(right), prediction=normalise(text)[:200] or None)


def _exact(answered: Answered) -> Verdict:
    first = (answered.text or "").strip().split("\n", 1)[0]
    return _verdict(normalise(first) in _right(answered), first)


def _prefix(answered: Answered) -> Verdict:
    said = normalise(answered.text or "")
    right = any(
        said.startswith(text) and not said[len(text) : len(text) + 1].isalnum()
        for text in _right(answered)
    )
    return _verdict(right, said)


def _read(answered: Answered) -> Verdict:
    """Read as people write: final marks, "the answer is", or a line of its own."""
    from evalkit.scoring.text import find_label

    text = answered.text or ""
    instance = answered.instance
    if answered.labels and instance.choices:
        texts = tuple(
            instance.choices[answered.choice_index(shown)] for shown in range(len(instance.choices))
        )
        shown = find_label(text, answered.labels, texts=texts)
        if shown is None:
            return Verdict(score=0.0, prediction=None, status="unparsed")
        chosen = instance.choices[answered.choice_index(shown)]
        return Verdict(score=float(chosen in instance.references), prediction=chosen)
    lines = plain(text).split("\n")
    said = [*final_marks(text), *lines, *(stated_rest(line) for line in lines)]
    return _verdict(bool(_right(answered).intersection(map(normalise, said))), text)


def _contains(answered: Answered) -> Verdict:
    said = f" {' '.join(normalise(answered.text or '').split())} "
    right = any(f" {text} " in said.translate(_MARKS) for text in _right(answered))
    return _verdict(right, said)


_MARKS = str.maketrans(dict.fromkeys('.,;:!?"()[]*', " "))

SCORERS: dict[str, Scorer] = {
    one.name: one
    for one in (
        Scorer("sum", LOGPROBS, "highest log-probability, summed over tokens", choice_accuracy),
        Scorer("token", LOGPROBS, "highest log-probability per token", _per_token),
        Scorer("byte", LOGPROBS, "highest log-probability per byte", choice_accuracy_norm),
        Scorer(
            "apart",
            LOGPROBS,
            "most probable as a whole answer, where one choice may begin another",
            choice_accuracy_apart,
        ),
        Scorer(
            "first",
            LOGPROBS,
            "highest log-probability of a label's first token, where every label is one token",
            _first,
        ),
        Scorer("probability", LOGPROBS, "probability of the target among the choices", _uniform),
        Scorer("exact", TEXTS, "the first line is the answer and nothing else", _exact),
        Scorer("prefix", TEXTS, "the text begins with the answer", _prefix),
        Scorer("read", TEXTS, "the answer is read from the text as people write", _read),
        Scorer("contains", TEXTS, "the answer stands somewhere in the text", _contains),
        Scorer("f1", TEXTS, "tokens shared with the best reference", token_f1, False),
        Scorer("rouge_l", TEXTS, "ROUGE-L with the best reference", rouge_l, False),
    )
}
"""Every rule that stored answers suffice for, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The cells of one run under one rule."""

    run: Path
    """Run directory."""
    model: str
    """Model of the run."""
    scorer: str
    """`OWN` or a name of `SCORERS`."""
    answers: str
    """Kind of answers of these tasks."""
    table: ScoreTable
    """Cells of the tasks that have such answers."""


def scorers_of(text: str) -> list[str]:
    """Return the scorers that an option names: ``all``, or names with commas.

    Raises
    ------
    UsageError
        When a name is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return [OWN, *SCORERS]
    strange = [name for name in names if name not in {OWN, *SCORERS}]
    if strange or not names:
        raise UsageError(
            f"--score-by: {strange[0] if strange else text!r} is not known; accepted: all, {OWN}, "
            f"{', '.join(SCORERS)}."
        )
    return list(dict.fromkeys(names))


def rescored(run: Path, names: Iterable[str]) -> list[Scored]:
    """Return the cells of a run under several rules.

    Parameters
    ----------
    run
        Run directory.
    names
        `OWN` or names of `SCORERS`; a rule that no task of the run has answers for is left out.

    Raises
    ------
    StoreError
        When the directory is no run, or its store is damaged.
    """
    manifest = read_manifest(run)
    wanted = list(names)
    parts: dict[tuple[str, str], list[Cells]] = {}
    with Store(RunDir(run).store_path, read_only=True) as store:
        for job in stored_jobs(store, manifest.suite):
            for row, phrasing in enumerate(job.phrasings):
                keys = job.blocks[row].each()
                responses = store.get(manifest.model.fingerprint_digest, keys)
                answers = [
                    answered_cell(job, phrasing, place, responses.get(key))
                    for place, key in enumerate(keys)
                ]
                kind = _kind(responses.values())
                for name in wanted:
                    if not _fits(name, kind, job):
                        continue
                    parts.setdefault((name, kind), []).append(
                        Cells(
                            model=manifest.model.label,
                            task=job.task,
                            phrasing=phrasing,
                            seen=job.seen[phrasing.id],
                            instance_ids=[one.id for one in job.instances],
                            targets=[target_text(one) for one in job.instances],
                            verdicts=[_judged(name, job, one) for one in answers],
                        )
                    )
    return [
        Scored(
            run=run,
            model=manifest.model.label,
            scorer=name,
            answers=kind,
            table=ScoreTable.from_cells(cells),
        )
        for (name, kind), cells in parts.items()
    ]


def rescored_table(frame: pd.DataFrame, names: Iterable[str], *, run: Path) -> list[Scored]:
    """Return the cells of a score table under the rules for texts without choices.

    Parameters
    ----------
    frame
        Rows with the columns prediction and target besides those of a score table; what was
        answered and what is right, as text.
    names
        `OWN` (the column ``score``) or names of `SCORERS`; others are left out.
    run
        Name of the table.

    Notes
    -----
    A cell without a score stays without one, and one without a prediction is unparsed: 0.
    """
    wanted = [name for name in names if name == OWN or SCORERS[name].answers == TEXTS]
    found = []
    for name in wanted:
        rows = frame.copy()
        if name != OWN:
            verdicts = [
                _of_row(SCORERS[name], said, right, score)
                for said, right, score in zip(
                    frame["prediction"], frame["target"], frame["score"], strict=True
                )
            ]
            rows["score"] = verdicts
            rows = rows.drop(columns=[c for c in ("status", "state", "form") if c in rows])
        table = ScoreTable.from_frame(rows, origin=str(run))
        found += [
            Scored(
                run=run,
                model=model,
                scorer=name,
                answers=TEXTS,
                table=table.select({"model": model}),
            )
            for model in table.models
        ]
    return found


def _of_row(scorer: Scorer, said: object, right: object, score: float) -> float:
    """Score of one row by one rule; NaN where it had none or nothing is right."""
    if score != score or not isinstance(right, str) or not right:
        return math.nan
    if not isinstance(said, str) or not said:
        return 0.0
    instance = Instance(id="", fields={}, references=(right,))
    found = scorer.judge(Answered(instance=instance, response=Response(key="", text=said)))
    return math.nan if found.score is None else found.score


def _kind(responses: Iterable[Response]) -> str:
    """Kind of the answers of one (task, phrasing): by log-probabilities where any has them."""
    return LOGPROBS if any(one.logprobs for one in responses) else TEXTS


def _fits(name: str, kind: str, job: Job) -> bool:
    """Whether a rule can score these answers."""
    if name == OWN:
        return True
    scorer = SCORERS[name]
    labelled = any(instance.choices for instance in job.instances)
    return scorer.answers == kind and (scorer.choices or not labelled)


def _judged(name: str, job: Job, answered: Answered | None) -> Verdict:
    if answered is None or answered.response.error:
        return MISSING
    if name == OWN:
        return verdict_of(job.task, answered)
    scorer = SCORERS[name]
    if (scorer.answers == LOGPROBS) != bool(answered.response.logprobs):
        return MISSING
    verdict = scorer.judge(answered)
    if verdict.score is not None and not math.isfinite(verdict.score):
        return MISSING
    return verdict
