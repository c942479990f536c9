"""FLAN template modules: Python files that assign dictionaries of patterns, read as syntax and
never executed.

What is looked for: module-level assignments (plain or annotated) of a dictionary literal, task name
-> list or tuple of patterns. A pattern is a pair (input, target) of texts, one text, or a call with
keywords ``inputs`` and ``targets`` (FLAN v2's few-shot patterns, whose prefixes become part of the
text and the cue). Texts may be put together with ``+`` or stand beside each other; anything
computed otherwise is left out and named. Slots are ``{name}``; ``{options_}`` lists the choices,
under the line that FLAN puts above them; where tasks are named they are FLAN's own words.

Which slot holds the answer differs by task (``answer``, ``summary``, ``highlights``): it is the one
that most targets of the task show. Patterns that show it in the input, or ask for something else,
are FLAN's inverted ones and are left out.

References
----------
Wei et al. Finetuned language models are zero-shot learners, ICLR 2022; Longpre et al. The Flan
collection, ICML 2023; google-research/FLAN:flan/templates.py, flan/v2/templates.py; the line above
the choices and the words: flan/preprocessors.py (format_options), flan/tasks.py.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.catalog.library.importers.imported import (
    Imported,
    ImportOptions,
    SourceFile,
    add,
    from_format_string,
    position_of,
    read_source,
    wanted,
)
from evalkit.errors import CatalogError
from evalkit.records import Phrasing

__all__ = ["LICENCE", "import_flan", "literal"]

LICENCE = "Apache-2.0"
_LIMIT = 16 * 1024 * 1024
_LISTED = frozenset({"options", "options_", "options_str"})
"""Slots that FLAN fills with the listed choices."""
_HEAD = "OPTIONS:\n"
_YES_NO = ("yes", "no")
_UNTOLD = ("yes", "it is not possible to tell", "no")
_WORDS = {
    "rte": _YES_NO,
    "cb": ("Yes", "No", "It's impossible to say"),
    "anli": ("Yes", "It's impossible to say", "No"),
    **dict.fromkeys(("snli", "mnli"), _UNTOLD),
    **dict.fromkeys(("wnli", "mrpc", "glue_mrpc", "qqp", "glue_qqp", "paws_wiki"), _YES_NO[::-1]),
}
"""Task -> the words that FLAN lists for its labels, in the order of upstream's numbers."""
_SLOT = re.compile(r"\{(\w+)\}")


def literal(node: ast.expr | None) -> str | None:
    """Return the text an expression spells out, with ``+`` between texts followed.

    None when it is computed.
    """
    stack, parts = [node], []
    while stack:
        current = stack.pop()
        if isinstance(current, ast.BinOp) and isinstance(current.op, ast.Add):
            stack += [current.left, current.right]
        elif isinstance(current, ast.Constant) and isinstance(current.value, str):
            parts.append(current.value)
        else:
            return None
    return "".join(reversed(parts)) if parts else None


def syntax(source: SourceFile) -> ast.Module:
    """Return the syntax tree of a Python file.

    Raise CatalogError when it is none or is nested too deeply.
    """
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        raise CatalogError(
            f"{source.path}:{error.lineno or 1}: is not Python: {error.msg}. Check the file."
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise CatalogError(
            f"{source.path}:1: cannot be parsed as Python: {error}. Check the file."
        ) from error


def dictionaries(tree: ast.Module) -> list[ast.Dict]:
    """Return the dictionaries assigned at module level."""
    values = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return [value for value in values if isinstance(value, ast.Dict)]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One pattern as it is written; a None is a text that is computed."""

    line: int
    text: str | None
    target: str | None
    cue: str = ""


def _read(node: ast.expr) -> _Pattern:
    """Return one element of a task's list."""
    if isinstance(node, ast.Call):
        given = {keyword.arg: literal(keyword.value) for keyword in node.keywords}
        text, before = given.get("inputs"), given.get("inputs_prefix", "")
        cue = given.get("targets_prefix", "")
        whole = None if text is None or before is None else before + text
        return _Pattern(
            node.lineno, whole, None if cue is None else given.get("targets"), (cue or "").strip()
        )
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        return _Pattern(
            node.lineno,
            literal(node.elts[0]),
            literal(node.elts[1]) if len(node.elts) > 1 else "{answer}",
        )
    return _Pattern(node.lineno, literal(node), "{answer}")


def _answer_slot(patterns: Sequence[_Pattern]) -> str:
    """Return the slot that most targets show, the first met on a tie.

    ``answer`` when none shows any.
    """
    counts = Counter(
        slot
        for pattern in patterns
        if pattern.target
        for slot in dict.fromkeys(_SLOT.findall(pattern.target))
    )
    return counts.most_common(1)[0][0] if counts else "answer"


def _add_pattern(
    pattern: _Pattern,
    task: str,
    answer: str,
    *,
    source: SourceFile,
    options: ImportOptions,
    found: Imported,
) -> None:
    """Add one pattern of a task, or say why not."""
    where = f"{source.path}:{pattern.line}: task {task!r}"
    if pattern.text is None or pattern.target is None:
        found.skipped.append(f"{where}: a pattern is computed, not written out; texts are accepted")
        return
    slots = set(_SLOT.findall(pattern.text))
    if answer in slots:
        found.skipped.append(f"{where}: the answer stands in the input ({answer})")
        return
    if answer not in _SLOT.findall(pattern.target):
        found.skipped.append(
            f"{where}: its target is {pattern.target!r}, so it asks for something else than "
            f"{answer!r}"
        )
        return
    try:
        text = re.sub(r"(?<!OPTIONS:\n)\{options_\}", f"{_HEAD}{{options_}}", pattern.text)
        converted = from_format_string(text, options.rename)
    except CatalogError as error:
        found.skipped.append(f"{where}: {error}")
        return
    phrasing = Phrasing(
        id="new",
        text=converted,
        source=options.collection,
        author="FLAN authors",
        licence=LICENCE,
        position=position_of(converted),
        layout="bulleted" if slots & _LISTED else "none",
        label_space="text",
        answers=_WORDS.get(task, ()) if slots & _LISTED and options.tasks else (),
        cue=pattern.cue,
    )
    add(found, phrasing, name=task, source=source, line=pattern.line, options=options)


def import_flan(path: Path, options: ImportOptions) -> Imported:
    """Return the phrasings of one FLAN template module.

    Parameters
    ----------
    path
        The Python file.
    options
        Collection and the like; `only` names FLAN tasks such as ``rte``.

    Raises
    ------
    CatalogError
        When the file is not Python or holds no dictionary of patterns.
    """
    source = read_source(path, limit=_LIMIT)
    found = Imported()
    met = False
    for table in dictionaries(syntax(source)):
        for key, value in zip(table.keys, table.values, strict=True):
            task = literal(key)
            if task is None or not isinstance(value, ast.List | ast.Tuple):
                continue
            met = True
            if wanted(task, options):
                patterns = [_read(node) for node in value.elts]
                answer = _answer_slot(patterns)
                for pattern in patterns:
                    _add_pattern(pattern, task, answer, source=source, options=options, found=found)
    if not met:
        raise CatalogError(
            f"{path}:1: holds no dictionary of task name -> list of patterns. "
            "Name a FLAN templates.py."
        )
    return found
