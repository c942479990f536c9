"""What a reader would object to in phrasing files: each finding with file, line and a code.

`evalkit.catalog` says whether a file can be used at all; lint says what is probably wrong with what
it says. Codes: ``file``, ``template``, ``slot``, ``choices``, ``leak``, ``labels``,
``near-duplicate``, ``newline``, ``invisible``, ``long``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.catalog.library.likeness import close_pairs, rouge_l
from evalkit.catalog.library.meaning import labels_kept
from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.phrasings import COMMON_SLOTS, read_phrasing_file
from evalkit.catalog.tasks import load_task, task_ids
from evalkit.catalog.yaml_file import MAX_BYTES, YamlFile, load_yaml
from evalkit.errors import CatalogError
from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.templates import check, slots
from evalkit.records import Phrasing, Task

__all__ = [
    "CODES",
    "LONGEST",
    "NEAR_DUPLICATE",
    "Finding",
    "lint_files",
    "lint_paths",
    "phrasing_files",
]

CODES = (
    "file",
    "template",
    "slot",
    "choices",
    "leak",
    "labels",
    "near-duplicate",
    "newline",
    "invisible",
    "long",
)
"""Codes of findings."""
LONGEST = 4000
"""Most characters of a phrasing text before it is called long."""
NEAR_DUPLICATE = 0.85
"""Least ROUGE-L F of two phrasings of the same tasks that are called near duplicates."""
_ANSWER_SLOTS = frozenset({
    "answer", "answers", "correct", "gold", "label", "output", "reference", "references",
    "solution", "target", "targets"
})  # fmt: skip
_LEAKED = re.compile(
    r"\b(?:answer|solution|output)\s*(?:is|:)\s*\(?([A-J]|\d)\)?\s*\.?\s*\Z", re.IGNORECASE
)
_SINGLE_BRACE = re.compile(r"(?<![{%#])\{(?![{%#])\s*\w*\s*\}(?!\})")
_ALLOWED_CONTROL = "\n\t"
_LINE_BREAKS = ("\r", "\v", "\f", "\x85", "\u2028", "\u2029")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One objection."""

    path: str
    """File."""
    line: int
    """Line, from 1."""
    code: str
    """One of `CODES`."""
    message: str
    """What is wrong, with the value, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Item:
    """A phrasing and where it stands."""

    phrasing: Phrasing
    path: str
    line: int

    def finding(self, code: str, message: str) -> Finding:
        return Finding(
            path=self.path,
            line=self.line,
            code=code,
            message=f"phrasing {self.phrasing.id!r}: {message}",
        )


def _raw(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the bytes: line ends and invisible characters."""
    data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    crlf, lone = data.count(b"\r\n"), data.count(b"\n")
    if crlf and crlf != lone:
        line = text[: text.find("\r\n")].count("\n") + 1
        yield Finding(
            path=str(path),
            line=line,
            code="newline",
            message=f"{crlf} of {lone} lines end in CR LF; one kind is accepted. Use LF.",
        )
    for number, row in enumerate(text.split("\n"), start=1):
        for character in row.removesuffix("\r"):
            if _invisible(character):
                name = unicodedata.name(character, f"control U+{ord(character):04X}")
                yield Finding(
                    path=str(path),
                    line=number,
                    code="invisible",
                    message=f"{name} (U+{ord(character):04X}) cannot be seen. Remove it.",
                )
                break


def _invisible(character: str) -> bool:
    """Return whether a character shows nothing, or makes its neighbours show otherwise."""
    if character in _ALLOWED_CONTROL:
        return False
    kind = unicodedata.category(character)
    return kind in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"} or (
        kind == "Zs" and character not in " \u3000"
    )


