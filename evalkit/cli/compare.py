"""``evalkit compare RUN_A RUN_B``: paired comparison of two runs or score tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.compare_many import cost_of, cost_text, manifest_of, show_many
from evalkit.cli.log_options import log_options, told_of
from evalkit.cli.options import (
    FOR_THESE,
    PATH,
    GroupedCommand,
    in_output,
    interval_options,
    option,
    output_options,
    p_value,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.records.questions import asked, of_differences
from evalkit.report.compared import (
    HEADS,
    Line,
    asked_in,
    line_cells,
    other_questions,
    reasons,
)
from evalkit.report.terminal import say
from evalkit.report.text import grouped, number

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparison
    from evalkit.records import Estimate

__all__ = ["command"]

in_compared = partial(option, group="What is compared")
MOST_NAMED = 10
"""Phrasings and instances that are named."""
_COLOURS = {"better": "green", "worse": "red"}
_VERDICTS = {None: "-", True: "yes", False: "no"}


@click.command(
    "compare",
    cls=GroupedCommand,
    short_help="Compare runs of the same suite, paired.",
    epilog="Example: evalkit compare runs/base runs/tuned --margin 0.01",
)
@click.argument("run_a", type=PATH)
@click.argument("runs_b", metavar="RUN_B...", nargs=-1, required=True, type=PATH)
@in_compared(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="FRACTION",
    help="Also test that RUN_B is at most this much worse (0.01 is one point).",
)
@in_compared("--model-a", metavar="NAME", help="Model of RUN_A, when it holds several.")
@in_compared("--model-b", metavar="NAME", help="Model of RUN_B, when it holds several.")
@log_options()
@interval_options(in_compared)
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Write estimates.csv of the differences into this directory.",
)
@table_options()
@output_options
def command(run_a: Path, runs_b: tuple[Path, ...], **settings: Any) -> None:
    """Compare RUN_B with RUN_A: every headline estimate, difference, interval and test.

    Flips by task, phrasing and instance.

    Each is a run directory, a per-instance score table or a log of another harness. Differences are
    RUN_B minus RUN_A.
    Refused when suites, phrasings or instances differ; runs of one model may differ in --shots,
    which is said. Several RUN_B are shown side by side with
    what they cost, and the best of those that needed no training is suggested when its interval,
    widened for the choice, lies above 0.
    """
    from evalkit.analysis import write_estimates
    from evalkit.analysis.compare import Settings, compare_tables
    from evalkit.runs.read import estimates_of, tables_of
    from evalkit.scoring import FIRST_OF_REPEATS
    from evalkit.store.directory import refuse_own

    if settings["out"]:
        refuse_own(settings["out"])
    told = told_of(settings)
    notes = _comparable(run_a, runs_b)
    models = [settings["model_a"], *[settings["model_b"]] * len(runs_b)]
    (plain, *tables), said = tables_of([run_a, *runs_b], models, told)
    notes += said
    if plain.repeated or any(table.repeated for table in tables):
        notes.append(FIRST_OF_REPEATS)
    how = Settings(
        level=settings["level"],
        n_resamples=settings["resamples"],
        seed=settings["seed"],
        question=settings["question"],
        margin=settings["margin"],
    )
    if asked(how.question) != of_differences(asked(how.question)):
        notes.append(f"Differences are {FOR_THESE}")
    if len(runs_b) > 1:
        if settings["margin"]:
            raise UsageError(
                f"--margin: is tested for one RUN_B, and {len(runs_b)} are named. Name one."
            )
        others = list(zip(runs_b, tables, strict=True))
        show_many(
            (run_a, plain),
            others,
            how,
            out=settings["out"],
            as_json=settings["as_json"],
            notes=[] if settings["quiet"] else notes,
        )
        return
    found = _told_apart(compare_tables(plain, *tables, settings=how), run_a, runs_b[0])
    if settings["out"]:
        write_estimates(found.estimates, settings["out"] / "estimates.csv")
    if settings["as_json"]:
        print_json({"notes": notes, **asdict(found)})
        return
    if not settings["quiet"]:
        for note in notes:
            say(note)
    _print(
        found,
        estimates_of(run_a, plain),
        estimates_of(runs_b[0], tables[0]),
        settings["level"],
    )
    if line := cost_text(cost_of(manifest_of(run_a), manifest_of(runs_b[0]))):
        say(line)


def _comparable(run_a: Path, runs_b: Sequence[Path]) -> list[str]:
    """Refuse runs of different suites, and return what is to be said of the others."""
    from evalkit.analysis.compare import compare_suites
    from evalkit.analysis.ways import compare_ways
    from evalkit.runs.read import suite_of

    notes: list[str] = []
    first = suite_of(run_a, notes)
    for run_b in runs_b:
        old, new = manifest_of(run_a), manifest_of(run_b)
        one = old and new and old.model.fingerprint == new.model.fingerprint
        notes += filter(
            None, [compare_suites(first, suite_of(run_b, notes), of_one_model=bool(one))]
        )
        notes += compare_ways(old, new)
    return notes


def _told_apart(found: Comparison, run_a: Path, run_b: Path) -> Comparison:
    """The comparison with the places of both sides in their names,
    where the model is one and the same.
    """
    if found.old != found.new:
        return found
    return replace(found, old=f"{found.old} ({run_a})", new=f"{found.new} ({run_b})")


def _print(
    found: Comparison, old: Sequence[Estimate], new: Sequence[Estimate], level: float
) -> None:
    """Print what is better and worse, every headline, every task, and what moved."""
    from evalkit.report.compared import apart, headline_lines, said_of, task_lines
    from evalkit.report.summary import reference_sentence

    lines, tasks = headline_lines(found, old, new), task_lines(found, old, new)
    for sentence in (*said_of(lines, tasks, found.old, found.new), *apart(found)):
        say(sentence)
    title = (
        f"{found.new} minus {found.old}, percentage points, {level:.0%} intervals for "
        f"{found.question}"
    )
    print_table(
        ["mean over tasks", *HEADS],
        [line_cells(line, found.question) for line in lines],
        title=title,
        colours=_COLOURS,
    )
    for sentence in (*other_questions(lines, found.question), *reasons(lines)):
        say(sentence)
    if share := reference_sentence(new, old, found.new, found.old):
        say(share)
    test = found.tests[-1]
    say(
        f"{test.lost:,} of {test.n_cells:,} cells were right in {found.old} and are wrong in "
        f"{found.new}; {test.gained:,} the other way round."
    )
    further = {row.metric for row in found.overall} - {line.key for line in lines}
    if further:
        say(f"{len(further)} further statistics stand in --json and in estimates.csv of --out.")
    for line in grouped(found.estimates):
        say(line)
    _print_tasks(found, tasks)
    if found.wilcoxon == found.wilcoxon:
        say(f"Wilcoxon signed rank over tasks: p = {p_value(found.wilcoxon)}")
    _print_moved(found)


def _print_tasks(found: Comparison, tasks: Sequence[Line]) -> None:
    """Print every task; with a margin the bound and whether it is not worse."""
    tests = {test.task: test for test in found.tests}
    benchmarks = {line.key.partition("/")[0] for line in tasks}
    shared = f"{benchmarks.pop()}/" if len(benchmarks) == 1 else ""
    bound = any(test.not_worse is not None for test in found.tests)
    asked = asked_in(tasks, found.question)
    rows = []
    for line in tasks:
        name, old, new, change, p, verdict = line_cells(line, asked)
        test = tests[line.key]
        rows.append(
            [
                *(
                    name.removeprefix(shared),
                    old,
                    new,
                    change,
                    p,
                    f"{line.lost:,}",
                    f"{line.gained:,}",
                    verdict,
                ),
                *([number(test.bound), _VERDICTS[test.not_worse]] if bound else []),
            ]
        )
    heads = ["task", "old", "new", "difference", "Holm p", "lost", "gained", "verdict"]
    print_table(
        [*heads, *(["bound", "not worse"] if bound else [])],
        rows,
        title=(
            "mean of every task, largest loss first; intervals and tests paired on instances, "
            f"for {asked}"
        ),
        colours=_COLOURS,
    )
    for note in other_questions(tasks, asked):
        say(note)
    if bound and len(found.tests) > 1:
        every = found.tests[-1]
        say(f"all tasks: bound {number(every.bound)}, not worse: {_VERDICTS[every.not_worse]}")


def _print_moved(found: Comparison) -> None:
    """Print the phrasings and the instances with most flips."""
    moved = sorted(
        (row for row in found.by_phrasing if row.lost + row.gained),
        key=lambda row: (row.p, -row.lost - row.gained),
    )[:MOST_NAMED]
    if moved:
        print_table(
            ["task", "phrasing", "lost", "gained", "instances", "McNemar p", "Holm"],
            [
                [
                    row.task,
                    row.phrasing_id,
                    *map(str, (row.lost, row.gained, row.n)),
                    *map(p_value, (row.p, row.p_holm)),
                ]
                for row in moved
            ],
            title="phrasings that moved most",
        )
    if found.by_instance:
        print_table(
            ["task", "instance", "lost", "gained", "phrasings"],
            [
                [row.task, row.instance_id, *map(str, (row.lost, row.gained, row.n))]
                for row in found.by_instance[:MOST_NAMED]
            ],
            title=f"instances that moved most, of {len(found.by_instance)} that moved",
        )
