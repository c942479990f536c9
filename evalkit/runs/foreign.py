"""Instructions of other tasks, from which ``wrong`` controls are drawn:
the whole library and the run's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from evalkit import catalog
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.phrasings.perturb.controls import Rank, same_form
from evalkit.records import ModelSpec, Phrasing, Seen, Task

__all__ = ["Foreign"]


@lru_cache(maxsize=1)
def _library() -> tuple[tuple[Phrasing, Task], ...]:
    """Return every shipped correct phrasing that no reader doubted,
    with the first task it is for.
    """
    tasks = catalog.list_tasks(["*"])
    found = []
    for path in sorted(data_root("paraphrases").rglob("*.yaml")):
        for one in read_phrasing_file(path):
            if one.kind == "correct" and one.meaning.status != "doubtful":
                task = next((task for task in tasks if _is_for(one, task)), None)
                if task is not None:
                    found.append((one, task))
    return tuple(found)


def _is_for(phrasing: Phrasing, task: Task) -> bool:
    return any(fnmatchcase(task.id, pattern) for pattern in phrasing.tasks)


class Foreign:
    """What `wrong` controls of a run are drawn from, and what the model has seen of it.

    Parameters
    ----------
    model
        Whose `tuned_on` says what was seen.
    own
        Phrasings of every task of the run.
    tasks
        Tasks of the run.
    """

    def __init__(
        self, model: ModelSpec, own: Mapping[str, Sequence[Phrasing]], tasks: Sequence[Task]
    ) -> None:
        self._model, self._own, self._tasks = model, own, tasks
        self._relations: dict[str, Seen] = {}

    @cached_property
    def _found(self) -> dict[str, tuple[Phrasing, Task]]:
        """Phrasings with their tasks, by id; read when the first one is needed."""
        mine = {one.id: (one, task) for task in self._tasks for one in self._own[task.id]}
        return mine | {one.id: (one, task) for one, task in _library()}

    def of(self, task: Task) -> list[Phrasing]:
        """Return the phrasings of other tasks whose label words are not this task's.

        Tasks with the same labels may ask the same question of other data.
        """
        return [
            one
            for one, other in self._found.values()
            if other.id != task.id
            and not _is_for(one, task)
            and not (task.labels and set(task.labels) == set(other.labels))
        ]

    def rank(self, task: Task) -> Rank:
        """Return how foreign phrasings are ranked for a task: seen ones first,
        then those of the same output form.
        """

        def place(phrasing: Phrasing, other: Phrasing) -> int:
            form = same_form(phrasing, other) or self._found[other.id][1].kind != task.kind
            return 2 * (self._seen(other.id) != "seen") + int(form)

        return place

    def _seen(self, name: str) -> Seen:
        if name not in self._relations:
            one, task = self._found[name]
            self._relations[name] = catalog.relation(one, self._model, task)
        return self._relations[name]

    def relation(self, phrasing: Phrasing, task: Task) -> Seen:
        """Return whether the model has seen a phrasing;
        of a ``wrong`` control, the words it borrowed.
        """
        if phrasing.kind == "wrong" and phrasing.origin in self._found:
            return self._seen(phrasing.origin)
        return catalog.relation(phrasing, self._model, task)
