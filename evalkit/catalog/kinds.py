"""What kind of file a parsed YAML file is, told by its keys;
and a file of another kind than expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.catalog.yaml_file import YamlFile
from evalkit.errors import CatalogError

__all__ = ["kind_of", "refuse_other_kind"]

_TAKEN_BY = {
    "task": "a task file, which --tasks takes",
    "phrasings": "a phrasing file, which --phrasing-file takes",
    "suite": "a suite file, which --suite takes",
    "model": "a model file, which --model takes",
    "policy": "a gate policy, which 'evalkit gate --policy' takes",
    "known models": "a list of known models",
}
"""Kind -> what it is and where it belongs."""


_MARKS: Mapping[str, frozenset[str]] = {
    "phrasings": frozenset({"defaults"}),
    "known models": frozenset({"models"}),
    "task": frozenset({"benchmark", "reader", "metric"}),
    "model": frozenset({"backend", "tuned_on", "chat_template", "dtype"}),
    "suite": frozenset({"tasks", "sources", "kinds", "limit", "shots"}),
    "policy": frozenset(
        {
            "rules",
            "waivers",
            "correction",
            "level",
            "power",
            "min_power",
            "inconclusive",
            "allow_limited",
        }
    ),
}
"""Kind -> keys that speak for it, most telling kind first on a tie."""


def kind_of(value: Any) -> str | None:
    """Return the kind of file a parsed value is; None when nothing speaks for any.

    Examples
    --------
    >>> kind_of({"name": "x", "benchmark": "mine", "reader": "table"})
    'task'
    >>> kind_of([{"id": "a", "text": "b"}])
    'phrasings'
    """
    if isinstance(value, list):
        return "phrasings"
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("phrasings"), list) and not {"benchmark", "reader"} & value.keys():
        return "phrasings"
    votes = {kind: len(marks & value.keys()) for kind, marks in _MARKS.items()}
    best = max(votes, key=lambda kind: votes[kind])
    return best if votes[best] else None


def refuse_other_kind(file: YamlFile, expected: str) -> None:
    """Raise CatalogError, in one line, for a file that is plainly of another kind.

    Parameters
    ----------
    file
        As it was parsed.
    expected
        One of the kinds of `kind_of`.
    """
    told = kind_of(file.value)
    keys = file.value.keys() if isinstance(file.value, dict) else set()
    if told in (None, expected) or _MARKS[expected] & keys:
        return
    wanted = _TAKEN_BY[expected].split(",")[0]
    raise CatalogError([f"{file.at(())}: is {_TAKEN_BY[str(told)]}; {wanted} is expected here."])
