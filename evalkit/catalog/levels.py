"""How far a task is from what a model was tuned on: a relation of both, as seen and unseen is.

``instance``: the task was trained on, these instances were not. ``task``: the task was held out,
tasks of its kind were trained on. ``category``: all tasks of its kind were held out. Nothing is
said of a task when no collection of the model says something of it.

References
----------
S. Iyer and others, "OPT-IML", 2022 (arXiv 2212.12017): the three levels. Y. Wang and others,
Super-NaturalInstructions, 2022: categories of the test tasks are none of the training tasks. S.
Longpre and others, "The Flan Collection", 2023: MMLU and BIG-Bench Hard were held out, the GLUE
tasks trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from evalkit.catalog.phrasings import tuned_on_collection

__all__ = ["LEVELS", "level_of"]

LEVELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "evalkit-tuning": {
        "task": ("procedural/*_heldout", "rules/*"),
        "instance": ("procedural/*",),
        "category": ("probes/*", "meta/*", "composition/*", "context/*"),
    },
    "niv2": {"category": ("superni/*",)},
    "flan": {
        "instance": tuple(
            f"promptbench/{name}"
            for name in (
                "cola",
                "mnli",
                "mnli_mismatched",
                "mrpc",
                "qnli",
                "qqp",
                "rte",
                "sst2",
                "wnli",
            )
        ),
        "category": ("mmlu/*", "bbh/*"),
    },
}
"""Collection -> level -> tasks; the first level that names a task holds."""


def level_of(
    task_id: str, tuned_on: Sequence[str] | None, said: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the level of generalisation of a task for a model; empty when nothing is known.

    Of several collections the nearest level holds: what one held out another may have trained on.

    Parameters
    ----------
    task_id
        Task.
    tuned_on
        Collections the model was tuned on, as in `evalkit.records.ModelSpec`.
    said
        Level -> tasks, as the model's own file says; it goes before what is known of collections,
        and of two patterns that name the task the longer one holds.

    Examples
    --------
    >>> level_of("procedural/regex_heldout", ["evalkit-tuning"])
    'task'
    >>> level_of("superni/task1344_glue_entailment_classification", ["niv2@!superni/*"])
    'category'
    >>> level_of("mine/new", ["flan"], said={"instance": ["mine/*"], "category": ["mine/new"]})
    'category'
    """
    named = [
        (len(pattern), level)
        for level, patterns in (said or {}).items()
        for pattern in patterns
        if fnmatchcase(task_id, pattern)
    ]
    if named:
        return max(named)[1]
    found = set()
    for entry in tuned_on or ():
        collection, scope = tuned_on_collection(entry)
        for level, patterns in LEVELS.get(collection, {}).items():
            if any(fnmatchcase(task_id, pattern) for pattern in patterns):
                kept = scope.startswith("!") and fnmatchcase(task_id, scope[1:])
                found.add("category" if kept else level)
                break
    return next((level for level in ("instance", "task", "category") if level in found), "")
