"""The table printed after a run.

Per benchmark how good, how sensitive to wording, worse on unseen wording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.analysis import Costs
from evalkit.cli.options import print_table
from evalkit.records import Estimate
from evalkit.records.manifest import Counts, Manifest
from evalkit.records.statistics import shown_in
from evalkit.report.asked import about, most_asked
from evalkit.report.dimensions import DimensionTable, dimension_tables, largest_change
from evalkit.report.summary import cost_sentence, summary_rows
from evalkit.report.task_classes import task_classes
from evalkit.report.terminal import counted, say
from evalkit.report.text import (
    asked_of,
    carried,
    estimate_text,
    grouped,
    proven,
    starred,
    state_counts,
)
from evalkit.report.wordings import familiar, of_repeats, population, unlike, without_doubtful

__all__ = ["print_summary"]


def print_summary(
    manifest: Manifest,
    estimates: Sequence[Estimate],
    *,
    costs: Costs | None = None,
    brief: bool = False,
) -> None:
    """Print the summary of a run with what must stand beside it.

    What wordings cost; missing, unparsed, truncated, limits.
    """
    if sentence := cost_sentence(costs):
        say(sentence)
    level = f", {manifest.intervals.level:.0%} intervals" if manifest.intervals else ""
    title = f"{manifest.model.label} on {manifest.suite.name}, percentage points{level}"
    heads, rows = summary_rows(estimates, brief=brief)
    shown = {entry.name for entry in shown_in("summary")}
    over = [row for row in estimates if row.task == "all" and row.metric in shown and not row.group]
    question = asked_of(over)
    print_table(heads, rows, title=title + (f" for {question}" if question else ""))
    said = (*grouped(estimates), *proven(estimates), *carried(estimates))
    for line in (*starred(over, question, named=False), *said):
        say(line)
    _say_wordings(manifest, estimates, question)
    tables = [] if brief else dimension_tables(estimates)
    if sentence := largest_change(tables):
        say(sentence)
    for table in tables:
        if not table.crossed:
            _print_dimension(table)
    perturbed = any(one.group.startswith("perturbation=") for one in estimates)
    classes = task_classes(estimates) if perturbed else []
    ambiguous = [one.task for one in classes if one.name == "ambiguous"]
    if ambiguous and not brief:
        more = f" and {len(ambiguous) - 5} more" if len(ambiguous) > 5 else ""
        say(f"Tune these next, most uncertain first: {', '.join(ambiguous[:5])}{more}")
    for line in (
        *_of_answers(manifest.totals),
        *_of_budget(manifest),
        *_of_choices(manifest.totals),
        *_of_machine(manifest),
    ):
        say(line)
    if manifest.left_out:
        named = ", ".join(list(manifest.left_out)[:3])
        more = ", ..." if len(manifest.left_out) > 3 else ""
        say(f"{len(manifest.left_out)} tasks left out (--available): {named}{more}")
    if manifest.model.tuned_on is None:
        say("Seen and unseen are unknown for this model: say what it was tuned on with --tuned-on.")


def _of_answers(counts: Counts) -> Iterator[str]:
    """Yield how many cells there are, and what became of them."""
    yield (
        f"{counts.cells:,} cells, {counts.requests:,} requests: {counts.missing} missing, "
        f"{counts.unparsed} unparsed, {counts.truncated} truncated"
    )
    if counts.states and set(counts.states) - {"right", "wrong", "partial"}:
        yield f"Answers: {state_counts(counts.states)}."
    if counts.programs:
        ends = [f"{n:,} {name}" for name, n in counts.programs.items() if name != "none"]
        if none := counts.programs.get("none", 0):
            ends.append(f"{counted(none, 'answer')} without one")
        yield f"Programs: {', '.join(ends)}."
    if counts.cut:
        yield (
            f"{counted(counts.cut, 'answer')} cut by max_tokens before the "
            "model was done; scored as far as they go."
        )


def _of_budget(manifest: Manifest) -> Iterator[str]:
    """Yield what a sparse run asked, found, and has still to ask."""
    told, design = manifest.budget, manifest.suite.budget
    if told is not None and design is not None:
        yield (
            f"Sparse run ({design.design}): {told.asked:,} cells asked, {told.not_asked:,} not "
            "asked; estimates are for all cells, from a model of those asked"
        )
        for task, found in told.found.items():
            yield f"Found: {found.want} phrasing of {task}: {found.phrasing_id}"
    if told is not None and not told.ended:
        yield (
            "The rounds of its budget did not end, so the run stays partial. "
            f"To go on, type:\n  {manifest.to_go_on()}"
        )


def _of_choices(counts: Counts) -> Iterator[str]:
    """Yield which choices were not scored as the others."""
    if counts.by_text:
        yield (
            f"{counts.by_text:,} of {counts.choices:,} choices were scored by the text of the "
            "answer, not by log-probabilities."
        )
    if counts.begins_another:
        yield (
            f"{counted(counts.begins_another, 'decision')} fell on a choice that begins another "
            "one, as 1 begins 10, and would fall on the other where that counts apart (metric: "
            "choice_accuracy_apart)."
        )


def _remembered(engine: Mapping[str, Any]) -> str:
    """Say that the fast path was proven by an earlier process; empty where it was not."""
    proof = engine.get("proof")
    if not isinstance(proof, Mapping) or not proof.get("remembered"):
        return ""
    return (
        f"The fast path was proven on {proof['remembered']} on this machine, and held against one "
        f"prompt of this run: {proof.get('checked', 0.0):.1e} nat apart."
    )


def _of_machine(manifest: Manifest) -> Iterator[str]:
    """Yield what the engine says of its numbers, and which of them another machine may change."""
    counts = manifest.totals
    for notice in dict.fromkeys(attempt.engine.get("notice") for attempt in manifest.attempts):
        if notice:
            yield str(notice)
    if manifest.attempts and (line := _remembered(manifest.attempts[-1].engine)):
        yield line
    if counts.unstable:
        yield (
            f"{counted(counts.unstable, 'decision')} within the rounding of the model's number "
            "format may turn on another machine."
        )
    if counts.boundary:
        yield (
            f"{counted(counts.boundary, 'prompt')} merged with the choices in the tokenizer; "
            "scored by lm-eval's rule."
        )


def _say_wordings(manifest: Manifest, estimates: Sequence[Estimate], question: str) -> None:
    """Say what phrasings the numbers are of: doubtful ones, arms that differ in form, strata."""
    matched = next(
        (
            row
            for row in sorted(estimates, key=lambda row: row.benchmark != "all")
            if row.metric == "gap_matched" and row.task == "all" and not row.group
        ),
        None,
    )
    told = manifest.wordings
    for line in (
        without_doubtful(told),
        unlike(told, matched),
        familiar(estimates),
        of_repeats(estimates),
        population(told),
    ):
        if line:
            say(line)


def _print_dimension(table: DimensionTable) -> None:
    """Print the levels of one thing that the run varies beside the wording."""
    asked, words = most_asked(table.shown), about(table.shown)
    rows = [
        [
            level,
            *(
                "-" if (one := row.get(name)) is None else estimate_text(one, asked)
                for name in table.metrics
            ),
        ]
        for level, row in table.rows
    ]
    print_table(["", *table.heads], rows, title=f"{table.title}, {words}" if words else table.title)
