"""Rules that a program can verify: does a text follow what its prompt asked for?

Four metrics: `rules_pass` (prompt level: every rule), `rules_share` (rule level: share of the
rules), and both with ``_loose``, which forgives a line before or behind and emphasis marks. A
pattern has half a second; a text counts up to 100,000 characters.

Rules stand in the task (``constraints:``) and in an instance (field ``constraints``, JSON).

References
----------
Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models" (arXiv 2311.07911),
for strict and loose, prompt and instruction level.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from evalkit.errors import ExtraMissingError, ScoringError
from evalkit.records.constraints import Constraint, constraint_problem
from evalkit.records.extraction import compiled
from evalkit.scoring.metric import Answered, Verdict

__all__ = [
    "follows",
    "loosened",
    "rules_pass",
    "rules_pass_loose",
    "rules_share",
    "rules_share_loose",
    "verdicts_of",
]

SECONDS = 0.5
LONGEST = 100_000


def _counted(number: int, rule: Constraint) -> bool:
    exactly = rule.get("exactly")
    return rule.get("at_least", 0) <= number <= rule.get("at_most", number) and (
        exactly is None or number == exactly
    )


def _count(pattern: str) -> Callable[[str, Constraint], bool]:
    return lambda text, rule: _counted(len(re.findall(pattern, text)), rule)


def _paragraphs(text: str, between: str) -> list[str]:
    return [part.strip() for part in text.split(between) if part.strip()]


def _contains(text: str, rule: Constraint) -> bool:
    flags = 0 if rule.get("cased") else re.IGNORECASE
    number = len(re.findall(rf"(?<!\w){re.escape(rule['text'])}(?!\w)", text, flags))
    asked = {key for key in ("at_least", "at_most", "exactly") if key in rule}
    return _counted(number, rule) if asked else number > 0


def _excludes(text: str, rule: Constraint) -> bool:
    word = re.escape(rule["text"])
    edge = rf"(?<!\w){word}(?!\w)" if rule["text"].isalnum() else word
    return not re.search(edge, text, 0 if rule.get("cased") else re.IGNORECASE)


def _json(text: str, _: Constraint) -> bool:
    return _value(text) is not _NONE


_NONE = object()


def _value(text: str) -> Any:
    bare = re.sub(r"\A\s*```(?:json|JSON)?\s*\n|\n?\s*```\s*\Z", "", text.strip())
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        return _NONE


def _schema(text: str, rule: Constraint) -> bool:
    try:
        from jsonschema.validators import validator_for
    except ImportError:
        raise ExtraMissingError("rule 'json_schema'", "rules") from None
    value = _value(text)
    schema = dict(rule["schema"])
    return value is not _NONE and bool(validator_for(schema)(schema).is_valid(value))


def _first_word(text: str, rule: Constraint) -> bool:
    parts = _paragraphs(text, "\n\n")
    place = rule.get("paragraph", 1)
    if rule.get("paragraphs", len(parts)) != len(parts) or not 1 <= place <= len(parts):
        return False
    word = re.match(r"\W*(\w+)", parts[place - 1])
    return word is not None and word[1].casefold() == rule["text"].casefold()


def _two(text: str, _: Constraint) -> bool:
    parts = [part.strip() for part in text.split("******")]
    return len([part for part in parts if part]) == 2 and len(set(parts) - {""}) == 2


def _pattern(text: str, rule: Constraint) -> bool:
    pattern = compiled(rule["pattern"])
    try:
        found = (pattern.fullmatch if rule.get("whole") else pattern.search)(text, timeout=SECONDS)
    except TimeoutError:
        return False
    return found is not None


def _language(text: str, rule: Constraint) -> bool:
    found = _detector().detect_language_of(text)
    code = "" if found is None else found.iso_code_639_1.name.lower()
    return bool(code == rule["code"].split("-")[0].lower())


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        raise ExtraMissingError("rule 'language'", "rules") from None
    return LanguageDetectorBuilder.from_all_languages().build()


def _automaton(text: str, rule: Constraint) -> bool:
    """Whether a finite automaton over characters accepts the text; ``*`` is any other character."""
    state, moves = rule["start"], rule["moves"]
    for character in text.strip():
        step = moves.get(state, {})
        state = step.get(character, step.get("*"))
        if state is None:
            return False
    return state in rule["accept"]


CHECKS: Mapping[str, Callable[[str, Constraint], bool]] = {
    "words": _count(r"\w+(?:['’-]\w+)*"),
    "sentences": _count(r"[^\s.!?。！？][^.!?。！？]*(?:[.!?]+(?=\s|$|[\"'”)])|[。！？]|\Z)"),
    "paragraphs": lambda text, rule: _counted(
        len(_paragraphs(text, rule.get("between", "\n\n"))), rule
    ),
    "bullets": _count(r"(?m)^\s*[*+-]\s+\S"),
    "highlights": _count(r"(?<!\*)\*{1,2}(?=[^\s*])[^*\n]+\*{1,2}(?!\*)"),
    "placeholders": _count(r"\[[^\[\]\n]+\]"),
    "capital_words": _count(r"\b[A-Z][A-Z]+\b|\b[AI]\b"),
    "sections": lambda text, rule: _counted(
        len(re.findall(rf"(?m)^\W*{re.escape(rule['text'])}\s+[\dIVXLC]+", text)), rule
    ),
    "contains": _contains,
    "letter": lambda text, rule: _counted(text.casefold().count(rule["text"].casefold()), rule),
    "excludes": _excludes,
    "starts": lambda text, rule: (
        text.strip().casefold().startswith(rule["text"].strip().casefold())
    ),
    "ends": lambda text, rule: (
        text.strip().strip("\"'").casefold().endswith(rule["text"].strip().casefold())
    ),
    "one_of": lambda text, rule: any(one in text for one in rule["texts"]),
    "first_word": _first_word,
    "postscript": lambda text, rule: (
        re.search(rf"(?im)^\s*{re.escape(rule['text'])}\s*\S", text) is not None
    ),
    "title": lambda text, _: re.search(r"<<[^\n<>]*\S[^\n<>]*>>", text) is not None,
    "upper": lambda text, _: text.isupper(),
    "lower": lambda text, _: text.islower(),
    "quoted": lambda text, _: (
        len(text.strip()) > 1 and text.strip()[0] == '"' and text.strip()[-1] == '"'
    ),
    "json": _json,
    "json_schema": _schema,
    "two_answers": _two,
    "language": _language,
    "regex": _pattern,
    "automaton": _automaton,
}
"""Rule -> whether a text follows it."""


def follows(text: str, rule: Constraint) -> bool:
    """Return whether a text follows one rule; an empty text follows none.

    Examples
    --------
    >>> follows("Three short words", {"rule": "words", "exactly": 3})
    True
    >>> follows(
    ...     "ab",
    ...     {
    ...         "rule": "automaton",
    ...         "start": "0",
    ...         "accept": ["1"],
    ...         "moves": {"0": {"a": "0", "b": "1"}},
    ...     },
    ... )
    True
    """
    return bool(text.strip()) and CHECKS[rule["rule"]](text[:LONGEST], rule)


def loosened(text: str) -> list[str]:
    """Return the texts that a loose reading tries:
    without emphasis marks, first line, last line, and their combinations.
    """
    lines = text.split("\n")
    forms = [text, *("\n".join(part) for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(
        dict.fromkeys(one.strip() for form in forms for one in (form, form.replace("*", "")))
    )


def _any_of(text: str, rule: Constraint) -> bool:
    return any(follows(form, rule) for form in loosened(text))


@lru_cache(maxsize=100_000)
def _own(told: str, where: str) -> tuple[Constraint, ...]:
    """The rules of an instance, checked."""
    try:
        rules = json.loads(told)
        problems = [problem for rule in rules if (problem := constraint_problem(rule))]
    except (ValueError, TypeError, AttributeError) as error:
        raise ScoringError(
            f"instance {where}: its constraints are no JSON list of rules ({error})."
        ) from None
    if problems:
        raise ScoringError(f"instance {where}: {problems[0]}")
    return tuple(rules)


def _rules_of(answered: Answered) -> tuple[Constraint, ...]:
    told = answered.instance.fields.get("constraints", "[]")
    return (*answered.constraints, *_own(told, answered.instance.id))


def verdicts_of(answered: Answered) -> list[tuple[bool, bool]]:
    """Return of every rule whether the text follows it, and whether a loosened form does;
    empty without a text or rules.
    """
    text = answered.text
    if text is None:
        return []
    return [(follows(text, rule), _any_of(text, rule)) for rule in _rules_of(answered)]


def _judged(
    answered: Answered, passes: Callable[[str, Constraint], bool], *, whole: bool
) -> Verdict:
    text = answered.text
    if text is None:
        return Verdict(score=None, prediction=None, status="missing")
    kept = [passes(text, rule) for rule in _rules_of(answered)]
    if not kept:
        raise ScoringError(
            f"instance {answered.instance.id!r} has no rules; a task whose metric verifies rules "
            "names them under 'constraints', or its instances do."
        )
    score = float(all(kept)) if whole else sum(kept) / len(kept)
    return Verdict(
        score=score,
        prediction="".join("+" if one else "-" for one in kept),
        status="ok" if text.strip() else "unparsed",
    )


def rules_pass(answered: Answered) -> Verdict:
    """Return 1 when the text follows every rule, else 0 (prompt level, strict)."""
    return _judged(answered, follows, whole=True)


def rules_share(answered: Answered) -> Verdict:
    """Return the share of the rules that the text follows (rule level, strict)."""
    return _judged(answered, follows, whole=False)


def rules_pass_loose(answered: Answered) -> Verdict:
    """Return 1 when, for every rule, some loosened form of the text follows it, else 0."""
    return _judged(answered, _any_of, whole=True)


def rules_share_loose(answered: Answered) -> Verdict:
    """Return the share of the rules that some loosened form of the text follows."""
    return _judged(answered, _any_of, whole=False)
