"""Labels in a text, and for each whether it is stated, asserted, rejected or only asked about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from evalkit.scoring.reading import rules
from evalkit.scoring.reading.plain import plain

__all__ = ["Label", "Mention", "labels_of", "leads_to", "mentions", "squeezed", "stated_rest"]

WORD = (
    r"0-9A-Za-z_\u00aa\u00b5\u00ba\u00c0-\u024f\u0370-\u060b\u060d-\u061a\u061c-\u061e"
    r"\u0620-\u0963\u0966-\u1fff"
)
"""Characters that a word of an alphabet goes on with;
those of Chinese, Japanese and Korean are not, nor are the stops of Arabic and Hindi.
"""
_BEFORE, _AFTER = rf"(?<![{WORD}])", rf"(?![{WORD}])"
_LEFT, _RIGHT = 120, 80
"""Characters looked at on either side of a label."""
_FAR, _VERDICT = 2000, 200
"""Characters behind a label in which the end of its sentence, and a verdict, are looked for;
else an answer of one repeated letter would be looked through once per letter."""
_HEAD, _TAIL = 200, 800
"""Letters and numbers at the beginning and the end that are asked whether they are labels; of
labels that are words, as many of the first at either end."""
_ENDS = re.compile(
    r"\s*(?:$|[.,;:!?()\]}\"'>\n–—-]|(?:because|since|as|for|and|or|but|not|rather|here|indeed|is"
    r"|are|was|it|so|after|based|given|which|that|can|could|may|might|must|should|would|will|seems"
    r"|looks|fits)\b|[^\x00-\u1fff])"
)
"""What may follow a letter, a digit or a short word that is a label and not part of a phrase."""
_BREAKS_OFF = re.compile(
    r"\s*(?:is|are|was|were|seems|would|could|can|has|does|because|since|which)\s*\Z"
)
"""What behind a label says that the text ends before anything is said of it."""
_OPENS_SENTENCE = re.compile(
    r"\s+(?:it|he|she|they|we|i|you|this|that|these|those|there|the|a|an|because|since|as|in|but"
    r"|\w+n't|is|does)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label as it may be written."""

    name: str
    """The label itself, without brackets and mark-up."""
    text: str
    """Text of its choice; empty when it is the label."""

    @property
    def short(self) -> bool:
        """Return whether the label is a letter or a number,
        which stand in texts for other reasons, too.
        """
        return self.name.isascii() and (len(self.name) == 1 or self.name.isdigit())


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a label stands."""

    label: int
    """Position of the label."""
    start: int
    """First character."""
    end: int
    """Last character + 1."""
    strong: bool = False
    """Whether the text says outright that the answer follows."""
    weak: bool = False
    """Whether something leads to it."""
    asserted: bool = False
    """Whether a verdict calls it right."""
    negated: bool = False
    """Whether it is called wrong."""
    asked: bool = False
    """Whether it stands in a question, in a condition, or before the text breaks off."""
    group: int = 0
    """Number of the list it stands in; lists of one have a number too."""


def squeezed(text: str) -> str:
    """Return letters and digits of a text in small letters, signs and points of numbers kept.

    >>> squeezed(' "Not  Entailed". '), squeezed("-1.5")
    ('notentailed', '-1.5')
    """
    found = re.findall(r"(?<!\w)-(?=\d)|(?<=\d)[.,:/](?=\d)|[^\W_]", text.casefold())
    return "".join(found)


@lru_cache(maxsize=4096)
def labels_of(labels: tuple[str, ...], texts: tuple[str, ...]) -> tuple[Label, ...]:
    """Return labels as they may be written."""
    found = []
    for place, label in enumerate(labels):
        name = plain(label).strip("()[]{}.:*\"' ")
        text = plain(texts[place]) if place < len(texts) else ""
        found.append(Label(name, "" if squeezed(text) == squeezed(name) else text))
    return tuple(found)


def _any(patterns: Mapping[str, str], *, ahead: bool = False) -> re.Pattern[str]:
    """One pattern for a list of rules; those that stand before a label end where it begins."""
    joined = "|".join(f"(?:{pattern})" for pattern in patterns.values())
    return re.compile(
        f"(?:{joined})" if ahead else rf"(?:{joined})[\s\"'‘“(\[{{<]*$", re.IGNORECASE
    )


_LEADS = _any(rules.STRONG, ahead=True)
_STRONG, _WEAK = _any(rules.STRONG), _any(rules.WEAK)
_NEGATES, _REJECTS_BEFORE = _any(rules.NEGATES), _any(rules.REJECTS_BEFORE)
_ASSERTS_BEFORE = _any(rules.ASSERTS_BEFORE)
_REJECTS, _ASSERTS = _any(rules.REJECTS, ahead=True), _any(rules.ASSERTS, ahead=True)
_NOT_LABELS = re.compile(rules.NOT_LABELS, re.IGNORECASE)
_ELSEWHERE = re.compile(rules.LEADS_ELSEWHERE, re.IGNORECASE)
_WOULD_BE, _IF = (re.compile(pattern, re.IGNORECASE) for pattern in rules.HYPOTHESES)
_DESCRIBES = re.compile(rules.DESCRIBES, re.IGNORECASE)
_ORDINAL = re.compile(
    rf"\bthe ({'|'.join(rules.ORDINALS)}) (?:one|option|choice|alternative)\b", re.IGNORECASE
)
_SCALE = re.compile(r"\d\s*(?:/|out of)\s*$")
_OF_SCALE = re.compile(r"\s*(?:/|out of\b)\s*\d")
_GLOSSED = re.compile(r"\s*[-–—:(]\s*[^\W\d]{2}")
"""A rating with its largest one before or behind it, or with its meaning behind it."""
_JOINS = re.compile(rules.JOINS, re.IGNORECASE)
_LISTED = re.compile(rf"(?<![{WORD}])[A-Z](?:{rules.JOINS})$")
_SENTENCE = re.compile(r"[.!?。！？;\n]+(?=\s|$|[^\x00-\u1fff])|\n")


@lru_cache(maxsize=4096)
def _words(labels: tuple[Label, ...]) -> tuple[re.Pattern[str] | None, dict[str, int]]:
    """Pattern of labels and choice texts that are words, longest first, and whose they are."""
    owners: dict[str, int] = {}
    for own_text in (False, True):
        for place, label in enumerate(labels):
            form = label.text if own_text else label.name
            key = squeezed(form)
            if key and not (label.short and not own_text) and not (len(key) == 1 and key.isascii()):
                owners.setdefault(key, place)
    if not owners:
        return None, owners
    forms = {form for label in labels for form in (label.name, label.text)}
    for place, label in enumerate(labels):
        key = squeezed(label.name)
        non = (f"non{label.name[4:]}",) if label.name.lower().startswith("not ") else ()
        for form in (*rules.INFLECTED.get(key, ()), *non):
            if owners.setdefault(squeezed(form), place) == place:
                forms.add(form)
    kept = sorted((form for form in forms if squeezed(form) in owners), key=len, reverse=True)
    return re.compile("|".join(map(_form, kept)), re.IGNORECASE), owners


def _form(form: str) -> str:
    """Pattern of one form; words of an alphabet have bounds, others have none."""
    body = r"[\s_-]*".join(re.escape(word) for word in re.split(r"[\s_-]+", form))
    before = _BEFORE if re.match(rf"[{WORD}]", form) else ""
    after = _AFTER if re.match(rf"[{WORD}]", form[-1]) else ""
    return f"{before}{body}{after}"


def _counts(labels: Sequence[Label]) -> bool:
    """Whether the labels are the letters from A or the numbers from 1 on."""
    names = [label.name.upper() for label in labels]
    return any(names == [chr(ord(first) + k) for k in range(len(names))] for first in ("A", "1"))


def leads_to(text: str, place: int) -> bool:
    """Return whether what stands before a place of a text says outright that the answer follows."""
    left = text[max(0, place - _LEFT) : place]
    return _STRONG.search(left) is not None and _ELSEWHERE.search(left) is None


def stated_rest(line: str) -> str:
    """Return what stands behind the last words of a line that say outright that the answer follows;
    empty without such words.

    >>> stated_rest("So the answer is 5:30 PM."), stated_rest("5:30 PM")
    ('5:30 PM.', '')
    """
    last = ""
    for found in _LEADS.finditer(line):
        last = line[found.end() :]
    return last.strip()


def mentions(text: str, labels: tuple[Label, ...]) -> list[Mention]:
    """Return every place of a plain text where a label stands, in order, with what is said of it.

    Parameters
    ----------
    text
        As `evalkit.scoring.reading.plain.plain` returns it.
    labels
        The labels.
    """
    for pattern in rules.IDIOMS.values():
        text = re.sub(pattern, lambda found: " " * len(found.group()), text, flags=re.IGNORECASE)
    found = sorted(_found(text, labels), key=lambda mention: mention.start)
    judged = [_judged(text, mention, labels) for mention in _apart(text, found)]
    return _over_lists(text, judged)


def _found(text: str, labels: tuple[Label, ...]) -> Iterator[Mention]:
    """Places of labels, words first; short ones only where they are meant as labels."""
    pattern, owners = _words(labels)
    taken: list[tuple[int, int]] = []
    named = list(pattern.finditer(text)) if pattern is not None else []
    for match in named if len(named) <= 2 * _HEAD else (*named[:_HEAD], *named[-_HEAD:]):
        place = owners[squeezed(match.group())]
        if labels[place].name.lower() == "no" and not _is_no(text, match.start(), match.end()):
            continue
        taken.append(match.span())
        yield Mention(place, *match.span())
    shorts = {label.name.upper(): place for place, label in enumerate(labels) if label.short}
    if not shorts:
        return
    for match in _ORDINAL.finditer(text) if _counts(labels) else ():
        place = rules.ORDINALS.index(match[1].lower())
        if place < len(labels):
            taken.append(match.span())
            yield Mention(place, *match.span())
    alone = list(
        re.finditer(rf"(?<![{WORD}.,])(?<!\w')(?:[A-Za-z]|\d+){_AFTER}(?!'\w|[.,]\d)", text)
    )
    for match in alone if len(alone) <= _HEAD + _TAIL else (*alone[:_HEAD], *alone[-_TAIL:]):
        shown = shorts.get(match.group().upper())
        inside = any(start <= match.start() < end for start, end in taken)
        if shown is not None and not inside and _is_label(text, match, labels[shown]):
            yield Mention(shown, *match.span())


def _is_no(text: str, start: int, end: int) -> bool:
    """Whether "no" is an answer and not the article of a noun."""
    opens = not text[:start].strip() or text[:start].rstrip(" \"'([")[-1:] in ".!?:;\n"
    return _ENDS.match(text, end) is not None or (
        opens and _OPENS_SENTENCE.match(text, end) is not None
    )


def _is_label(text: str, match: re.Match[str], label: Label) -> bool:
    """Whether a letter or number is meant as a label."""
    left, right = (
        text[max(0, match.start() - _LEFT) : match.start()],
        text[match.end() : match.end() + _VERDICT],
    )
    if label.text and squeezed(right[: len(label.text) + 12]).startswith(squeezed(label.text)):
        return True
    if _NOT_LABELS.search(left):
        return False
    in_brackets = left[-1:] in {"(", "[", "{", "<", '"', "'"} and right[:1] in set(")]}>\"'")
    line_start = not left.rstrip(" ") or left.rstrip(" ").endswith("\n")
    marked = right[:1] in {")", ":"} and (line_start or left.endswith((". ", "; ")))
    marks = re.compile(r"\s?[✗✘❌✖×✓✔✅☑]")
    if in_brackets or marked or marks.match(right) or re.search(r"[✗✘❌✖×✓✔✅☑]\s?$", left):
        return True
    if match.group().isupper() and _LISTED.search(left) and right[:1] == " ":
        return True
    ends = _ENDS.match(right) is not None
    article = match.group() in {"a", "A", "i", "I"}
    verdict = _REJECTS.match(right) or _ASSERTS.match(right)
    if _STRONG.search(left) or left.rstrip().lower().endswith(rules.COUNTED):
        return ends or bool(verdict) or not (article or match.group().islower())
    if match.group().isupper() and verdict and not (article and right[:1] != " "):
        return True
    if match.group().isdigit() and _SCALE.search(left):
        return False
    if match.group().isdigit() and (
        _OF_SCALE.match(right)
        or (not left and _GLOSSED.match(right))
        or (ends and _WEAK.search(left))
    ):
        return True
    if match.group().isdigit() and verdict and not re.match(r"\s*(?:are|were)\b", right):
        return True
    if match.group().isdigit() or match.group().islower():
        return line_start and right[:1] in {")", "."} and match.group().islower()
    if article:
        if not right and left and not (_WEAK.search(left) or line_start):
            return False  # the text was cut off before a noun
        return (
            re.match(r"\s*(?:[.,;:!?)\]–—]|$|\n|and\b|or\b|but\b|nor\b|as\b|rather\b|[/&])", right)
            is not None
        )
    return ends or right[:1] == "/" or left[-1:] == "/"


def _apart(text: str, found: Sequence[Mention]) -> list[Mention]:
    """Mentions without the choice text that follows its own or another letter:
    the letter counts.
    """
    kept: list[Mention] = []
    for mention in found:
        between = text[kept[-1].end : mention.start] if kept else None
        if between is not None and re.fullmatch(
            r"[\"')\]}]*\s?[.:,)–-]?\s?[(\"']*(?:the |a )?", between
        ):
            short = kept[-1].end - kept[-1].start <= 2
            if short and mention.end - mention.start > 2 and "\n" not in between:
                kept[-1] = replace(kept[-1], end=mention.end)
                continue
        kept.append(mention)
    return kept


def _judged(text: str, mention: Mention, labels: tuple[Label, ...]) -> Mention:
    """A mention with what stands before and behind it."""
    wide = text[max(0, mention.start - _LEFT) : mention.start]
    breaks = [found.end() for found in _SENTENCE.finditer(wide)]
    near = wide[breaks[-1] :] if breaks else wide
    right = text[mention.end : mention.end + _RIGHT]
    end = _SENTENCE.search(text, mention.end, mention.end + _FAR)
    rest = text[mention.end : end.start() if end else mention.end + _FAR]
    words = {squeezed(label.name) for label in labels}
    line = right.split("\n", 1)[0]
    rejects, asserts = _REJECTS.match(line), _ASSERTS.match(line)
    # a verdict that is a label itself ("negative; no") says nothing of the label before it
    rejects = None if rejects and _last_word(rejects.group()) in words else rejects
    asserts = None if asserts and _last_word(asserts.group()) in words else asserts
    before = wide.split("\n")[-1]
    counted = wide.rstrip().lower().endswith(rules.COUNTED)
    told = counted and not asserts and _DESCRIBES.match(right) is not None
    negated = bool(_NEGATES.search(near) or _REJECTS_BEFORE.search(before) or rejects)
    return replace(
        mention,
        strong=not told and leads_to(text, mention.start),
        weak=not told and bool(_WEAK.search(wide)),
        asserted=bool((asserts and not rejects) or _ASSERTS_BEFORE.search(before)),
        negated=negated,
        asked=bool(
            (end and "?" in end.group() and (rest.strip() or wide.strip()))
            or _BREAKS_OFF.match(text, mention.end)
            or (_WOULD_BE.search(near) and _IF.match(right))
        ),
    )


def _last_word(text: str) -> str:
    return squeezed(re.split(r"[\s:=,–—-]+", text.strip())[-1])


def _over_lists(text: str, found: list[Mention]) -> list[Mention]:
    """Mentions numbered by list; what is said of the first or the last of a list holds for all."""
    groups: list[list[Mention]] = []
    for mention in found:
        joined = groups and _JOINS.fullmatch(text, groups[-1][-1].end, mention.start)
        if joined:
            groups[-1].append(mention)
        else:
            groups.append([mention])
    out = []
    for number, group in enumerate(groups):
        head, tail = group[0], group[-1]
        for mention in group:
            out.append(
                replace(
                    mention,
                    group=number,
                    strong=mention.strong or head.strong,
                    negated=mention.negated
                    or (not mention.asserted and (head.negated or tail.negated)),
                    asserted=mention.asserted or tail.asserted,
                )
                if len(group) > 1
                else mention
            )
            out[-1] = replace(out[-1], group=number)
    return out
