"""``evalkit judge``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    no_report_option,
    option,
    output_options,
    print_json,
    print_table,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import counted, say

if TYPE_CHECKING:
    from evalkit.analysis.judged import Judgement
    from evalkit.records import ModelSpec
    from evalkit.runs.judge import Wanted
    from evalkit.store.judgements import Pass

__all__ = ["command"]

in_asked = partial(option, group="What it is asked")
in_labels = partial(option, group="Human labels")


@click.command(
    "judge",
    cls=GroupedCommand,
    epilog="Example: evalkit judge reports/runs/demo_quickstart_1f2e3d4c --judge openai:NAME -L 50",
)
@click.argument("run", type=PATH)
@option(
    "--judge",
    "model",
    metavar="MODEL",
    group="The judge",
    help="The judge, as after --model of 'evalkit run'; a model file holds its options.",
)
@in_asked(
    "--against",
    "other",
    type=PATH,
    metavar="RUN",
    help="Which is better, RUN's answer or this run's to the same prompt? Without: is it right?",
)
@in_asked(
    "--limit",
    "-L",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instances per task; default: all. Smaller numbers are part of larger ones.",
)
@in_asked(
    "--wordings",
    type=click.IntRange(min=1),
    default=2,
    metavar="K",
    help="Wordings the judge is asked in, each in both orders.",
)
@in_asked(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=32,
    metavar="N",
    help="Most tokens of a verdict; a judge that thinks first needs more.",
)
@in_asked(
    "--dry-run",
    is_flag=True,
    help="Say how many questions there are, load no model and write nothing.",
)
@in_labels(
    "--sheet",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write a CSV of answers drawn at random for people to label, and end.",
)
@in_labels(
    "-n",
    "number",
    type=click.IntRange(min=1),
    default=100,
    metavar="N",
    help="Answers in the sheet.",
)
@in_labels(
    "--labels",
    type=PATH,
    metavar="FILE",
    help="The sheet filled in: corrects the judge's rate. It is kept with the run.",
)
@no_report_option
@output_options
def command(run: Path, **settings: Any) -> int:
    """Let a model judge the answers of a finished run, in a column of its own.

    What the judge says enters no score, and no gate whose policy does not name it. Its answers are
    stored with the run, so the same command again goes on where it was stopped and asks nothing
    twice. Beside its rate stand its own errors: order, wording, length, agreement with the metric.
    """
    from evalkit.catalog.models import load_model
    from evalkit.runs.judge import wanted
    from evalkit.runs.judge_questions import Asking

    asking = Asking(**{name: settings[name] for name in ("limit", "wordings", "max_tokens")})
    what, as_json = wanted(run, asking, settings["other"]), settings["as_json"]
    if settings["sheet"] is not None:
        from evalkit.runs.judge_labels import sheet as written
        from evalkit.store.directory import write_out

        drawn = written(what.answers, number=settings["number"], seed=what.manifest.seed)
        write_out(settings["sheet"], drawn)
        return 0
    if settings["dry_run"]:
        return _plan(what, as_json=as_json)
    if settings["model"] is None:
        raise UsageError("judge: no --judge is named. --sheet and --dry-run go without one.")
    found, judged = _judge(
        what,
        load_model(settings["model"]),
        settings["labels"],
        settings["quiet"] or as_json,
        settings["no_report"],
    )
    if found is None or judged is None:
        return 130
    if as_json:
        print_json({"pass": asdict(found), "judgement": asdict(judged)})
    else:
        print_judgement(found, judged, brief=settings["quiet"])
    return 3 if found.unanswered else 0


def print_judgement(found: Pass, judged: Judgement, *, brief: bool) -> None:
    """Print what a pass of a judge came to."""
    from evalkit.report.judges import judge_views

    (view,) = judge_views([(found, judged)])
    say(view.lead)
    if not brief:
        print_table(view.heads, view.tasks, title=view.title)
        print_table(("looked at", "value", "how to read it"), [*view.trust])


def _plan(what: Wanted, *, as_json: bool) -> int:
    asks = what.asks()
    letters = sum(len(one.request.text) for one in asks.values())
    told = {"answers": len(what.answers), "questions": len(asks), "characters": letters}
    if as_json:
        print_json(told)
    else:
        say(
            f"{counted(told['answers'], 'answer')}, {counted(told['questions'], 'question')} "
            f"after equal ones are asked once, about {letters // 4:,} tokens of prompts."
        )
    return 0


def _judge(
    what: Wanted, spec: ModelSpec, labels: Path | None, quiet: bool, no_report: bool
) -> tuple[Pass | None, Judgement | None]:
    """Ask the judge and write the run's tables anew; None where the user stopped it."""
    from evalkit.errors import Interrupted
    from evalkit.runs.finish import with_judged
    from evalkit.runs.judge import judge
    from evalkit.runs.judge_labels import read_sheet
    from evalkit.runs.judged import judgement_of
    from evalkit.runs.progress import ShownProgress, interruptible
    from evalkit.store.directory import RunDir
    from evalkit.store.judgements import judge_path, put_labels
    from evalkit.store.responses import Store

    read = None if labels is None else read_sheet(labels, what.answers)
    progress = ShownProgress(quiet=quiet, label=spec.display)
    with RunDir(what.run) as directory, interruptible(progress):
        try:
            found = judge(what, spec, progress)
        except Interrupted as stop:
            progress.close()
            typed = " ".join(map(shlex.quote, sys.argv[1:]))
            say(f"{stop} To go on, type:\n  evalkit {typed}", err=True)
            return None, None
        finally:
            progress.close()
        if read is not None:
            with Store(judge_path(what.run)) as store:
                put_labels(store, what.name, read)
        with_judged(directory, what.manifest, report=not no_report)
    return found, judgement_of(what.run, what.name)
