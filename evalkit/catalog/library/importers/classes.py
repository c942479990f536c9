"""What the label numbers of published data sets mean,
and a template's words for them in a task's order.

Orders as the data sets' own cards on the Hugging Face hub give them (``glue``, ``super_glue``,
``anli``, ``snli``, ``paws``, ``imdb``, ``rotten_tomatoes``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from evalkit.records import Task

__all__ = ["answers_on"]

_TWO = ("entailment", "not entailment")
_THREE = ("entailment", "neutral", "contradiction")
_SAME = ("not equivalent", "equivalent")
_MOOD = ("negative", "positive")
_ORDERS = {
    **dict.fromkeys(("*glue/rte*", "rte*"), _TWO),
    **dict.fromkeys(("*wnli*",), _TWO[::-1]),
    **dict.fromkeys(("*super_glue/cb", "cb"), ("entailment", "contradiction", "neutral")),
    **dict.fromkeys(("anli*", "snli*", "*mnli*", "xnli*"), _THREE),
    **dict.fromkeys(("*boolq", "*wic"), ("no", "yes")),
    "*cola": ("unacceptable", "acceptable"),
    "*qnli": _TWO,
    **dict.fromkeys(("*mrpc*", "*qqp*", "paws*"), _SAME),
    **dict.fromkeys(("*sst2*", "imdb*", "rotten_tomatoes*"), _MOOD),
}
"""Pattern of upstream names -> classes in the order of upstream's numbers."""
_WORD = re.compile(r"[a-z]+")
_SAME_AS = {"duplicate": "equivalent", "paraphrase": "equivalent", "paraphrases": "equivalent"}
"""Words of labels -> those of the classes above."""


def answers_on(task: Task, upstream: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return a template's answer words in the order of a task's labels;
    empty where the classes differ.

    Parameters
    ----------
    task
        Task that the template is to be asked on.
    upstream
        Name of the data set that it was written for.
    words
        Its answer words in the order of upstream's label numbers.

    Examples
    --------
    >>> rte = Task(name="rte", benchmark="b", reader="r", labels=("entailment", "not_entailment"))
    >>> answers_on(rte, "super_glue/rte", ["Yes", "No"])
    ('Yes', 'No')
    >>> answers_on(rte, "super_glue/cb", ["Yes", "No", "Maybe"])
    ()
    """
    orders = (order for name, order in _ORDERS.items() if fnmatchcase(upstream.lower(), name))
    classes = next(orders, ())
    folded = {word.casefold(): word for word in words}
    if {*folded} == {label.casefold() for label in task.labels}:
        return tuple(folded[label.casefold()] for label in task.labels)
    if len(classes) != len(words) or len(classes) != len(task.labels):
        return ()
    by_class = dict(zip(map(_class, classes), words, strict=True))
    found = [by_class.get(_class(label), "") for label in task.labels]
    return tuple(found) if all(found) and len({*found}) == len(found) else ()


def _class(label: str) -> tuple[bool, str]:
    """Return whether a label denies, and the stem of what it says."""
    words = [_SAME_AS.get(word, word) for word in _WORD.findall(label.lower())]
    return "not" in words, "".join(word for word in words if word != "not")[:8]
