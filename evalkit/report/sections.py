"""The words of the page: three answers, limits, what to look at first, provenance.

Numbers come in, text goes out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evalkit.catalog.instances import LEFT_OUT
from evalkit.records import Estimate
from evalkit.records.manifest import Counts, Manifest
from evalkit.records.statistics import statistic
from evalkit.report.evidence import Evidence, Looks
from evalkit.report.text import bracket, points, share, signed

__all__ = [
    "Answer",
    "Limit",
    "answers",
    "controls",
    "limits",
    "looks_text",
    "metric_name",
    "provenance",
]


def metric_name(metric: str) -> str:
    """Return what a statistic is called in tables."""
    return statistic(metric).title.replace(" - ", " − ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the three questions of the first screen."""

    question: str
    """The question."""
    value: str
    """The number, in percentage points."""
    interval: str
    """Its interval in brackets."""
    verdict: str
    """The answer in words."""
    detail: str
    """What stands beside it."""
    tone: str = "plain"
    """``plain``, ``good``, ``bad`` or ``open``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something a reader must know before believing the numbers."""

    head: str
    """In a few words."""
    text: str
    """What it means and what to do."""
    severe: bool = False
    """Whether numbers are incomplete because of it."""


def answers(values: Mapping[str, Estimate], evidence: Evidence) -> list[Answer]:
    """Return the three answers: how good, how sensitive to wording, worse on unseen wording.

    Parameters
    ----------
    values
        Metric -> estimate over the whole run.
    evidence
        Its tasks, for the level of guessing.
    """
    return [_how_good(values, evidence), _how_sensitive(values, evidence), _how_unseen(values)]


def _get(values: Mapping[str, Estimate], metric: str) -> tuple[float, float, float]:
    row = values.get(metric)
    return (math.nan, math.nan, math.nan) if row is None else (row.value, row.low, row.high)


def _asked(values: Mapping[str, Estimate], metric: str) -> str:
    """Sentence on the question that an interval answers; empty without one."""
    row = values.get(metric)
    if row is None or row.low != row.low or not row.question:
        return ""
    return f" Interval for {row.question}."


def _how_good(values: Mapping[str, Estimate], evidence: Evidence) -> Answer:
    value, low, high = _get(values, "mean")
    known = [view.chance for view in evidence.tasks if not math.isnan(view.chance)]
    chance = sum(known) / len(known) if known and len(known) == len(evidence.tasks) else math.nan
    tone = "plain"
    if math.isnan(value):
        verdict = "No score: every cell is missing."
    elif math.isnan(chance):
        verdict = "Mean score over tasks and wordings, of 100."
    elif not math.isnan(low) and low <= chance:
        verdict, tone = f"Not clearly better than guessing, which gives {points(chance)}.", "bad"
    else:
        verdict = f"Guessing gives {points(chance)}."
    best, worst = _get(values, "max")[0], _get(values, "min")[0]
    detail = f"Best wording {points(best)}, worst {points(worst)}, mean over tasks."
    detail += _asked(values, "mean")
    return Answer(
        question="How good?",
        value=points(value),
        interval=bracket(low, high),
        verdict=verdict,
        detail=detail,
        tone=tone,
    )


def _how_sensitive(values: Mapping[str, Estimate], evidence: Evidence) -> Answer:
    value, low, high = _get(values, "std")
    excess = _get(values, "std_excess")[0]
    spread = _get(values, "spread")[0]
    if math.isnan(value):
        return Answer(
            question="How sensitive to wording?",
            value="–",
            interval="",
            verdict="Not known: it takes two phrasings of a task.",
            detail="",
            tone="open",
        )
    verdict = "Standard deviation of a task's score over its wordings."
    sizes = sorted(sum(row.headline for row in view.phrasings) for view in evidence.tasks) or [0]
    each = (
        f"{sizes[0]} wordings each"
        if sizes[0] == sizes[-1]
        else f"{sizes[0]} to {sizes[-1]} wordings each"
    )
    detail = f"Best minus worst wording: {points(spread)}, mean over tasks with {each}."
    if not math.isnan(excess):
        detail += (
            f" Without the noise of finite instances the standard deviation is {points(excess)}."
        )
    detail += _asked(values, "std")
    return Answer(
        question="How sensitive to wording?",
        value=points(value),
        interval=bracket(low, high),
        verdict=verdict,
        detail=detail,
    )


