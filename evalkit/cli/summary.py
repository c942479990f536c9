"""The table printed after a run.

Per benchmark how good, how sensitive to wording, worse on unseen wording.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.analysis import Costs
from evalkit.cli.options import print_table
from evalkit.records import Estimate
from evalkit.records.manifest import Manifest
from evalkit.records.statistics import shown_in
from evalkit.report.summary import cost_sentence, summary_rows
from evalkit.report.terminal import say
from evalkit.report.text import asked_of, proven, starred

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
    for line in (*starred(over, question), *proven(estimates)):
        say(line)
    counts = manifest.totals
    say(
        f"{counts.cells:,} cells, {counts.requests:,} requests: {counts.missing} missing, {counts.unparsed} unparsed, {counts.truncated} truncated"
    )
    if counts.cut:
        say(
            f"{counts.cut:,} answer{'' if counts.cut == 1 else 's'} cut by max_tokens before the model was done; scored as far as they go."
        )
    told, design = manifest.budget, manifest.suite.budget
    if told is not None and design is not None:
        say(
            f"Sparse run ({design.design}): {told.asked:,} cells asked, {told.not_asked:,} not asked; estimates are for all cells, from a model of those asked"
        )
        for task, found in told.found.items():
            say(f"Found: {found.want} phrasing of {task}: {found.phrasing_id}")
    if told is not None and not told.ended:
        say(
            f"The rounds of its budget did not end, so the run stays partial. To go on, type:\n  {manifest.to_go_on()}"
        )
    if counts.by_text:
        say(
            f"{counts.by_text:,} of {counts.choices:,} choices were scored by the text of the answer, not by log-probabilities."
        )
    for notice in dict.fromkeys(attempt.engine.get("notice") for attempt in manifest.attempts):
        if notice:
            say(str(notice))
    if counts.unstable:
        say(
            f"{counts.unstable:,} decisions lie within the rounding of the model's number format and may turn on another machine."
        )
    if counts.boundary:
        say(
            f"{counts.boundary:,} prompts merge with their choices in the tokenizer; scored by lm-eval's rule."
        )
    if manifest.left_out:
        say(
            f"{len(manifest.left_out)} tasks left out (--available): {', '.join(list(manifest.left_out)[:3])}{', ...' if len(manifest.left_out) > 3 else ''}"
        )
    tuned_on = manifest.model.tuned_on
    if tuned_on is None:
        say("Seen and unseen are unknown for this model: say what it was tuned on with --tuned-on.")
