r"""A text -> the one label it answers with, or none.

Rules in order; the first that finds a label decides, and each only where it finds exactly one:

=========== ======================================================================================
rule        what it takes
=========== ======================================================================================
whole       the text is a label, its choice's text, or both
marked      the last ``\boxed{}``, ``<answer>``, ``[[ ]]``, ``####`` or JSON field that holds one
corrected   what stands behind "wait", "I mean", "no," and the like, when that answers
stated      the last label behind "the answer is" and its like, in some twenty languages
verdict     the one label called right in a list of options
line        the one line that is a label and nothing else
opens       the label that the text begins with, unless further lines begin with others
concluded   the last label that "it is", "so" or a colon leads to
only        the one label that stands in the text at all
=========== ======================================================================================

Labels that are negated ("not A", "A is wrong") or asked ("is it A?") are no answers; where the
labels hold "X" and "not X", a negated "X" is the second. Nothing else is concluded from a negation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.records.reasoning import split_reasoning
from evalkit.scoring.reading import rules
from evalkit.scoring.reading.mentions import Label, Mention, labels_of, mentions, squeezed
from evalkit.scoring.reading.plain import plain, within_reach

__all__ = ["Reading", "read_answer"]

_MARKS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in rules.FINAL_MARKS.items()}
_CORRECTIONS = re.compile(
    "|".join(f"(?:{pattern})" for pattern in rules.CORRECTIONS.values()), re.IGNORECASE
)
_CUES = 8
"""Corrections that are looked behind, the last ones."""
_TAIL = 60
"""Characters behind a correction in which a label counts that nothing leads to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    label: int
    """Position of the label."""
    rule: str
    """Rule that found it."""


def read_answer(text: str, labels: Sequence[str], *, texts: Sequence[str] = ()) -> Reading | None:
    """Return the one label that a text answers with, and the rule that found it; None for none.

    Parameters
    ----------
    text
        What the model wrote; thoughts in ``<think>`` marks are left out.
    labels
        Labels as the model was asked for them.
    texts
        Text of the choice behind each label.

    Examples
    --------
    >>> read_answer("**Answer:** B. Lyon", ("A", "B"), texts=("Paris", "Lyon"))
    Reading(label=1, rule='stated')
    >>> read_answer("It is not A.", ("A", "B")) is None
    True
    """
    answer = within_reach(split_reasoning(text)[1])
    known = labels_of(tuple(labels), tuple(texts))
    marked, end = _marked(answer, known)
    if marked is not None:
        return Reading(marked, "marked")
    if end:  # a mark without a label: what is said outright behind it counts
        last = _by_mentions(plain(answer[end:]), known)
        return last if last is not None and last.rule == "stated" else None
    words = plain(answer)
    for rule, find in (("whole", _whole), ("corrected", _corrected)):
        if (place := find(words, known)) is not None:
            return Reading(place, rule)
    return _by_mentions(words, known)


def _one(found: Sequence[int]) -> int | None:
    """The label that all of `found` are; None when there are none or several."""
    return found[0] if found and len(set(found)) == 1 else None


def _whole(text: str, labels: tuple[Label, ...]) -> int | None:
    """Label that a text is as a whole: label, choice text, or both in either order."""
    key = squeezed(text)
    bare = squeezed(re.sub(r"^\W*(?:the|an?)\s+(?=\w{2})", "", text, flags=re.IGNORECASE))
    for forms in (_named, _texted):
        hits = [place for place, label in enumerate(labels) if {key, bare} & forms(label)]
        if hits:
            return hits[0] if key and len(hits) == 1 else None
    return None


def _named(label: Label) -> set[str]:
    return {squeezed(label.name)}


def _texted(label: Label) -> set[str]:
    name, text = squeezed(label.name), squeezed(label.text)
    bare = squeezed(re.sub(r"^(?:the|an?)\s+(?=\w{2})", "", label.text, flags=re.IGNORECASE))
    return {text, bare, name + text, text + name} if text else set()


def _marked(text: str, labels: tuple[Label, ...]) -> tuple[int | None, int]:
    """Label in the last final mark that holds one, and the end of the last mark that is not
    empty, 0 without one.
    """
    found = sorted(
        (match.start(), match.end(), match.group(1))
        for mark in _MARKS.values()
        for match in mark.finditer(text)
    )
    for _, end, content in reversed(found):
        words = plain(content)
        place = _whole(words, labels)
        if place is None and (reading := _by_mentions(words, labels)) is not None:
            place = reading.label
        if place is not None:
            return place, end
    return None, max((end for _, end, content in found if content.strip()), default=0)