def _entries(file: YamlFile) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the entries of a phrasing file that are mappings with a text, and the line of the text."""
    value = file.value
    base: tuple[str | int, ...] = ()
    if isinstance(value, dict):
        value, base = value.get("phrasings"), ("phrasings",)
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, dict) and isinstance(entry.get("text"), str):
            yield entry, file.line((*base, index, "text"))


def _template(path: Path, file: YamlFile) -> Iterator[Finding]:
    """Yield what is wrong with each text as a template and as text."""
    for entry, line in _entries(file):
        text, name = entry["text"], f"phrasing {entry.get('id', '?')!r}"
        for problem in check(text):
            yield Finding(path=str(path), line=line, code="template", message=f"{name}: {problem}")
        if text.count("{{") != text.count("}}") or text.count("{%") != text.count("%}"):
            yield Finding(
                path=str(path),
                line=line,
                code="template",
                message=f"{name}: braces of slots are not balanced. Write {{{{ question }}}}.",
            )
        if brace := _SINGLE_BRACE.search(re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL)):
            message = (
                f"{name}: {brace.group()!r} is not filled; slots have two braces. "
                f"Write {{{{ name }}}}."
            )
            yield Finding(path=str(path), line=line, code="template", message=message)
        if any(mark in text for mark in _LINE_BREAKS):
            yield Finding(
                path=str(path),
                line=line,
                code="newline",
                message=f"{name}: holds a line break other than LF. Use LF.",
            )
        for character in sorted(
            {
                character
                for character in text
                if _invisible(character) and character not in _LINE_BREAKS
            }
        ):
            message = (
                f"{name}: {unicodedata.name(character, 'a control')} (U+{ord(character):04X}) "
                "cannot be seen. Remove it."
            )
            yield Finding(path=str(path), line=line, code="invisible", message=message)
        if len(text) > LONGEST:
            message = f"{name}: has {len(text)} characters; {LONGEST} are accepted. Shorten it."
            yield Finding(path=str(path), line=line, code="long", message=message)


@lru_cache(maxsize=1024)
def _tasks(patterns: tuple[str, ...]) -> tuple[Task, ...]:
    """Return the shipped tasks that patterns name, one of each kind of fields, labels and listing."""
    found: dict[Any, Task] = {}
    for name in task_ids():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            task = load_task(name)
            found.setdefault((task.fields, task.labels, task.kind, task.choices_shown), task)
    return tuple(found.values())


def _against_task(item: _Item, task: Task) -> Iterator[Finding]:
    """Yield what is wrong with a phrasing for one task."""
    phrasing = item.phrasing
    try:
        used = slots(phrasing.text)
    except CatalogError:
        return
    offered = COMMON_SLOTS.union(task.fields)
    for name in sorted(used - offered - _ANSWER_SLOTS):
        yield item.finding(
            "slot",
            f"slot {name!r} is not filled by {task.id}; it fills {', '.join(sorted(offered))}. "
            "Correct the slot.",
        )
    if phrasing.kind != "correct" or task.kind != "choice":
        return
    labelled = phrasing.label_space != "text"
    if labelled and phrasing.layout in {"none", "bulleted"}:
        yield item.finding(
            "choices",
            f"asks for {phrasing.label_space} but layout {phrasing.layout!r} shows none. "
            "Use layout lettered.",
        )
    elif (
        phrasing.position == "inline"
        and "choices" not in used
        and (labelled or (task.choices_shown and phrasing.layout != "none"))
    ):
        yield item.finding(
            "choices",
            f"{task.id} needs its choices shown, and the text has no {{{{ choices }}}} slot. "
            "Add it.",
        )
    yield from _labels(item, task)


def _labels(item: _Item, task: Task) -> Iterator[Finding]:
    """Yield a finding when a phrasing quotes answers that are not the task's."""
    text = item.phrasing.text
    quoted = [text[start:end] for start, end in protected_spans(text)]
    named = {
        " ".join(normalised_words(word))
        for word in quoted
        if word[:1] in "'\"‘“" and word[1:-1].strip()
    }
    labels = {" ".join(normalised_words(label)) for label in task.labels}
    held = f" {' '.join(normalised_words(text))} "
    strange, lost = (
        sorted(named - labels),
        sorted(label for label in labels if f" {label} " not in held),
    )
    if labels and item.phrasing.label_space == "text" and len(named) > 1 and strange and lost:
        yield item.finding(
            "labels",
            f"quotes {', '.join(strange)} but not {', '.join(lost)}, which {task.id} is answered "
            "with. Use its labels.",
        )


def _leaks(item: _Item) -> Iterator[Finding]:
    """Yield a finding when the answer stands in the text."""
    try:
        used = slots(item.phrasing.text)
    except CatalogError:
        return
    for name in sorted(used & _ANSWER_SLOTS):
        yield item.finding("leak", f"slot {name!r} shows the answer. Remove it.")
    if match := _LEAKED.search(f"{item.phrasing.text}\n{item.phrasing.cue}".rstrip()):
        yield item.finding("leak", f"ends with an answer ({match.group().strip()!r}). Remove it.")


