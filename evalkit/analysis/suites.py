"""Whether two runs are of the same cells: what their manifests say of suite, tasks, phrasings
and instances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from evalkit.errors import ComparisonError
from evalkit.records.manifest import SuiteRecord, TaskRecord

__all__ = ["compare_suites", "only_in_one", "refuse", "refuse_other_suites"]

NAMED = 5
"""Differences named in a refusal before the rest is counted."""
SETTINGS = ("name", "version", "limit", "shots")
"""What two suites must say alike."""


def compare_suites(
    old: SuiteRecord | None, new: SuiteRecord | None, *, of_one_model: bool = False
) -> str:
    """Refuse two runs whose suites differ; return what must be said of runs that differ in shots.

    Parameters
    ----------
    old, new
        What their manifests say of the suite; None when there is no manifest, and then nothing is
        checked.
    of_one_model
        Whether both are of the same model and may differ in shots, on the same tasks, phrasings and
        instances. The digest of a task holds its shots, so its other settings are not checked then.

    Returns
    -------
    str
        Empty when the shots are the same.

    Raises
    ------
    ComparisonError
        Naming tasks, wordings, instances and settings that differ.
    """
    for side, suite in (("old", old), ("new", new)):
        if suite is not None and suite.budget is not None and suite.sparse:
            refuse(
                [
                    f"{side} is a sparse run (--budget, design {suite.budget.design}), "
                    "whose phrasings were asked on different instances"
                ]
            )
    if old is None or new is None or old.digest == new.digest:
        return ""
    moved = of_one_model and old.shots != new.shots
    problems = [
        f"{name} {getattr(old, name)!r} and {getattr(new, name)!r}"
        for name in SETTINGS
        if getattr(old, name) != getattr(new, name) and not (moved and name == "shots")
    ]
    problems += only_in_one("task", old.tasks, new.tasks)
    for task in sorted(set(old.tasks) & set(new.tasks)):
        problems += _differing(task, old.tasks[task], new.tasks[task], shots=moved)
    if problems or not moved:
        refuse(problems or [f"suite digest {old.digest} and {new.digest}"])
    return (
        f"The two runs differ in shots, {old.shots} and {new.shots}: a difference is what they "
        "change, paired on phrasings and instances, and that of the gap is the gap with "
        f"{new.shots} minus the gap with {old.shots}."
    )


def refuse_other_suites(places: Sequence[Path], suites: Sequence[SuiteRecord]) -> None:
    """Refuse runs of which one has another suite than the first, naming it.

    Raises
    ------
    ComparisonError
        As `compare_suites`.
    """
    for place, suite in zip(places, suites, strict=True):
        try:
            compare_suites(suites[0], suite)
        except ComparisonError as error:
            raise ComparisonError(
                f"{place} (new) cannot stand beside {places[0]} (old). {error}"
            ) from error


def _differing(task: str, old: TaskRecord, new: TaskRecord, *, shots: bool) -> Iterator[str]:
    """Yield what differs of one task, but for its shots where they may."""
    if old.instances_digest != new.instances_digest:
        yield f"instances of {task} ({old.n_instances} and {new.n_instances})"
    yield from only_in_one(f"phrasing of {task}", old.phrasings, new.phrasings)
    for name in old.phrasings:
        if name in new.phrasings and old.phrasings[name] != new.phrasings[name]:
            yield f"text of phrasing {name} of {task}"
    if old.digest != new.digest and not shots:
        yield f"content of {task}"


def only_in_one(what: str, old: Collection[str], new: Collection[str]) -> list[str]:
    """Return a sentence per name that one side lacks.

    >>> only_in_one("task", {"a", "b"}, {"b", "c"})
    ['task a only in old', 'task c only in new']
    """
    return [f"{what} {name} only in old" for name in sorted(set(old) - set(new))] + [
        f"{what} {name} only in new" for name in sorted(set(new) - set(old))
    ]


def refuse(problems: Sequence[str]) -> None:
    """Raise an error that names the first differences and counts the rest."""
    named = "; ".join(problems[:NAMED]) + (
        f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    )
    raise ComparisonError(
        f"compare: the two are not of the same cells: {named}. "
        "Only the same tasks, phrasings and instances are compared. Run both on one suite."
    )
