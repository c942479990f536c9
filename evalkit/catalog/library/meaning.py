"""Does a paraphrase still ask what the original asks? Validators with a score, a threshold and a
verdict.

A validator is a function (original, candidate, label words) -> `Verdict`; a paraphrase passes when
all do. The four here need no model: slots, label words, negation, length. They catch what breaks a
task mechanically and little else. `evalkit.catalog.library.validators` has the fitted combination
of many signs, and those that ask an encoder, an NLI model or a language model. Error rates are in
docs/meaning.md; `calibrate` measures any validator on hand-made pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.errors import CatalogError
from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.templates import slots
from evalkit.records import Meaning, Phrasing

__all__ = [
    "MODEL_FREE",
    "Pair",
    "Rates",
    "Validator",
    "Verdict",
    "calibrate",
    "calibration_pairs",
    "check_meaning",
    "labels_kept",
    "length_ratio",
    "negation_kept",
    "slots_kept",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one validator says of one paraphrase."""

    validator: str
    """Name."""
    score: float
    """Score in [0, 1]; 1 is best."""
    threshold: float
    """Least score that passes."""
    note: str = ""
    """What was lost or added."""

    @property
    def passed(self) -> bool:
        """Return whether the score reaches the threshold."""
        return self.score >= self.threshold


Validator = Callable[[Phrasing, Phrasing, Sequence[str]], Verdict]
_NEGATIONS = """
not no never none nor neither nothing nobody nowhere cannot cant dont doesnt didnt isnt arent wasnt
werent wont wouldnt shouldnt couldnt mustnt without except unless avoid refrain false incorrect
wrong untrue least fewest lowest worst opposite ignore disregard
"""
_NEGATING = frozenset(_NEGATIONS.split())
_WORDY = 6
"""Words plus 2 of an instruction that a single word cannot stand for."""
_FORMS = {"n't": " not", "n’t": " not"}
_SINGLE = re.compile(r"(?<![\w'’])[A-J](?![\w'’])")


def _words(phrasing: Phrasing) -> list[str]:
    """Return the words outside slots, contractions of ``not`` written out."""
    text = " ".join(pieces_of(phrasing.text))
    for form, plain in _FORMS.items():
        text = text.replace(form, plain)
    return normalised_words(text)


