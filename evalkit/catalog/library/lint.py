"""What a reader would object to in phrasing files: each finding with file, line and a code.

`evalkit.catalog` says whether a file can be used at all; lint says what is probably wrong with what
it says. Codes: ``file``, ``template``, ``slot``, ``choices``, ``leak``, ``labels``,
``near-duplicate``, ``newline``, ``invisible``, ``long``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.catalog.library.likeness import close_pairs, rouge_l
from evalkit.catalog.library.lint_text import Finding, entries, of_bytes, of_texts
from evalkit.catalog.library.meaning import labels_kept
from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.phrasings import COMMON_SLOTS, read_phrasing_file
from evalkit.catalog.tasks import load_task, task_ids
from evalkit.catalog.yaml_file import MAX_BYTES, load_yaml
from evalkit.errors import CatalogError
from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.templates import check, slots
from evalkit.records import Phrasing, Task

__all__ = [
    "NEAR_DUPLICATE",
    "lint_files",
    "lint_paths",
    "phrasing_files",
]

NEAR_DUPLICATE = 0.85
"""Least ROUGE-L F of two phrasings of the same tasks that are called near duplicates."""
_ANSWER_SLOTS = frozenset({
    "answer", "answers", "correct", "gold", "label", "output", "reference", "references",
    "solution", "target", "targets"
})  # fmt: skip
_LEAKED = re.compile(
    r"\b(?:answer|solution|output)\s*(?:is|:)\s*\(?([A-J]|\d)\)?\s*\.?\s*\Z", re.IGNORECASE
)


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


@lru_cache(maxsize=1024)
def _tasks(patterns: tuple[str, ...]) -> tuple[Task, ...]:
    """Return the shipped tasks that patterns name, one of each kind of fields, labels and
    listing.
    """
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
    wanted = item.phrasing.answers or task.labels
    labels = {" ".join(normalised_words(label)) for label in wanted}
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
    """Yield phrasings with the words of another one,
    and near duplicates among phrasings of the same tasks.

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
    yield from of_bytes(path)
    yield from of_texts(path, file)
    try:
        phrasings = read_phrasing_file(path)
    except CatalogError as error:
        told = [problem for entry, _ in entries(file) for problem in check(entry["text"])]
        findings = [_from_message(path, problem) for problem in error.problems]
        yield from (
            finding
            for finding in findings
            if not any(problem in finding.message for problem in told)
        )
        return
    lines = {str(entry.get("id")): line for entry, line in entries(file)}
    items += [_Item(phrasing, str(path), lines.get(phrasing.id, 1)) for phrasing in phrasings]


def _from_message(path: Path, problem: str) -> Finding:
    """Return a catalog message (``file:line: what``) as a finding."""
    match = re.match(r"(?:.*?):(\d+): (.*)\Z", problem, re.DOTALL)
    line, message = (
        (int(match.group(1)), match.group(2)) if match else (1, problem.removeprefix(f"{path}: "))
    )
    return Finding(path=str(path), line=line, code="file", message=message)


def lint_files(paths: Iterable[Path]) -> list[Finding]:
    """Return everything lint objects to in phrasing files, sorted by file and line, near
    duplicates across files included.
    """
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
