"""Edits of a text: what a correction changes, against what it should change.

An edit is a span of tokens of the source and what stands in its place. Those of an answer come from
an alignment of its tokens with the source's; those of the references from an M2 file
(`evalkit.catalog.readers.m2`) or from the same alignment of a reference text.

References
----------
Dahlmeier and Ng 2012, "Better Evaluation for Grammatical Error Correction": precision, recall and
F0.5 of edits, the best annotator counts. Their scorer searches for the alignment that is kindest to
the answer; here it is the one of difflib, and edits that touch are one edit on
both sides, so a half-right pair of neighbours counts as wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evalkit.phrasings.edit_lists import Edit, applied, edits_between
from evalkit.scoring.metric import MISSING, Answered, Verdict

__all__ = [
    "Edit",
    "Matched",
    "edit_f05",
    "edit_list_f05",
    "edits",
    "edits_between",
    "joined",
    "matched",
    "span_ratio",
]


class Matched(NamedTuple):
    """How two sets of edits agree."""

    both: int
    """Edits in both."""
    made: int
    """Edits of the answer."""
    wanted: int
    """Edits of the reference."""

    @property
    def precision(self) -> float:
        """Return the share of edits made that are wanted; 1 when none is made."""
        return self.both / self.made if self.made else 1.0

    @property
    def recall(self) -> float:
        """Return the share of wanted edits that are made; 1 when none is wanted."""
        return self.both / self.wanted if self.wanted else 1.0

    def f(self, beta: float = 0.5) -> float:
        """Return F of precision and recall, recall weighing beta times as much; 0 when both are 0.

        >>> Matched(both=2, made=3, wanted=4).f().__round__(4)
        0.625
        """
        precision, recall, square = self.precision, self.recall, beta * beta
        below = square * precision + recall
        return (1 + square) * precision * recall / below if below else 0.0


def joined(edits: Sequence[Edit]) -> frozenset[Edit]:
    """Return edits with those that touch made one, as an alignment gives them.

    >>> sorted(joined([Edit(1, 2, "was"), Edit(2, 3, "")]))
    [Edit(start=1, end=3, text='was')]
    """
    found: list[Edit] = []
    for edit in sorted(edits):
        if found and edit.start <= found[-1].end:
            last = found.pop()
            text = " ".join(filter(None, (last.text, edit.text)))
            edit = Edit(last.start, max(last.end, edit.end), text)
        found.append(edit)
    return frozenset(found)


def matched(made: frozenset[Edit], wanted: Sequence[frozenset[Edit]]) -> Matched:
    """Return the agreement with the annotator whose edits give the best F0.5;
    the first of equals.
    """
    found = [Matched(len(made & one), len(made), len(one)) for one in wanted]
    return max(found, key=lambda one: one.f())


def _wanted(answered: Answered, source: str) -> list[frozenset[Edit]]:
    """Edits as annotators wrote them, and as the alignment finds them in their corrections: of two
    equal words either may be the one that is taken out.
    """
    told = answered.instance.fields.get("edits", "")
    written = [
        joined([Edit(int(start), int(end), str(text)) for start, end, text in one])
        for one in (json.loads(told) if told else ())
    ]
    return [*written, *(edits_between(source, one) for one in answered.instance.references)]


def edit_f05(answered: Answered) -> Verdict:
    """Return F0.5 of the edits that the first line of an answer makes to the field ``source``,
    against the best annotator.

    Without that field it is ``question`` that is corrected. An empty answer is unparsed.
    """
    if answered.text is None:
        return MISSING
    lines = answered.text.strip().split("\n", 1)
    fields = answered.instance.fields
    source = fields.get("source", fields.get("question", ""))
    if not lines[0]:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    found = matched(edits_between(source, lines[0]), _wanted(answered, source))
    return Verdict(score=found.f(), prediction=" ".join(lines[0].split()))


def edit_list_f05(answered: Answered) -> Verdict:
    """Return `edit_f05` of the text that an answer makes, also where the answer is a list of
    changes (factor ``recast`` is ``edits``).

    An entry that changes what the text does not hold is an edit made and not wanted.
    """
    if answered.text is None or answered.instance.factors.get("recast") != "edits":
        return edit_f05(answered)
    source = answered.instance.fields["source"]
    listing = answered.text.strip().split("\n", 1)[0]
    if not listing:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    new, lost = applied(source, listing)
    made = edits_between(source, new) | {Edit(-1 - at, -1 - at, "") for at in range(lost)}
    return Verdict(score=matched(made, _wanted(answered, source)).f(), prediction=new)


def edits(answered: Answered, verdict: Verdict) -> Mapping[str, float]:
    """Precision and recall of the edits of an answer's first line,
    and how long it would be written as edits.

    ``span_ratio`` is cut at 1, where writing the text anew is no longer.
    """
    fields = answered.instance.fields
    source = fields.get("source", fields.get("question", ""))
    said = (answered.text or "").strip().split("\n", 1)[0]
    if not said or answered.instance.factors.get("recast") == "edits":
        return {}
    found = matched(edits_between(source, said), _wanted(answered, source))
    return {
        "edit_precision": found.precision,
        "edit_recall": found.recall,
        "span_ratio": min(1.0, span_ratio(source, said)),
    }


def span_ratio(source: str, text: str) -> float:
    """Return how much shorter a change is to write as edits:
    tokens of the edits over tokens of the text.

    Each edit counts the tokens it brings and two for its place. NaN for an empty text.

    >>> span_ratio("He go to school by bus", "He goes to school by bus")
    0.5
    """
    size = len(text.split())
    cost = sum(2 + len(edit.text.split()) for edit in edits_between(source, text))
    return cost / size if size else float("nan")