def slots_kept(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
    """Return the share of slots that both share, out of all either has; 1 is needed."""
    try:
        first, second = slots(original.text), slots(candidate.text)
    except CatalogError as error:
        return Verdict(validator="slots", score=0.0, threshold=1.0, note=str(error))
    union = first | second
    note = ", ".join(
        [
            *(f"lost {name}" for name in sorted(first - second)),
            *(f"added {name}" for name in sorted(second - first)),
        ]
    )
    return Verdict(
        validator="slots",
        score=len(first & second) / len(union) if union else 1.0,
        threshold=1.0,
        note=note,
    )


def _named(phrasing: Phrasing, labels: Sequence[str]) -> set[str]:
    """Return the label words and quoted words a phrasing names; single letters as written."""
    quoted = {phrasing.text[start:end] for start, end in protected_spans(phrasing.text)}
    words = {
        " ".join(normalised_words(text))
        for text in quoted
        if text[:1] in "'\"‘“" and text[1:-1].strip()
    }
    folded = f" {' '.join(normalised_words(phrasing.text))} "
    words |= {
        " ".join(normalised_words(label))
        for label in labels
        if len(label) > 1 and f" {' '.join(normalised_words(label))} " in folded
    }
    words |= {
        match.group()
        for match in _SINGLE.finditer(phrasing.text)
        if match.group() not in {"A", "I"} or match.group() in labels
    }
    return words - {""}  # a quoted mark, such as "_", is no word


def labels_kept(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
    """Return the share of named answers (label words, quoted words, letters) that both share.

    1 is needed.
    """
    first, second = _named(original, labels), _named(candidate, labels)
    missing = {
        word
        for word in first - second
        if f" {word} " not in f" {' '.join(normalised_words(candidate.text))} "
    }
    extra = {
        word
        for word in second - first
        if f" {word} " not in f" {' '.join(normalised_words(original.text))} "
    }
    total = len(first | second)
    note = ", ".join(
        [
            *(f"lost {word!r}" for word in sorted(missing)),
            *(f"added {word!r}" for word in sorted(extra)),
        ]
    )
    return Verdict(
        validator="labels",
        score=1 - len(missing | extra) / total if total else 1.0,
        threshold=1.0,
        note=note,
    )


def negation_kept(original: Phrasing, candidate: Phrasing, labels: Sequence[str]) -> Verdict:
    """Return 1 when both have or both lack an odd number of negating words, else 0; 1 is needed.

    Answer words (``false``, ``wrong``, ...) count only where they are not among the labels or
    paired with their positive.
    """
    named = {word for label in labels for word in normalised_words(label)}

    def count(phrasing: Phrasing) -> Counter[str]:
        words = _words(phrasing)
        paired = {"false"} if "true" in words else set()
        paired |= {"incorrect"} if words.count("correct") else set()
        paired |= {"wrong"} if "right" in words else set()
        whether = " or not" in f" {' '.join(words)}"
        found = Counter(
            word for word in words if word in _NEGATING and word not in named and word not in paired
        )
        found["not"] -= int(whether and found["not"] > 0)
        return +found

    first, second = count(original), count(candidate)
    same = (sum(first.values()) > 0) == (sum(second.values()) > 0) and sum(
        first.values()
    ) % 2 == sum(second.values()) % 2
    note = (
        ""
        if same
        else f"negating words {sorted(first.elements())} became {sorted(second.elements())}"
    )
    return Verdict(validator="negation", score=float(same), threshold=1.0, note=note)


def length_ratio(
    original: Phrasing, candidate: Phrasing, labels: Sequence[str], *, threshold: float = 0.25
) -> Verdict:
    """Return the shorter over the longer number of words (both plus 2,
    so that terse instructions may differ); 1/4 is needed.
    """
    first, second = len(_words(original)) + 2, len(_words(candidate)) + 2
    if second == 2:
        return Verdict(validator="length", score=0.0, threshold=threshold, note="no words are left")
    if second == 3 and first >= _WORDY:
        return Verdict(validator="length", score=0.0, threshold=threshold, note="one word is left")
    note = f"{first - 2} words became {second - 2}"
    return Verdict(
        validator="length",
        score=min(first, second) / max(first, second),
        threshold=threshold,
        note=note,
    )


MODEL_FREE: tuple[Validator, ...] = (slots_kept, labels_kept, negation_kept, length_ratio)
"""Validators that need nothing but the texts."""


def check_meaning(
    original: Phrasing,
    candidate: Phrasing,
    *,
    validators: Iterable[Validator] = MODEL_FREE,
    labels: Sequence[str] = (),
    on: str = "",
) -> Meaning:
    """Return the result of all validators as it is recorded on a phrasing.

    ``checked`` when every validator passes, ``doubtful`` with the reasons otherwise; the score is
    the least margin's score.

    Parameters
    ----------
    original, candidate
        The phrasing and its paraphrase.
    validators
        What is asked; at least one.
    labels
        Label words of the task.
    on
        Date, ISO 8601.
    """
    verdicts = [validator(original, candidate, labels) for validator in validators]
    worst = min(verdicts, key=lambda verdict: verdict.score - verdict.threshold)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    reasons = [
        (
            f"{verdict.validator} {verdict.score:.2f} < "
            f"{verdict.threshold:g}{f' ({verdict.note})' if verdict.note else ''}"
        )
        for verdict in failed
    ]
    return Meaning(
        status="doubtful" if failed else "checked",
        by=" ".join(verdict.validator for verdict in verdicts),
        on=on,
        score=round(worst.score, 4),
        note="; ".join(reasons),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two wordings and whether they ask the same."""

    original: str
    """Instruction."""
    candidate: str
    """What is offered as its paraphrase."""
    same: bool
    """Whether a careful person would answer both alike."""
    labels: tuple[str, ...] = ()
    """Label words of the task."""
    fault: str = ""
    """What is wrong with a bad one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often validators are wrong on pairs whose answer is known."""

    good: int
    """Good paraphrases."""
    refused: int
    """Good ones that a validator refused."""
    bad: int
    """Bad paraphrases."""
    passed: int
    """Bad ones that every validator passed."""


def calibration_pairs() -> list[Pair]:
    """Return the hand-made good and bad paraphrases that ship with evalkit."""
    from evalkit.catalog.yaml_file import parse_yaml

    text = (files("evalkit.catalog.library") / "calibration.yaml").read_text(encoding="utf-8")
    value = parse_yaml(text, "calibration.yaml").value
    return [
        Pair(
            original=entry["original"],
            candidate=candidate["text"] if isinstance(candidate, dict) else candidate,
            same=same,
            labels=tuple(entry.get("labels", ())),
            fault=candidate["fault"] if isinstance(candidate, dict) else "",
        )
        for entry in value
        for key, same in (("good", True), ("bad", False))
        for candidate in entry.get(key, ())
    ]


def calibrate(validators: Iterable[Validator], pairs: Iterable[Pair] | None = None) -> Rates:
    """Return the error counts of validators (all of which must pass) on pairs.

    The shipped ones when None.
    """
    wanted = list(validators)
    good = refused = bad = passed = 0
    for pair in calibration_pairs() if pairs is None else pairs:
        first = Phrasing(id="original", text=pair.original, source="evalkit")
        second = Phrasing(id="candidate", text=pair.candidate, source="evalkit")
        accepted = all(validator(first, second, pair.labels).passed for validator in wanted)
        good += pair.same
        refused += pair.same and not accepted
        bad += not pair.same
        passed += accepted and not pair.same
    return Rates(good=good, refused=refused, bad=bad, passed=passed)
