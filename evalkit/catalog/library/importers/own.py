"""Templates on the data set that they were written for: their answer words in the order of the
task's labels, and a doubt where these stand for none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from evalkit.catalog.library.importers.classes import answers_on
from evalkit.catalog.library.importers.imported import Imported
from evalkit.catalog.library.importers.typed import key_of, other_words
from evalkit.catalog.tasks import list_tasks
from evalkit.errors import CatalogError
from evalkit.records import Meaning, Phrasing, Task

__all__ = ["on_own"]


def on_own(found: Imported, *, upstream: str, patterns: Sequence[str]) -> Imported:
    """Return phrasings with their answer words on the tasks that patterns name, once for each set
    of words; whether a template shows them or not, they are what was answered with upstream.

    One that names other words than a task has labels, where nothing says which stands for which,
    is of doubtful meaning on that task. Tasks that are not known here are not looked at.
    """
    try:
        tasks = list_tasks(patterns) if patterns else []
    except CatalogError:
        tasks = []
    whole = Imported(skipped=found.skipped)
    for phrasing in found.phrasings:
        whole.phrasings += _each(phrasing, tasks, upstream or key_of(phrasing))
    return whole


def _each(phrasing: Phrasing, tasks: Sequence[Task], upstream: str) -> Iterator[Phrasing]:
    bare = replace(phrasing, answers=())
    groups: dict[tuple[tuple[str, ...], Meaning], list[str]] = {}
    for task in tasks:
        theirs = phrasing.answers if task.kind == "choice" else ()
        answers = () if {*theirs} == {*task.labels} else answers_on(task, upstream, theirs)
        doubt = "" if answers else other_words(phrasing, task)
        meaning = (
            Meaning(status="doubtful", by="import", note=doubt)
            if doubt and phrasing.meaning.status == "unchecked"
            else phrasing.meaning
        )
        groups.setdefault((answers, meaning), []).append(task.id)
    if len(groups) < 2:
        ((answers, meaning), _) = next(iter(groups.items()), (((), phrasing.meaning), []))
        yield replace(bare, answers=answers, meaning=meaning)
        return
    for place, ((answers, meaning), ids) in enumerate(groups.items()):
        name = f"{phrasing.id}-{place}" if place else phrasing.id
        yield replace(bare, id=name, answers=answers, meaning=meaning, tasks=tuple(ids))