def _corrected(text: str, labels: tuple[Label, ...]) -> int | None:
    """Label behind the last words that take back what was said before them."""
    for cue in reversed(list(_CORRECTIONS.finditer(text))[-_CUES:]):
        if cue.group().strip(" .,?!;-").lower() == "no" and any(
            label.name.lower() == "no" for label in labels
        ):
            continue
        tail = text[cue.end() :]
        if not tail.strip(" .,:;!?\n"):
            continue
        place = _whole(tail, labels)
        if place is None:
            found = _kept(mentions(tail, labels), labels)
            said = [mention for mention in found if mention.strong or mention.asserted]
            if not said and mentions(text[: cue.start()], labels):
                said = [mention for mention in found if mention.weak]
            if not said and len(tail) <= _TAIL:
                said = found
            place = _last_group(said)
        if place is not None:
            return place
    return None


def _by_mentions(text: str, labels: tuple[Label, ...]) -> Reading | None:
    """Reading by where labels stand and what is said of them."""
    everything = mentions(text, labels)
    found = _kept(everything, labels)
    if _only_labels(text, found):
        return None
    strong = [mention for mention in found if mention.strong]
    if strong:
        return _reading(_last_group(_with_list(strong[-1], found)), "stated")
    asserted = [mention.label for mention in found if mention.asserted]
    if asserted:
        return _reading(_one(asserted), "verdict")
    if (place := _line(text, labels)) is not None:
        return Reading(place, "line")
    if (place := _opening(text, found, everything)) is not None:
        return Reading(place, "opens")
    weak = [mention for mention in found if mention.weak]
    if weak:
        return _reading(_last_group(_with_list(weak[-1], found)), "concluded")
    return _reading(_one([mention.label for mention in found]), "only")


def _only_labels(text: str, found: Sequence[Mention]) -> bool:
    """Whether a text is several labels and nothing else."""
    left = list(text)
    for mention in found:
        left[mention.start : mention.end] = " " * (mention.end - mention.start)
    several = len({mention.label for mention in found}) > 1 and not found[-1].weak
    return several and not re.search(r"[^\W_]|[>→⇒✓✔✅☑✗✘❌✖×]", "".join(left))


def _reading(place: int | None, rule: str) -> Reading | None:
    return None if place is None else Reading(place, rule)


def _with_list(last: Mention, found: Sequence[Mention]) -> list[Mention]:
    """A mention and all that stand in one list with it."""
    return [mention for mention in found if mention.group == last.group]


def _last_group(found: Sequence[Mention]) -> int | None:
    """Label of the last list of mentions; None when that list names several."""
    return (
        _one([mention.label for mention in found if mention.group == found[-1].group])
        if found
        else None
    )


def _kept(found: Sequence[Mention], labels: tuple[Label, ...]) -> list[Mention]:
    """Mentions that can be answers; a negated label counts as the label that is its negation."""
    names = [squeezed(label.name) for label in labels]
    kept = []
    for mention in found:
        if mention.asked:
            continue
        if mention.negated:
            opposites = {f"{prefix}{names[mention.label]}" for prefix in rules.OPPOSED}
            place = next((k for k, name in enumerate(names) if name in opposites), None)
            if place is not None:
                kept.append(replace(mention, label=place, negated=False))
            continue
        kept.append(mention)
    return kept


def _line(text: str, labels: tuple[Label, ...]) -> int | None:
    """Label that is the only one to fill a line; labels alone before labels with their text."""
    lines = [line for line in text.split("\n") if line.strip()]
    bare = [_bare(line, labels) for line in lines]
    alone = [place for place in bare if place is not None]
    if alone:
        return _one(alone)
    filled = [place for line in lines if (place := _whole(line, labels)) is not None]
    return _one(filled)


def _bare(line: str, labels: tuple[Label, ...]) -> int | None:
    hits = [place for place, label in enumerate(labels) if squeezed(line) in _named(label)]
    return hits[0] if len(hits) == 1 and squeezed(line) else None


def _opens(text: str, mention: Mention) -> bool:
    """Whether a label opens a line, or a sentence in which a colon follows it."""
    before = text[: mention.start].rstrip(" \"'([{<")
    return before[-1:] in {"", "\n"} or (
        before[-1] in ".;!?" and text[mention.end :][:1] in {":", ")"}
    )


def _opening(text: str, found: Sequence[Mention], everything: Sequence[Mention]) -> int | None:
    """Label that a text begins with, where no further line begins with another and no list goes
    on.
    """
    if not found or text[: found[0].start].strip(" \"'([{<"):
        return None
    first = found[0]
    follows = text[first.end :].lstrip("\"')]}> ")
    if not re.match(r"$|[.,:;!\n–—-]|because\b|since\b|as\b|for\b|it\b|is\b|,", follows):
        return None
    others = {mention.label for mention in everything if mention.start and _opens(text, mention)}
    sentence = re.split(r"[.!?\n;](?:\s|$)", text[first.end :], maxsplit=1)[0]
    if re.match(r"\s*[,–—-]?\s*(?:because|since|as)\b", sentence):
        sentence = ""
    reach = first.end + len(sentence)
    alone = all(
        mention.label == first.label
        for mention in found
        if mention.group == first.group or mention.start < reach
    )
    return first.label if alone and others <= {first.label} else None
