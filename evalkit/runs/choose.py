"""The start of the corridor.

Settings -> one job per task, with phrasings, instances, shots and relations chosen.

Reads the catalog and nothing else; loads no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from evalkit import catalog
from evalkit.errors import DataMissingError, UsageError
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.controls import DERIVED_KINDS, controls
from evalkit.phrasings.perturb.order import instance_labels, instance_order, movable
from evalkit.phrasings.perturb.shots import shot_spec
from evalkit.phrasings.perturb.spec import Impossible
from evalkit.records import Arrangement, Instance, Job, ModelSpec, Phrasing, Seen, Suite, Task
from evalkit.runs.ask import Progress
from evalkit.runs.demonstrations import demonstrations
from evalkit.runs.drawing import as_drawn, drawing_notes
from evalkit.runs.foreign import Foreign
from evalkit.runs.own_wordings import beside_notes, letters_notes, none_left
from evalkit.runs.pick import pick_instances, pick_phrasings, pick_shots
from evalkit.runs.scored_by import asked_by
from evalkit.runs.settings import Settings
from evalkit.tuning.adapters import trained_phrasings

__all__ = ["PAIRED_FROM", "Design", "choose", "design_of"]

Design: TypeAlias = Literal["full", "paired", "balanced", "adaptive", "search"]
PAIRED_FROM = 50
"""Instances per phrasing from which a budget is spent on the same instances under every
phrasing."""


def choose(
    settings: Settings, progress: Progress | None = None
) -> tuple[list[Job], dict[str, str]]:
    """Return one job per task, and the tasks left out with the reason.

    Raises
    ------
    DataMissingError
        When benchmark data is missing and `Settings.available` is off; every missing task is named.
    UsageError
        When nothing is left to run.
    """
    suite = settings.suite
    tasks = _tasks(settings)
    present, absent = catalog.available_tasks(tasks, settings.data_dir)
    if absent and not settings.available:
        raise DataMissingError(_absent_message(suite, absent))
    if not present:
        raise UsageError(
            f"suite {suite.name!r}: none of its {len(tasks)} tasks has data on this machine. "
            "Type 'evalkit data status'."
        )
    present = [as_drawn(task, suite) for task in present]
    drawn = drawing_notes(present, suite, settings.model)
    own = {task.id: _own_phrasings(settings, task) for task in present}
    _refuse_languages(suite, own)
    read = {task.id: catalog.read_instances(task, settings.data_dir) for task in present}
    chosen, design = _instances(suite, present, read, seed=settings.seed)
    foreign = Foreign(settings.model, own, present)
    jobs = []
    for task in present:
        job = _job(settings, task, own[task.id], chosen[task.id], foreign=foreign)
        jobs.append(replace(job, design=design, notes=(*read[task.id][1], *job.notes)))
    _refuse_missing_kinds(suite, jobs)
    if progress is not None:
        if absent:
            progress.note(
                f"{len(absent)} of {len(tasks)} tasks left out: their data is not on this machine"
            )
        for note in (
            *beside_notes(present, settings),
            *drawn,
            *_gathered([note for job in jobs for note in job.notes]),
            *_unmet_collections(settings.model, jobs),
            *_unmet_levels(settings.model, present),
        ):
            progress.note(note)
    return jobs, {task.id: reason for task, reason in absent}


def _instances(
    suite: Suite,
    tasks: Sequence[Task],
    read: Mapping[str, tuple[Sequence[Instance], Sequence[str]]],
    *,
    seed: int,
) -> tuple[dict[str, list[Instance]], Design]:
    """Return the instances of every task, and the design in which they are asked;
    of a paired one a share of them.
    """
    chosen = {
        task.id: pick_instances(task, read[task.id][0], limit=suite.limit, seed=seed)
        for task in tasks
    }
    design = design_of(suite, [len(instances) for instances in chosen.values()])
    if design == "paired" and suite.budget is not None:
        for task in tasks:
            instances = chosen[task.id]
            limit = max(1, round(suite.budget * len(instances)))
            chosen[task.id] = pick_instances(task, instances, limit=limit, seed=seed)
    return chosen, design


def _refuse_languages(suite: Suite, own: Mapping[str, Sequence[Phrasing]]) -> None:
    """Raise when a task has no correct phrasing in a language that was asked for."""
    for task, phrasings in own.items():
        there = {phrasing.language for phrasing in phrasings if phrasing.kind == "correct"}
        if absent := [name for name in suite.languages if name not in there]:
            raise UsageError(
                f"--languages {','.join(absent)}: {task} has no phrasing in it; it has "
                f"{', '.join(sorted(there))}. Leave the language or the task out, or write "
                "such phrasings (--phrasing-file)."
            )


_MADE_TOO = frozenset({"wrong", "null", "random", "shuffled"})
"""Kinds of controls that are derived even where people wrote some; others only where nobody did."""


def _refuse_missing_kinds(suite: Suite, jobs: Sequence[Job]) -> None:
    """Raise when a kind of control that was asked for is there for none of a task's phrasings."""
    for kind in suite.kinds:
        without = [
            job
            for job in jobs
            if kind != "correct" and all(phrasing.kind != kind for phrasing in job.phrasings)
        ]
        if without:
            names = ", ".join(job.task.id for job in without[:5])
            more = f" and {len(without) - 5} more" if len(without) > 5 else ""
            why = next((f" ({note})" for job in without for note in job.notes), "")
            raise UsageError(
                f"--kinds {kind}: cannot be made for {names}{more}{why}. "
                "Leave the kind out, leave the tasks out, or write such phrasings."
            )


