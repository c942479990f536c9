"""The words of the page: three answers, limits, what to look at first, provenance.

Numbers come in, text goes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.records import Estimate
from evalkit.records.manifest import Manifest
from evalkit.records.statistics import STATISTICS, statistic
from evalkit.report.evidence import Evidence, Looks
from evalkit.report.limits import or_none
from evalkit.report.terminal import counted
from evalkit.report.text import bracket, points, share, signed
from evalkit.report.wordings import unseen_verdict

__all__ = [
    "Answer",
    "answers",
    "controls",
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
    above = _get(values, "accuracy_norm")[0]
    if not math.isnan(above):
        detail += f" Above chance {points(above)}, mean over the tasks that can be guessed."
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
    verdict, tone = unseen_verdict(values)
    return Answer(
        question=question,
        value=signed(value),
        interval=bracket(low, high),
        verdict=verdict,
        detail=detail,
        tone=tone,
    )


def _s(n: int) -> str:
    """The ending of a verb of which ``n`` things are the subject."""
    return "s" if n == 1 else ""


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
        (
            f"{n:,} of {counted(looks.n, 'phrasing')} (counted per task) "
            f"hold{_s(n)} {held} of the spread; {len(looks.lowest):,} of them "
            f"score{_s(len(looks.lowest))} below the mean of their task."
        )
    ]
    if looks.lowest and not any(math.isnan(row.unparsed) for row in looks.lowest):
        by_knowledge = len(looks.lowest) - looks.n_by_format - looks.n_by_refusal
        refused = f", {looks.n_by_refusal:,} by refusal" if looks.n_by_refusal else ""
        form = (
            "by format (answers that are cut or in another form make up half of the loss or more)"
        )
        knowledge = "by knowledge (answers that can be read and are wrong)"
        if len(looks.lowest) == 1:
            alone = form if looks.n_by_format else knowledge if by_knowledge else "by refusal"
            found.append(f"This one fails {alone}.")
        else:
            found.append(
                f"Of these {len(looks.lowest):,}, {or_none(looks.n_by_format)} "
                f"fail{_s(looks.n_by_format)} {form}{refused} and {or_none(by_knowledge)} "
                f"{knowledge}."
            )
    if not math.isnan(looks.noise):
        found.append(
            f"The draw of instances alone would make about {share(looks.noise)} of this spread"
            + (": do not read much into single phrasings." if looks.noise > 0.5 else ".")
        )
    return found


def controls(values: Mapping[str, Estimate]) -> list[Estimate]:
    """Return what damaged and misleading wording does, as far as the run asked for it.

    Drop rate, reliance with what obeying gives by accident, all controls first, then familiar words
    of another task against the right ones.
    """
    names = [
        name
        for name in (
            "pdr",
            *sorted({name for name in values if name.startswith("pdr_")} - set(STATISTICS)),
            *(
                name
                for kind in (
                    "",
                    *sorted(name[8:] for name in values if name.startswith("reliance_")),
                )
                for name in (f"reliance{kind}", f"accident{kind}")
            ),
            "seen_wrong",
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
            (
                f"{sum(attempt.seconds for attempt in attempts):.1f} in "
                f"{counted(len(attempts), 'attempt')}"
            )
            if attempts
            else "–",
        ),
        ("Metrics", _versions(counts.metrics or {}, "{} version {}")),
        ("Cells", f"{counts.cells:,} from {counts.requests:,} requests"),
        (
            "Tokens",
            f"{counts.prompt_tokens:,} of prompts, {counts.answer_tokens:,} of choices",
        ),
        (
            "Intervals",
            "–" if intervals is None else f"{intervals.level:.0%}, {intervals.resamples} resamples",
        ),
        ("Versions", _versions({"evalkit": manifest.evalkit, **(manifest.versions or {})})),
    ]
    return [(name, str(value)) for name, value in rows]


def _versions(found: Mapping[str, object], form: str = "{} {}") -> str:
    """Return names with their versions; a dash for none."""
    return ", ".join(form.format(*item) for item in found.items()) or "–"
