"""What a reader must know before using the numbers of a run:
what is missing, cut, unparsed, limited, unstable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalkit.catalog.instances import LEFT_OUT
from evalkit.records import Estimate
from evalkit.records.manifest import Counts, Manifest, Wordings
from evalkit.report.terminal import counted
from evalkit.report.text import share
from evalkit.report.wordings import familiar, of_repeats, population, unlike, without_doubtful

__all__ = ["Limit", "counted", "limits", "limits_of_wordings", "or_none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something a reader must know before believing the numbers."""

    head: str
    """In a few words."""
    text: str
    """What it means and what to do."""
    severe: bool = False
    """Whether numbers are incomplete because of it."""


def limits(manifest: Manifest) -> list[Limit]:
    """Return everything that limits what the numbers of a run mean, gravest first.

    Parameters
    ----------
    manifest
        Of the run.
    """
    found = [
        *_of_answers(manifest.totals),
        *_of_choices(manifest.totals),
        *_of_suite(manifest),
        *_of_model(manifest),
    ]
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
        read = notes[0].startswith("read as ")
        head = "How it was read" if read else "Not done as asked"
        found.append(Limit(head=head, text=f"{notes[0].removesuffix('.')}.{more}"))
    return sorted(found, key=lambda limit: not limit.severe)


def limits_of_wordings(
    wordings: Wordings, estimates: Sequence[Estimate], matched: Estimate | None = None
) -> list[Limit]:
    """Return what a reader must know of the phrasings of a run.

    Parameters
    ----------
    wordings
        Of the run.
    estimates
        All of the run.
    matched
        Its ``gap_matched`` over all tasks; None where there is none.
    """
    told = {
        "Doubtful phrasings": without_doubtful(wordings),
        "The arms differ in more than words": unlike(wordings, matched),
        "Seen but wrong": familiar(estimates),
        "Repeats": of_repeats(estimates),
        "Which wordings": population(wordings),
    }
    return [Limit(head=head, text=text) for head, text in told.items() if text]


def or_none(number: int) -> str:
    """Return a number, or ``none`` for 0."""
    return f"{number:,}" if number else "none"


def _of_answers(counts: Counts) -> Iterator[Limit]:
    """Yield what is missing, unparsed or cut."""
    cells = counts.cells or 1
    if counts.missing:
        yield Limit(
            head=(
                f"{counts.missing:,} of {counted(counts.cells, 'cell')} missing "
                f"({share(counts.missing / cells)})"
            ),
            text=(
                "The engine gave no answer. They are left out, not counted as wrong. "
                "The same 'evalkit run' again asks only for these."
            ),
            severe=True,
        )
    if counts.unparsed:
        yield Limit(
            head=(
                f"{counted(counts.unparsed, 'answer')} unparsed ({share(counts.unparsed / cells)})"
            ),
            text=(
                "The model answered, but not in a form that can be scored. "
                "They count as wrong; the table of phrasings says where."
            ),
        )
    if counts.truncated:
        yield Limit(
            head=(
                f"{counted(counts.truncated, 'prompt')} truncated "
                f"({share(counts.truncated / cells)})"
            ),
            text=(
                "The instance did not fit into the model's context and lost its middle. "
                "These cells are scored."
            ),
        )
    if counts.cut:
        yield Limit(
            head=f"{counted(counts.cut, 'answer')} cut by max_tokens ({share(counts.cut / cells)})",
            text=(
                "The model was not done when the task's limit on tokens was reached. "
                "They are scored as far as they go; a larger max_tokens, or a stop text, "
                "would show what was still to come."
            ),
        )


def _of_choices(counts: Counts) -> Iterator[Limit]:
    """Yield which choices were not scored as the others, or would not stand on another machine."""
    cells = counts.cells or 1
    if counts.by_text:
        yield Limit(
            head=f"{counts.by_text:,} of {counts.choices:,} choices scored by text",
            text=(
                "The engine gave no usable log-probabilities for them, so the answer was read "
                "from what the model wrote. Not comparable with scores by log-probabilities."
            ),
        )
    if counts.begins_another:
        yield Limit(
            head=f"{counted(counts.begins_another, 'decision')} for a choice that begins another",
            text=(
                "The longer choice cannot win by its log-probability, as 10 cannot against 1. "
                "These decisions change under choice_accuracy_apart, "
                "which takes the longer one's probability off."
            ),
        )
    if counts.unstable:
        yield Limit(
            head=(
                f"{counted(counts.unstable, 'decision')} within rounding "
                f"({share(counts.unstable / cells)})"
            ),
            text=(
                "The two best choices lie closer together than the model's number format "
                "resolves: another batch or machine may answer otherwise."
            ),
        )
    if counts.boundary:
        yield Limit(
            head=f"{counts.boundary:,} of {counts.requests:,} prompts merge with their answer",
            text=(
                "The tokenizer joins the end of the prompt with the choice. "
                "They are scored by lm-eval's rule, which may read a choice short."
            ),
        )


def _of_suite(manifest: Manifest) -> Iterator[Limit]:
    suite, cells = manifest.suite, manifest.budget
    if suite.limit is not None:
        yield Limit(
            head=f"Limited to {counted(suite.limit, 'instance')} per task",
            text="A part of the suite, drawn with a seed; not comparable with published scores.",
        )
    if suite.budget is not None and suite.sparse and cells is not None:
        yield Limit(
            head=(
                f"Sparse run: {cells.asked:,} of {cells.asked + cells.not_asked:,} cells asked "
                f"({share(cells.asked / (cells.asked + cells.not_asked))}, {suite.budget.design})"
            ),
            text="Phrasings were asked on different instances. "
            "Scores of phrasings, their mean, spread, gap and quantiles are estimates for all "
            "cells from a model of those asked, with intervals for these phrasings on these "
            "instances. Cells not asked are neither missing nor wrong; "
            "flips are among cells asked.",
        )
        if not cells.ended:
            yield Limit(
                head="The rounds of its budget did not end",
                text=(
                    "It was stopped between two rounds: cells that its budget pays for were not "
                    "asked. The same 'evalkit run' again asks them."
                ),
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
            head=f"{counted(len(left_out), 'task')} left out",
            text=f"Their data is not on this machine: {names}.",
            severe=True,
        )


def _of_model(manifest: Manifest) -> Iterator[Limit]:
    tuned_on = manifest.model.tuned_on
    if tuned_on is None:
        yield Limit(
            head="Seen and unseen unknown",
            text=(
                "Nothing is said of what the model was tuned on, so no gap can be given. "
                "Say it with --tuned-on."
            ),
        )
    benchmarks = {task.benchmark for task in manifest.suite.tasks.values()}
    if tuned_on and "niv2" in tuned_on and "mmlu" in benchmarks:
        yield Limit(
            head="Tuned on SuperNI, which contains MMLU",
            text=(
                "57 of SuperNI's training tasks are MMLU subjects. "
                "A model tuned on them may have seen the questions, not only wordings like these."
            ),
        )
