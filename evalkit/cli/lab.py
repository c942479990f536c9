"""``evalkit align --arms``: several trainings, the same held-out suite for each, one comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.lab_table import SHOWN, Trial, rows_of, show, write
from evalkit.cli.options import print_json
from evalkit.errors import BackendError, UsageError
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import Estimate, ModelSpec, Suite

__all__ = ["lab"]


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all arms share."""

    spec: ModelSpec
    given: dict[str, Any]
    suite: Suite
    """Held-out phrasings of the trained tasks, and the tasks that are held out."""
    told: Mapping[str, Any]
    """Tasks and phrasings that are trained on."""
    held: tuple[str, ...]
    plain: Path
    """Run of the plain model."""
    quiet: bool


def lab(spec: ModelSpec, given: dict[str, Any], *, as_json: bool, quiet: bool) -> int:
    """Train every arm with every seed, ask each in the held-out phrasings,
    and compare all with the plain model.

    What is finished is kept: the same call goes on. An arm that breaks down is told and the others
    go on.

    Parameters
    ----------
    spec
        The model.
    given
        Options of ``evalkit align``.
    as_json, quiet
        What is printed.
    """
    from evalkit.cli.materials import materials_of
    from evalkit.cli.training_options import OBJECTIVES, RATES
    from evalkit.tuning.pairs import summary

    arms = list(dict.fromkeys(_parts(given["arms"])))
    known = {*RATES, *(f"{method}/{objective}" for method in RATES for objective in OBJECTIVES)}
    if strange := sorted(set(arms) - known):
        raise UsageError(
            f"--arms {', '.join(strange)}: is not trained; {', '.join(RATES)} are, "
            f"each also with an objective, as lora/{OBJECTIVES[1]}."
        )
    told = summary(materials_of(given))
    suite, held = _suite(told, given)
    plain = _asked(spec, suite, given, "plain", (), quiet=quiet or as_json)
    bench = _Bench(spec, given, suite, told, held, plain, quiet or as_json)
    # every arm with one seed before any with the next, so that a lab that is stopped compares arms
    trials = [_untrained(bench, mitigation) for mitigation in given["mitigation"]] + [
        _trained(bench, arm, given["seed"] + k) for k in range(given["seeds"]) for arm in arms
    ]
    write(given["out"] / "lab.csv", trials)
    if as_json:
        print_json([row for trial in trials for row in rows_of(trial)])
    elif not quiet:
        show([*arms, *given["mitigation"]], trials, n_seeds=given["seeds"])
        say(f"Written: {given['out'] / 'lab.csv'}")
    return 3 if all(trial.failed for trial in trials) else 0


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _suite(told: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[Suite, tuple[str, ...]]:
    """Return what every arm is asked, and the tasks in it that no arm is trained on.

    Raises
    ------
    UsageError
        When no phrasing is held out, or a task is both trained on and held out.
    """
    from evalkit import catalog
    from evalkit.cli.materials import held_out, sources_of
    from evalkit.records import Suite

    sources, without = held_out(told, given)
    if not sources and not without:
        raise UsageError(
            "--arms: every phrasing of the tasks is trained on, so none is left to compare with. "
            "Name --sources or a --hold-out, so that others are held out."
        )
    held = (
        tuple(task.id for task in catalog.list_tasks(tuple(_parts(given["held_tasks"]))))
        if given["held_tasks"]
        else ()
    )
    if both := sorted(set(held) & set(told["tasks"])):
        raise UsageError(f"--held-tasks {', '.join(both)}: is trained on. Name it once.")
    for name in held:
        own = sources_of(name, given)
        if sources and not own & set(sources):
            sources = (*sources, *sorted(own))
    suite = Suite(
        name="held-out",
        tasks=(*told["tasks"], *held),
        sources=tuple(sorted(sources)),
        without=without,
        phrasings=given["test_phrasings"],
        limit=given["test_instances"],
    )
    return suite, held


def _asked(
    spec: ModelSpec,
    suite: Suite,
    given: Mapping[str, Any],
    name: str,
    mitigations: tuple[str, ...],
    *,
    quiet: bool,
) -> Path:
    """Return the run of a model on the held-out suite."""
    from evalkit.runs.execute import run
    from evalkit.runs.progress import ShownProgress, interruptible
    from evalkit.runs.settings import Settings

    settings = Settings(
        model=replace(spec, label=name),
        suite=suite,
        mitigations=mitigations,
        phrasing_files=given["phrasing_file"],
        data_dir=given["data_dir"],
        out=given["out"] / "runs" / name,
        report=False,
        resamples=200,
        fresh=given["fresh"],
    )
    progress = ShownProgress(quiet=quiet, label=name)
    with interruptible(progress):
        try:
            return run(settings, progress).path
        finally:
            progress.close()


def _trained(bench: _Bench, arm: str, seed: int) -> Trial:
    """Train an arm with a seed, where that is not done yet, and ask it."""
    from evalkit.cli.training import trained
    from evalkit.tuning.folder import forget
    from evalkit.tuning.parametrisations import WHOLE

    method, _, objective = arm.partition("/")
    name = f"{arm.replace('/', '-')}-seed{seed}"
    place = bench.given["out"] / name
    asked = {**bench.given, "out": place, "seed": seed}
    if objective:
        asked["objective"] = objective
    try:
        if asked["fresh"]:
            forget(place)
        report = _finished(bench, method, asked)
        if report is None:
            if not bench.quiet:
                say(f"training {name}", err=True)
            report = trained(method, bench.spec, asked, quiet=True)
        if method in WHOLE:
            found = _compared(bench, arm, seed, name, report, model=place)
            return replace(found, moved=_moved(bench.spec, place))
        return _compared(bench, arm, seed, name, report, mitigations=(f"adapter:path={place}",))
    except (UsageError, BackendError) as error:  # it breaks down or cannot be asked; others go on
        say(f"{name}: {error}", err=True)
        return Trial(arm, seed, {}, {}, {}, {}, {}, str(error))


def _finished(bench: _Bench, method: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record of an arm that is trained already; None for one that is not.

    Raises
    ------
    UsageError
        When it was trained otherwise than is asked now.
    """
    from evalkit.cli.training import recipe_of
    from evalkit.tuning.adapters import RECORD, read_record
    from evalkit.tuning.alignment import settled
    from evalkit.tuning.folder import refuse_other

    place = asked["out"]
    if not (place / RECORD).is_file():
        return None
    report = read_record(place)
    recipe = asdict(settled(recipe_of(method, asked)))
    if not recipe["steps"]:  # one epoch, whose steps the record has
        del recipe["steps"]
    wanted = {name: bench.told[name] for name in ("tasks", "training", "validation")}
    found = {**report["recipe"], **report, "base": report["base"]["name"]}
    wanted = {**recipe, **wanted, "base": bench.spec.name}
    if bench.spec.dtype != "auto":
        wanted["dtype"] = bench.spec.dtype
    refuse_other(place, found, json.loads(json.dumps(wanted)))
    return report


def _moved(base: ModelSpec, place: Path) -> float:
    """Return how far the weights moved; NaN for a base that is not read tensor by tensor, such
    as GGUF.
    """
    from evalkit.tuning.spectra import moved

    try:
        return moved(base, replace(base, name=str(place), revision=None))
    except BackendError:
        return float("nan")


def _untrained(bench: _Bench, mitigation: str) -> Trial:
    """Ask the plain model with a mitigation that trains nothing."""
    from evalkit.store.atomic import slug

    try:
        return _compared(bench, mitigation, 0, slug(mitigation), {}, mitigations=(mitigation,))
    except (UsageError, BackendError) as error:
        say(f"{mitigation}: {error}", err=True)
        return Trial(mitigation, 0, {}, {}, {}, {}, {}, str(error))


def _compared(
    bench: _Bench,
    arm: str,
    seed: int,
    name: str,
    report: Mapping[str, Any],
    *,
    model: Path | None = None,
    mitigations: tuple[str, ...] = (),
) -> Trial:
    """Ask an arm the suite and compare it with the plain model, on trained and on held tasks."""
    spec = replace(bench.spec, name=str(model), revision=None) if model else bench.spec
    path = _asked(spec, bench.suite, bench.given, name, mitigations, quiet=bench.quiet)
    changes, values = _change(bench, path, name, bench.told["tasks"])
    others, other_values = _change(bench, path, name, bench.held)
    return Trial(arm, seed, report, changes, values, others, other_values)


def _change(
    bench: _Bench, path: Path, name: str, tasks: Sequence[str]
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return differences to the plain model over some tasks, and the values themselves."""
    from evalkit.analysis import estimate
    from evalkit.analysis.candidates import Candidate, changes_of
    from evalkit.analysis.compare import Settings
    from evalkit.cli.compare_many import cost_of, manifest_of
    from evalkit.runs.read import table_of

    if not tasks:
        return {}, {}
    plain, mine = (
        table_of(run, None).select({"task": tuple(tasks)}) for run in (bench.plain, path)
    )
    cost = cost_of(manifest_of(bench.plain), manifest_of(path))
    how = Settings(level=0.95, n_resamples=1000, seed=0, question="random")
    changes = _overall(changes_of(plain, Candidate(name=name, table=mine, cost=cost), how))
    values = _overall(estimate(mine, n_resamples=200))
    return changes, {metric: values[metric].value for metric in changes}


def _overall(rows: Sequence[Estimate]) -> dict[str, Estimate]:
    """Return the rows over all tasks by metric; of one benchmark where there is no row over all."""
    ordered = sorted(rows, key=lambda row: row.benchmark == "all")
    return {
        row.metric: row
        for row in ordered
        if row.task == "all" and not row.group and row.metric in SHOWN
    }