def _how_unseen(values: Mapping[str, Estimate]) -> Answer:
    question = "Worse on unseen wording?"
    value, low, high = _get(values, "gap")
    seen, unseen = _get(values, "seen_mean")[0], _get(values, "unseen_mean")[0]
    if math.isnan(value):
        row = values.get("gap")
        why = row.note if row is not None and row.note else "no task has seen and unseen phrasings"
        return Answer(
            question=question,
            value="–",
            interval="",
            verdict=f"Not known: {why}.",
            detail="",
            tone="open",
        )
    detail = f"Seen {points(seen)}, unseen {points(unseen)}; seen minus unseen."
    detail += _asked(values, "gap")
    if math.isnan(low):
        row = values["gap"]
        verdict, tone = f"No interval: {row.note}." if row.note else "No interval.", "open"
    elif low > 0:
        verdict, tone = f"Yes: {points(value)} points lower on unseen wording.", "bad"
    elif high < 0:
        verdict, tone = f"No: {points(-value)} points higher on unseen wording.", "good"
    else:
        verdict, tone = "No clear difference: the interval includes 0.", "plain"
    return Answer(
        question=question,
        value=signed(value),
        interval=bracket(low, high),
        verdict=verdict,
        detail=detail,
        tone=tone,
    )


def limits(manifest: Manifest) -> list[Limit]:
    """Return everything that limits what the numbers of a run mean, gravest first.

    Parameters
    ----------
    manifest
        Of the run.
    """
    found = [*_of_cells(manifest.totals), *_of_suite(manifest), *_of_model(manifest)]
    notes = list(manifest.notes)
    if lacking := [note for note in notes if LEFT_OUT in note]:
        notes = [note for note in notes if note not in lacking]
        found.append(
            Limit(
                head="Published instances left out", text=" ".join(lacking).removesuffix(".") + "."
            )
        )
    if notes:
        more = (
            f" {len(notes) - 1} more such note{'s' if len(notes) > 2 else ''} in manifest.json."
            if len(notes) > 1
            else ""
        )
        found.append(Limit(head="Not done as asked", text=f"{notes[0].removesuffix('.')}.{more}"))
    return sorted(found, key=lambda limit: not limit.severe)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _or_none(number: int) -> str:
    return f"{number:,}" if number else "none"


def _of_cells(counts: Counts) -> Iterator[Limit]:
    cells = counts.cells or 1
    if counts.missing:
        yield Limit(
            head=f"{counts.missing:,} of {_counted(counts.cells, 'cell')} missing ({share(counts.missing / cells)})",
            text="The engine gave no answer. They are left out, not counted as wrong. The same 'evalkit run' again asks only for these.",
            severe=True,
        )
    if counts.unparsed:
        yield Limit(
            head=f"{_counted(counts.unparsed, 'answer')} unparsed ({share(counts.unparsed / cells)})",
            text="The model answered, but not in a form that can be scored. They count as wrong; the table of phrasings says where.",
        )
    if counts.truncated:
        yield Limit(
            head=f"{_counted(counts.truncated, 'prompt')} truncated ({share(counts.truncated / cells)})",
            text="The instance did not fit into the model's context and lost its middle. These cells are scored.",
        )
    if counts.cut:
        yield Limit(
            head=f"{_counted(counts.cut, 'answer')} cut by max_tokens ({share(counts.cut / cells)})",
            text="The model was not done when the task's limit on tokens was reached. They are scored as far as they go; a larger max_tokens, or a stop text, would show what was still to come.",
        )
    if counts.by_text:
        yield Limit(
            head=f"{counts.by_text:,} of {counts.choices:,} choices scored by text",
            text="The engine gave no usable log-probabilities for them, so the answer was read from what the model wrote. Not comparable with scores by log-probabilities.",
        )
    if counts.unstable:
        yield Limit(
            head=f"{counts.unstable:,} decisions within rounding ({share(counts.unstable / cells)})",
            text="The two best choices lie closer together than the model's number format resolves: another batch or machine may answer otherwise.",
        )
    if counts.boundary:
        yield Limit(
            head=f"{counts.boundary:,} of {counts.requests:,} prompts merge with their answer",
            text="The tokenizer joins the end of the prompt with the choice. They are scored by lm-eval's rule, which may read a choice short.",
        )


def _of_suite(manifest: Manifest) -> Iterator[Limit]:
    suite, cells = manifest.suite, manifest.budget
    if suite.limit is not None:
        yield Limit(
            head=f"Limited to {_counted(suite.limit, 'instance')} per task",
            text="A part of the suite, drawn with a seed; not comparable with published scores.",
        )
    if suite.budget is not None and suite.sparse and cells is not None:
        yield Limit(
            head=f"Sparse run: {cells.asked:,} of {cells.asked + cells.not_asked:,} cells asked ({share(cells.asked / (cells.asked + cells.not_asked))}, {suite.budget.design})",
            text="Phrasings were asked on different instances. Scores of phrasings, their mean, spread, gap and quantiles are estimates for all cells from "
            "a model of those asked, with intervals for these phrasings on these instances. Cells not asked are neither missing nor wrong; flips are among cells asked.",
        )
        if not cells.ended:
            yield Limit(
                head="The rounds of its budget did not end",
                text="It was stopped between two rounds: cells that its budget pays for were not asked. The same 'evalkit run' again asks them.",
                severe=True,
            )
        for task, found in sorted(cells.found.items())[:5]:
            yield Limit(
                head=f"Search in {task}: {found.want} phrasing {found.phrasing_id}",
                text="Found with this budget; the true one may be another, a point or more away.",
            )
    elif suite.budget is not None and suite.budget.fraction is not None:
        yield Limit(
            head=f"Budget of {share(suite.budget.fraction)} of the instances",
            text="A part of the suite, the same instances under every phrasing.",
        )
    left_out = manifest.left_out
    if left_out:
        names = ", ".join(list(left_out)[:5]) + (" and others" if len(left_out) > 5 else "")
        yield Limit(
            head=f"{_counted(len(left_out), 'task')} left out",
            text=f"Their data is not on this machine: {names}.",
            severe=True,
        )