def _gathered(notes: Sequence[str]) -> list[str]:
    """Return at most three notes and how many more there are."""
    return [
        *notes[:3],
        *([f"and {len(notes) - 3} more such notes, all in the manifest"] if len(notes) > 3 else []),
    ]


def _absent_message(suite: Suite, absent: Sequence[tuple[Task, str]]) -> str:
    more = f"; and {len(absent) - 1} more" if len(absent) > 1 else ""
    return (
        f"suite {suite.name!r}: data of {len(absent)} task{'s' if more else ''} is not on this "
        f"machine:\n  {absent[0][1]}{more}\nType 'evalkit data fetch', name another --data-dir, "
        "or add --available to run without."
    )


def _unmet_collections(model: ModelSpec, jobs: Sequence[Job]) -> list[str]:
    """Say of every collection in ``tuned_on`` that no phrasing comes from when its name looks
    like a slip; all would count as unseen.
    """
    sources = {phrasing.source for job in jobs for phrasing in job.phrasings}
    known = sources | catalog.known_collections()
    names = [
        catalog.tuned_on_collection(entry)[0]
        for entry in model.tuned_on or ()
        if not catalog.is_collection_file(entry)
    ]
    close = {
        name: get_close_matches(name, sorted(known), n=1, cutoff=0.7)
        for name in names
        if name not in known
    }
    return [
        f"--tuned-on: no phrasing comes from {name!r}; did you mean {found[0]!r}?"
        for name, found in close.items()
        if found
    ]


def _unmet_levels(model: ModelSpec, tasks: Sequence[Task]) -> list[str]:
    """Say of every pattern under ``levels`` that it names no task of the run."""
    patterns = [one for listed in model.levels.values() for one in listed]
    unmet = [one for one in patterns if not any(fnmatchcase(task.id, one) for task in tasks)]
    return [f"levels of the model: no task here is {', '.join(unmet)}"] if unmet else []


def _tasks(settings: Settings) -> list[Task]:
    """Return the tasks given as records, then those that the suite names besides."""
    own = {task.id: task for task in settings.tasks}
    named = [pattern for pattern in settings.suite.tasks if pattern not in own]
    found = catalog.list_tasks(named)
    return [*own.values(), *(task for task in found if task.id not in own)]


def _own_phrasings(settings: Settings, task: Task) -> list[Phrasing]:
    """Every phrasing of a task before any choice: authored, imported and upstream,
    or those given as records.
    """
    if settings.phrasings:
        return catalog.phrasings_for(task, settings.phrasings)
    authored = catalog.load_phrasings(
        task, extra=settings.phrasing_files, sources=settings.suite.sources
    )
    return [*authored, *catalog.dataset_phrasings(task, settings.data_dir)]


def design_of(suite: Suite, sizes: Sequence[int]) -> Design:
    """Return which cells of a run are asked.

    Parameters
    ----------
    suite
        With its budget.
    sizes
        Instances of every task, after ``limit``.

    Notes
    -----
    Left to itself a budget is paired where it pays for `PAIRED_FROM` instances under every phrasing
    of every task, or where phrasings are perturbed or controls, whose differences need the same
    instances; otherwise it is balanced.

    Raises
    ------
    UsageError
        When options contradict each other.
    """
    mixed = bool(suite.perturbations) or set(suite.kinds) != {"correct"}
    wanted = suite.budget_design
    if suite.find is not None:
        if suite.budget is None:
            raise UsageError(
                "--find: needs a budget to search with, such as --budget 0.1. Add one."
            )
        if wanted is not None or suite.half_width is not None:
            raise UsageError(
                "--find: chooses its own cells and when to stop. "
                "Leave --budget-design and --half-width out."
            )
        design: Design = "search"
    elif suite.half_width is not None:
        if wanted == "paired":
            raise UsageError(
                "--half-width: stops sparse designs only. "
                "Choose --budget-design balanced or adaptive, or leave it out."
            )
        design = wanted or "balanced"
    elif suite.budget is None:
        if wanted is not None:
            raise UsageError(
                f"--budget-design {wanted}: says how a budget is spent, and there is none. "
                "Add --budget, such as --budget 0.05."
            )
        return "full"
    else:
        enough = min((round(suite.budget * size) for size in sizes), default=0) >= PAIRED_FROM
        design = wanted or ("paired" if mixed or enough else "balanced")
    if mixed and design != "paired":
        raise UsageError(
            "--budget: perturbed copies and controls are held against their origin on the same "
            "instances, which a sparse design does not give. "
            "Use --budget-design paired, or leave --perturb and --kinds out."
        )
    return design


