"""Whether two runs are of the same cells: what their manifests say of suite, tasks, phrasings and instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from evalkit.errors import ComparisonError

__all__ = ["compare_suites", "only_in_one", "refuse"]

NAMED = 5
"""Differences named in a refusal before the rest is counted."""
SETTINGS = ("name", "version", "limit", "shots")
"""What two suites must say alike."""


def compare_suites(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    """Refuse two runs whose suites differ.

    Parameters
    ----------
    old, new
        What their manifests say under ``suite``; None when there is no manifest, and then nothing
        is checked.

    Raises
    ------
    ComparisonError
        Naming tasks, wordings, instances and settings that differ.
    """
    for side, suite in (("old", old), ("new", new)):
        design = ((suite or {}).get("budget") or {}).get("design", "paired")
        if design != "paired":
            refuse(
                [
                    f"{side} is a sparse run (--budget, design {design}), whose phrasings were asked on different instances"
                ]
            )
    if old is None or new is None or (old.get("digest") and old.get("digest") == new.get("digest")):
        return
    problems = [
        f"{name} {old.get(name)!r} and {new.get(name)!r}"
        for name in SETTINGS
        if old.get(name) != new.get(name)
    ]
    tasks = [dict(suite.get("tasks") or {}) for suite in (old, new)]
    problems += only_in_one("task", tasks[0], tasks[1])
    for task in sorted(set(tasks[0]) & set(tasks[1])):
        problems += _differing(task, tasks[0][task], tasks[1][task])
    if problems or old.get("digest") != new.get("digest"):
        refuse(problems or [f"suite digest {old.get('digest')} and {new.get('digest')}"])


def _differing(task: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs of one task."""
    if old.get("instances_digest") != new.get("instances_digest"):
        yield f"instances of {task} ({old.get('n_instances')} and {new.get('n_instances')})"
    first, second = (dict(side.get("phrasings") or {}) for side in (old, new))
    yield from only_in_one(f"phrasing of {task}", first, second)
    for name in first:
        if name in second and first[name] != second[name]:
            yield f"text of phrasing {name} of {task}"
    if old.get("digest") != new.get("digest"):
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
        f"compare: the two are not of the same cells: {named}. Only the same tasks, phrasings and instances are compared. Run both on one suite."
    )
