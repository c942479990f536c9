"""Instructions of other tasks, from which ``wrong`` controls are drawn:
the whole library and the run's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache

from evalkit import catalog
from evalkit.catalog.library.patterns import FUNCTION_WORDS, normalised_words, pieces_of
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.phrasings.perturb.controls import Rank, same_form
from evalkit.records import ModelSpec, Phrasing, Seen, Task

__all__ = ["Foreign"]

_COMMON = 0.2
"""Share of the shipped sets that use a word which says nothing of what is asked."""
_ALIKE = 0.3
"""Share of an instruction's words that the task's own wordings use, too,
from which on it may ask the same.
"""


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


@lru_cache(maxsize=8192)
def _content(text: str) -> frozenset[str]:
    """Return the words of an instruction that carry sense, singular and plural as one."""
    words = set(normalised_words(" ".join(pieces_of(text)))) - FUNCTION_WORDS
    return frozenset(word.rstrip("s") for word in words)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Return the words that any instruction may use, such as answer and letter."""
    sets: dict[tuple[str, ...], set[str]] = {}
    for one, _ in _library():
        sets.setdefault(one.tasks, set()).update(_content(one.text))
    counts = Counter(word for words in sets.values() for word in words)
    return frozenset(word for word, n in counts.items() if n >= _COMMON * len(sets))


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
        """Return the phrasings of other tasks that name none of this task's label words.

        Tasks that share a label may ask the same question of other data.
        """
        labels = {label.casefold() for label in task.labels}
        return [
            one
            for one, other in self._found.values()
            if other.id != task.id
            and not _is_for(one, task)
            and labels.isdisjoint(label.casefold() for label in other.labels)
        ]

    def rank(self, task: Task) -> Rank:
        """Return how foreign phrasings are ranked for a task: those of its language first that
        cannot ask the same, then seen ones, then those of the same output form.

        An instruction of whose words three in ten stand in the task's own wordings, or in any, may
        be right by accident: "Which of these is correct?" fits every list of choices.
        """
        known = _common().union(*(_content(one.text) for one in self._own[task.id]))

        @cache
        def alike(text: str) -> bool:
            words = _content(text)
            return len(words & known) >= _ALIKE * len(words)

        def place(phrasing: Phrasing, other: Phrasing) -> int:
            unfit = other.language != phrasing.language or alike(other.text)
            unseen = self._seen(other.id) != "seen"
            form = same_form(phrasing, other) or self._found[other.id][1].kind != task.kind
            return 4 * unfit + 2 * unseen + int(form)

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