def _of_model(manifest: Manifest) -> Iterator[Limit]:
    tuned_on = manifest.model.tuned_on
    if tuned_on is None:
        yield Limit(
            head="Seen and unseen unknown",
            text="Nothing is said of what the model was tuned on, so no gap can be given. Say it with --tuned-on.",
        )
    benchmarks = {task.benchmark for task in manifest.suite.tasks.values()}
    if tuned_on and "niv2" in tuned_on and "mmlu" in benchmarks:
        yield Limit(
            head="Tuned on SuperNI, which contains MMLU",
            text="57 of SuperNI's training tasks are MMLU subjects. A model tuned on them may have seen the questions, not only wordings like these.",
        )


def looks_text(looks: Looks) -> list[str]:
    """Return what to look at first, as sentences."""
    if not looks.most:
        return (
            ["Every wording of a task gives the same score: there is no spread to explain."]
            if looks.n
            else []
        )
    n, held = len(looks.most), share(looks.held)
    found = [
        f"{n:,} of {_counted(looks.n, 'phrasing')} (counted per task) hold {held} of the spread; {len(looks.lowest):,} of them score below the mean of their task."
    ]
    if looks.lowest:
        by_knowledge = len(looks.lowest) - looks.n_by_format
        found.append(
            f"Of these {len(looks.lowest):,}, {_or_none(looks.n_by_format)} fail{'s' if looks.n_by_format == 1 else ''} by format (answers that cannot be used make up half of the loss or more) "
            f"and {_or_none(by_knowledge)} by knowledge (answers that can be read and are wrong)."
        )
    if not math.isnan(looks.noise):
        found.append(
            f"The draw of instances alone would make about {share(looks.noise)} of this spread"
            + (": do not read much into single phrasings." if looks.noise > 0.5 else ".")
        )
    return found


def controls(values: Mapping[str, Estimate]) -> list[Estimate]:
    """Return what damaged and misleading wording does, as far as the run asked for it.

    Drop rate and reliance, all controls first.
    """
    names = [
        name
        for name in (
            "pdr",
            "reliance",
            *sorted(name for name in values if name.startswith("reliance_")),
        )
        if name in values
    ]
    return [values[name] for name in names if not math.isnan(values[name].value)]


def provenance(manifest: Manifest) -> list[tuple[str, str]]:
    """Return label and text of everything needed to repeat the run."""
    model, suite, counts = manifest.model, manifest.suite, manifest.totals
    attempts, intervals = manifest.attempts, manifest.intervals
    rows = [
        ("Command", manifest.command or "–"),
        ("Model", f"{model.backend}: {model.name}"),
        ("Revision", model.revision or "–"),
        ("Number format", model.dtype or "–"),
        ("Chat template", model.chat_template or "–"),
        (
            "Tuned on",
            "unknown" if model.tuned_on is None else ", ".join(model.tuned_on) or "nothing",
        ),
        ("Mitigations", ", ".join(manifest.mitigations) or "none"),
        ("Fingerprint", model.fingerprint_digest),
        *((f"Fingerprint, {name}", str(value) or "–") for name, value in model.fingerprint.items()),
        ("Suite", f"{suite.name}, version {suite.version}, digest {suite.digest}"),
        ("Shots", str(suite.shots)),
        ("Seed", str(manifest.seed)),
        ("Device", manifest.device or "–"),
        ("Started", ", ".join(attempt.started for attempt in attempts) or "–"),
        (
            "Seconds",
            f"{sum(attempt.seconds for attempt in attempts):.1f} in {_counted(len(attempts), 'attempt')}"
            if attempts
            else "–",
        ),
        ("Cells", f"{counts.cells:,} from {counts.requests:,} requests"),
        (
            "Tokens",
            f"{counts.prompt_tokens:,} of prompts, {counts.answer_tokens:,} of choices",
        ),
        (
            "Intervals",
            "–" if intervals is None else f"{intervals.level:.0%}, {intervals.resamples} resamples",
        ),
        (
            "Versions",
            ", ".join(
                f"{name} {version}"
                for name, version in {
                    "evalkit": manifest.evalkit,
                    **(manifest.versions or {}),
                }.items()
            ),
        ),
    ]
    return [(name, str(value)) for name, value in rows]
