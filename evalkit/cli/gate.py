"""``evalkit gate CANDIDATE --baseline BASELINE``: decide before a release."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from evalkit.cli.log_options import LOGS, log_options, told_of
from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    in_output,
    option,
    output_options,
    print_table,
)
from evalkit.errors import StoreError, UsageError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.catalog.score_tables import Told
    from evalkit.gating import Decision, Explanation
    from evalkit.records.policy import Policy

__all__ = ["command"]

FORMATS = ("text", "json", "github", "junit", "sarif", "markdown")
FILES = {"json": "gate.json", "junit": "gate.xml", "markdown": "gate.md", "sarif": "gate.sarif"}
"""Format -> file in ``--out``."""
COLOURS = {"pass": "green", "regression": "red", "inconclusive": "yellow"}
SEVERAL = ("text", "json", "markdown")
"""Formats that hold several decisions."""
SEVERITY = (1, 3, 0)
"""Exit codes of decisions, the one that counts first."""
NAMED = 10
"""Phrasings and instances that ``--explain`` names."""

in_decision = partial(option, group="Decision")


@click.command(
    "gate",
    cls=GroupedCommand,
    short_help="Decide before a release: pass, regression, or not enough evidence.",
    epilog=(
        "Example: evalkit gate reports/runs/candidate --baseline reports/runs/last_release "
        "--explain"
    ),
)
@click.argument("candidate", type=PATH)
@in_decision(
    "--baseline",
    "baselines",
    type=PATH,
    required=True,
    multiple=True,
    metavar="RUN",
    help=(
        "Run directory of the last release. Repeatable, or a pattern such as 'runs/v*': earlier "
        "ones show losses that add up."
    ),
)
@in_decision(
    "--policy",
    type=PATH,
    metavar="FILE",
    help="Policy file, or one that ships: default, or quick for a first gate.",
)
@in_decision(
    "--look",
    type=click.IntRange(min=1),
    metavar="K",
    help=(
        "The K-th look at this candidate, each with more instances: all together keep the "
        "policy's level."
    ),
)
@in_output(
    "--format",
    "forms",
    type=click.Choice((*FORMATS, *LOGS)),
    default=("text",),
    multiple=True,
    help=(
        "What is printed; or the harness that wrote a log, told from its content where it is not "
        "named."
    ),
)
@in_output(
    "--out",
    type=PATH,
    metavar="DIR",
    help=(
        f"Also write {', '.join(FILES.values())} there. Earlier ones are removed first, so that "
        "none outlives an error."
    ),
)
@in_output(
    "--html",
    type=PATH,
    metavar="FILE",
    help=(
        "Also write a page, with what moved most. An earlier FILE is removed first, so that none "
        "outlives an error."
    ),
)
@in_output("--explain", is_flag=True, help="Name the phrasings and instances that moved most.")
@in_output(
    "--reask",
    type=PATH,
    metavar="DIR",
    help=(
        "Ask the candidate its instances again in two wordings that neither run has, into DIR: "
        "are lost answers no longer known, or wordings no longer followed? Needs its engine."
    ),
)
@in_output("--exit-zero", is_flag=True, help="Exit 0 whatever the outcome; errors keep their code.")
@log_options(named=False)
@output_options
def command(
    candidate: Path,
    baselines: tuple[Path, ...],
    policy: Path | None,
    look: int | None,
    out: Path | None,
    forms: tuple[str, ...],
    **flags: Any,
) -> int:
    """Decide whether CANDIDATE may replace the baseline, or all of several.

    Pass (exit 0), regression (1), or not enough evidence (3).

    Both are run directories of the same suite, or logs of the same harness (FILE::MODEL where one
    holds several models). They are compared on the same phrasings and
    instances; where that is not possible, or a run cannot be read or was limited, there is an error
    and never a pass.
    """
    from evalkit.catalog.policies import SHIPPED, policy_path, read_policy_file

    form = next((one for one in reversed(forms) if one in FORMATS), "text")
    form = "json" if flags["as_json"] else form
    told = _told(forms, flags)
    baselines = _matched(baselines, candidate)
    several = len(baselines) > 1
    places = _places(out, baselines)
    if flags["html"] is not None:
        _forget_page(flags["html"])
    _refuse_several(baselines, form)
    rules = read_policy_file(policy_path(str(policy or SHIPPED[0])))
    # each baseline may raise a false alarm, so they share the error rate
    rules = replace(rules, level=1 - (1 - rules.level) / len(baselines)) if several else rules
    location = str(policy) if policy is not None else "default_policy.yaml"
    codes, documents, pages = [], [], []
    for baseline, place in zip(baselines, places, strict=True):
        decision, explanation, said = _decided(
            (candidate, baseline),
            told,
            rules,
            place,
            form=form,
            location=location,
            look=look or 0,
            flags=flags,
        )
        codes.append(decision.exit_code)
        documents.append(said)
        pages.append((decision, explanation))
    if flags["html"] is not None:
        _write_page(flags["html"], pages)
    if form == "json" and several:
        say("[\n" + ",\n".join(text.strip() for text in documents) + "\n]")
    elif form != "text":
        say("".join(documents), nl=False)
    code = min(codes, key=SEVERITY.index)
    if several and form == "text":
        _say_history([decision for decision, _ in pages])
        say(
            f"gate: exit code {code} over {len(baselines)} baselines, each at level {rules.level:g}"
        )
    if flags["reask"] is not None:
        _reask(candidate, baselines[0], flags["reask"], quiet=flags["quiet"] or form != "text")
    _name_settings()
    if flags["exit_zero"] and code:
        say(f"exit code 0 in place of {code}: --exit-zero is set", err=True)
        return 0
    return code


def _matched(named: Sequence[Path], candidate: Path) -> tuple[Path, ...]:
    """Return the baselines with patterns replaced by the runs they match, the candidate left
    out.
    """
    from evalkit.store.directory import is_run_dir

    found: list[Path] = []
    for path in named:
        if not glob.has_magic(str(path)) or path.exists():
            found.append(path)
            continue
        runs = [one for one in map(Path, sorted(glob.glob(str(path)))) if is_run_dir(one)]
        runs = [one for one in runs if one.resolve() != candidate.resolve()]
        if not runs:
            raise UsageError(f"--baseline {path}: matches no other run. Check the pattern.")
        found += runs
    return tuple(found)


def _say_history(decisions: Sequence[Decision]) -> None:
    """Print a line per baseline, and since when losses have added up."""
    from evalkit.report.gate_history import HISTORY, history_rows, slow_loss

    say()
    print_table(HISTORY, history_rows(decisions))
    if said := slow_loss(decisions):
        say(said)


def _places(out: Path | None, baselines: Sequence[Path]) -> list[Path | None]:
    """Return where the decision against each baseline goes, an earlier one there forgotten."""
    if out is None:
        return [None] * len(baselines)
    places = [out / path.resolve().name if len(baselines) > 1 else out for path in baselines]
    for place in places:
        _forget(place)
    return [*places]


def _told(forms: Sequence[str], flags: dict[str, Any]) -> Told:
    """What is said of logs, taken out of the options."""
    log = next((one for one in forms if one in LOGS), None)
    said = {name: flags.pop(name) for name in ("mapped", "phrasing", "metric")}
    return told_of({**said, "form": log})


def _refuse_several(baselines: Sequence[Path], form: str) -> None:
    """Refuse a baseline named twice, and forms that hold one decision."""
    names = [path.resolve().name for path in baselines]
    if len(set(names)) < len(names):
        raise UsageError(
            "--baseline: two baselines have one folder name; each needs its own. "
            "Leave one out, or rename it."
        )
    if len(baselines) > 1 and form not in SEVERAL:
        raise UsageError(
            f"--format {form}: holds one decision, and {len(baselines)} baselines are named; "
            f"{', '.join(SEVERAL)} are accepted. Or add --out, which writes every form of each."
        )


def _decided(
    places: tuple[Path, Path],
    told: Told,
    rules: Policy,
    out: Path | None,
    *,
    form: str,
    location: str,
    look: int,
    flags: Mapping[str, Any],
) -> tuple[Decision, Explanation | None, str]:
    """Return the decision, what moved, and what is printed of it; text is printed at once."""
    from datetime import UTC, datetime

    from evalkit import __version__
    from evalkit.gating.runs import gate_runs
    from evalkit.report.gate_ci import gate_sarif
    from evalkit.runs.imported import run_of
    from evalkit.runs.read import answer_blocks_of, answers_of

    decision, explanation = gate_runs(
        *(run_of(place, told) for place in places),
        policy=rules,
        today=datetime.now(UTC).date(),
        explained=NAMED if flags["explain"] or out or flags["html"] else 0,
        look=look,
        answers=answers_of,
        blocks=answer_blocks_of,
    )
    # a log is named as it was given, not by the run that was made of it
    sides = zip((decision.candidate, decision.baseline), places, strict=True)
    new, old = ({**side, "run": str(place)} for side, place in sides)
    decision = replace(decision, candidate=new, baseline=old)
    forms = {"sarif": gate_sarif(decision, policy_path=location, version=__version__)}
    if out is not None:
        _write(out, decision, explanation, forms=forms)
    shown = explanation if flags["explain"] else None
    if form == "text":
        _print_text(decision, shown, brief=flags["quiet"])
        return decision, explanation, ""
    return decision, explanation, forms.get(form) or _rendered(form, decision, shown)


def _reask(candidate: Path, baseline: Path, out: Path, *, quiet: bool) -> None:
    """Ask the candidate again in other wordings and say what that tells of its losses;
    decides nothing.
    """
    from evalkit.analysis.compare import paired_blocks
    from evalkit.runs.progress import ShownProgress, interruptible
    from evalkit.runs.read import table_of
    from evalkit.runs.reasked import again_line, again_of, ask_again

    progress = ShownProgress(quiet=quiet, label="again")
    with interruptible(progress):
        try:
            table = ask_again(candidate, baseline, out, progress)
        finally:
            progress.close()
    pairs = paired_blocks(table_of(baseline, None), table_of(candidate, None))
    say(again_line(again_of(pairs, table)), err=quiet)


def _name_settings() -> None:
    """Name the options that a configuration file sets: they may turn a failing gate green."""
    from evalkit.cli.config import settings

    context = click.get_current_context()
    for setting in settings():
        source = context.get_parameter_source(setting.option)
        if setting.command == "gate" and source is ParameterSource.DEFAULT_MAP:
            say(f"{setting.path}: sets gate.{setting.option} = {setting.value}", err=True)


def _forget(out: Path) -> None:
    """Remove an earlier decision: a pass of yesterday must not outlive an error of today."""
    for name in FILES.values():
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"--out {out}: {error.strerror or error}; a folder that can be written is "
                "accepted. Name another."
            ) from error


def _forget_page(page: Path) -> None:
    """Remove an earlier page, once it is known to be no file of a run."""
    from evalkit.store.atomic import is_stream
    from evalkit.store.directory import refuse_own

    refuse_own(page)
    if page.is_dir():
        raise UsageError(f"--html: {page} is a directory; name a file.")
    try:
        if not is_stream(page):
            page.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"--html {page}: {error.strerror or error}; a file that can be written is accepted. "
            "Name another."
        ) from error


def _write_page(page: Path, decided: Sequence[tuple[Decision, Explanation | None]]) -> None:
    from evalkit.report.gate_page import gate_html
    from evalkit.store.directory import write_out

    write_out(page, gate_html(decided))


def _rendered(form: str, decision: Decision, explanation: Explanation | None) -> str:
    from evalkit.report.gate_ci import gate_github, gate_junit
    from evalkit.report.gate_formats import gate_json, gate_markdown

    if form == "json":
        return gate_json(decision, explanation)
    if form == "markdown":
        return gate_markdown(decision, explanation)
    return gate_github(decision) if form == "github" else gate_junit(decision)


def _write(
    out: Path, decision: Decision, explanation: Explanation | None, *, forms: dict[str, str]
) -> None:
    from evalkit.store.atomic import write_atomic

    for form, name in FILES.items():
        write_atomic(out / name, forms.get(form) or _rendered(form, decision, explanation))


def _print_text(decision: Decision, explanation: Explanation | None, *, brief: bool) -> None:
    from evalkit.report.gate_formats import HEADLINES, gate_text

    ends = {words: COLOURS[outcome] for outcome, words in HEADLINES.items()}
    first, rest = gate_text(decision, explanation).split("\n", 1)
    say(first, colour=COLOURS[decision.outcome])
    say(rest.split("\n", 1)[0] if brief else rest, nl=brief, ends=ends)