def _job(
    settings: Settings,
    task: Task,
    own: Sequence[Phrasing],
    instances: Sequence[Instance],
    *,
    foreign: Foreign,
) -> Job:
    suite, seed = settings.suite, settings.seed
    phrasings, notes = _phrasings(settings, task, own, foreign=foreign)
    task, phrasings, unasked = asked_by(task, phrasings, settings.score_by)
    notes += unasked
    notes += letters_notes(task, phrasings, instances)
    wanted = suite.shots or any(shot_spec(phrasing) is not None for phrasing in phrasings)
    pool = (
        catalog.load_instances(task, settings.data_dir, split=task.shot_split)
        if wanted and task.shot_split
        else []
    )
    instances, orders, left_out = _arranged(phrasings, instances)
    if left_out:
        notes.append(
            f"{task.id}: {left_out} instances left out under every phrasing, "
            "because their choices cannot be moved"
        )
    if not instances:
        raise UsageError(
            f"{task.id}: no instance is left whose choices can be moved. "
            "Leave the task or the perturbation out."
        )
    shown = demonstrations(task, phrasings, instances, pool, seed=seed)
    trained = trained_phrasings(settings.mitigations)
    seen: dict[str, Seen] = {
        phrasing.id: "seen" if phrasing.id in trained else foreign.relation(phrasing, task)
        for phrasing in phrasings
    }
    return Job(
        task=task,
        phrasings=tuple(phrasings),
        instances=tuple(instances),
        shots=tuple(pick_shots(task, pool, instances, shots=suite.shots, seed=seed)),
        seen=seen,
        orders=orders,
        pool=shown.pool,
        demos=shown.places,
        notes=tuple(notes),
    )


def _phrasings(
    settings: Settings, task: Task, found: Sequence[Phrasing], *, foreign: Foreign
) -> tuple[list[Phrasing], list[str]]:
    """Return the phrasings of a run: chosen ones, derived controls, perturbed copies.

    And what could not be made.
    """
    suite = settings.suite
    wanted = [
        phrasing
        for phrasing in found
        if phrasing.kind in suite.kinds
        and (not suite.languages or phrasing.language in suite.languages)
        and (not suite.sources or phrasing.source in suite.sources)
        and phrasing.id not in suite.without
        and (not suite.strata or phrasing.kind != "correct" or phrasing.stratum in suite.strata)
    ]
    chosen = pick_phrasings(task, wanted, number=suite.phrasings, seed=settings.seed)
    correct = [phrasing for phrasing in chosen if phrasing.kind == "correct"]
    correct = [one for one in correct if one.meaning.status != "doubtful"] or correct
    notes: list[str] = []
    written = {phrasing.kind for phrasing in wanted}
    derivable = [
        kind for kind in suite.kinds if kind in DERIVED_KINDS and kind not in written - _MADE_TOO
    ]
    if derivable:
        others = foreign.of(task) if "wrong" in derivable else []
        made, refused = controls(
            task, correct, others, seed=settings.seed, kinds=derivable, rank=foreign.rank(task)
        )
        chosen, notes = [*chosen, *made], [f"{task.id}: {refusal}" for refusal in refused]
    if suite.perturbations:
        own = (word for phrasing in correct for word in phrasing.answers)
        made, refused = apply(
            correct, suite.perturbations, seed=settings.seed, protected_words=(*task.labels, *own)
        )
        chosen, still = movable(task, [*chosen, *made])
        notes += [f"{task.id}: {refusal}" for refusal in (*refused, *still)]
    if not chosen:
        raise none_left(settings, task, found)
    return chosen, notes


def _arranged(
    phrasings: Sequence[Phrasing], instances: Sequence[Instance]
) -> tuple[list[Instance], dict[str, tuple[Arrangement, ...]], int]:
    """Return the instances every phrasing can show, the arrangements of those that move choices,
    and how many instances fell out.

    An instance whose choices cannot be moved under one phrasing leaves under all, so that all
    phrasings keep the same instances.
    """
    moving = [
        phrasing
        for phrasing in phrasings
        if "order" in phrasing.perturbation or "labels" in phrasing.perturbation
    ]
    kept: list[Instance] = []
    orders: dict[str, list[Arrangement]] = {phrasing.id: [] for phrasing in moving}
    for instance in instances:
        found = {
            phrasing.id: (instance_order(phrasing, instance), instance_labels(phrasing, instance))
            for phrasing in moving
        }
        if any(isinstance(part, Impossible) for pair in found.values() for part in pair):
            continue
        kept.append(instance)
        for name, (order, names) in found.items():
            if isinstance(order, tuple) and isinstance(names, tuple):
                shown = tuple(names[index] for index in order) if order and names else names
                orders[name].append((order, shown))
    return kept, {name: tuple(pairs) for name, pairs in orders.items()}, len(instances) - len(kept)