def _paraphrases(items: Sequence[_Item]) -> Iterator[Finding]:
    """Yield a finding when a paraphrase names other answers than its original."""
    known = {item.phrasing.id: item.phrasing for item in items}
    for item in items:
        original = known.get(item.phrasing.of or "")
        if original is not None and item.phrasing.kind == "correct":
            verdict = labels_kept(original, item.phrasing, ())
            if not verdict.passed:
                yield item.finding(
                    "labels",
                    f"its answers differ from those of {original.id!r}: {verdict.note}. Keep them.",
                )


def _duplicates(items: Sequence[_Item]) -> Iterator[Finding]:
    """Yield phrasings with the words of another one, and near duplicates among phrasings of the same tasks.

    Texts shared by phrasings that differ in layout, position, wrapper or kind on purpose are none;
    nor are perturbed ones.
    """
    groups: dict[tuple[Any, ...], list[tuple[_Item, list[str]]]] = {}
    for item in items:
        p = item.phrasing
        words = normalised_words(" ".join(pieces_of(p.text)))
        if words and not p.perturbation:
            key = (
                p.layout,
                p.label_space,
                p.position,
                p.wrapper,
                p.language,
                p.kind,
                p.tasks,
                tuple(sorted(_safe_slots(p.text))),
            )
            groups.setdefault(key, []).append((item, words))
    for group in groups.values():
        for number, others in close_pairs([words for _, words in group], NEAR_DUPLICATE):
            item, words = group[number]
            for other, other_words in (group[place] for place in others):
                likeness = rouge_l(words, other_words)
                if likeness >= NEAR_DUPLICATE:
                    where = f"{other.phrasing.id!r} ({other.path}:{other.line})"
                    yield item.finding(
                        "near-duplicate",
                        f"is {likeness:.2f} like {where}; below {NEAR_DUPLICATE} is accepted. "
                        "Reword or drop it.",
                    )
                    break


def _safe_slots(text: str) -> frozenset[str]:
    try:
        return slots(text)
    except CatalogError:
        return frozenset()


def phrasing_files(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML files that paths name, folders searched, in order.

    Raises
    ------
    CatalogError
        When a path is not there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                item
                for item in path.rglob("*")
                if item.suffix in {".yaml", ".yml"} and item.is_file()
            )
        elif path.is_file():
            found.append(path)
        else:
            raise CatalogError(f"{path}: is not there. Name a phrasing file or a folder of them.")
    return list(dict.fromkeys(found))


def _one(path: Path, items: list[_Item]) -> Iterator[Finding]:
    """Yield what is wrong with one file on its own, and collect its phrasings."""
    try:
        read_utf8(path, limit=MAX_BYTES)
        file = load_yaml(path)
    except CatalogError as error:
        yield from (_from_message(path, problem) for problem in error.problems)
        return
    yield from _raw(path)
    yield from _template(path, file)
    try:
        phrasings = read_phrasing_file(path)
    except CatalogError as error:
        told = [problem for entry, _ in _entries(file) for problem in check(entry["text"])]
        findings = [_from_message(path, problem) for problem in error.problems]
        yield from (
            finding
            for finding in findings
            if not any(problem in finding.message for problem in told)
        )
        return
    lines = {str(entry.get("id")): line for entry, line in _entries(file)}
    items += [_Item(phrasing, str(path), lines.get(phrasing.id, 1)) for phrasing in phrasings]


def _from_message(path: Path, problem: str) -> Finding:
    """Return a catalog message (``file:line: what``) as a finding."""
    match = re.match(r"(?:.*?):(\d+): (.*)\Z", problem, re.DOTALL)
    line, message = (
        (int(match.group(1)), match.group(2)) if match else (1, problem.removeprefix(f"{path}: "))
    )
    return Finding(path=str(path), line=line, code="file", message=message)


def lint_files(paths: Iterable[Path]) -> list[Finding]:
    """Return everything lint objects to in phrasing files, sorted by file and line, near duplicates across files included."""
    items: list[_Item] = []
    found: list[Finding] = []
    for path in paths:
        found += _one(path, items)
    for item in items:
        found += _leaks(item)
        for task in _tasks(item.phrasing.tasks):
            found += _against_task(item, task)
    found += _paraphrases(items)
    found += _duplicates(items)
    return sorted(set(found))


def lint_paths(paths: Iterable[Path]) -> list[Finding]:
    """Return everything lint objects to in files and folders; see `lint_files`."""
    return lint_files(phrasing_files(paths))
