"""FLAN template modules: Python files that assign a dictionary of patterns, read as syntax and never executed.

What is looked for: module-level assignments (plain or annotated) of a dictionary literal, task name -> list or tuple of
patterns; a pattern is a pair (input, target) of texts, or one text. Texts may be put together with ``+`` or stand beside
each other; anything computed otherwise is left out and named. Slots are ``{name}``, ``{options_}`` lists the choices.

References
----------
Wei et al. Finetuned language models are zero-shot learners, ICLR 2022; google-research/FLAN:flan/templates.py, flan/v2/templates.py.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from evalkit.errors import CatalogError
from evalkit.phrasings.importers.imported import (
    Imported,
    ImportOptions,
    SourceFile,
    add,
    from_format_string,
    position_of,
    read_source,
    wanted,
)
from evalkit.records import Phrasing

__all__ = ["LICENCE", "import_flan", "literal"]

LICENCE = "Apache-2.0"
_LIMIT = 16 * 1024 * 1024
_ANSWERS = frozenset({"answer", "target", "label"})
_SLOT = re.compile(r"\{(\w+)\}")


def literal(node: ast.expr | None) -> str | None:
    """Return the text an expression spells out, with ``+`` between texts followed; None when it is computed."""
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
    """Return the syntax tree of a Python file; raise CatalogError when it is none or is nested too deeply."""
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        raise CatalogError(f"{source.path}:{error.lineno or 1}: is not Python: {error.msg}. Check the file.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise CatalogError(f"{source.path}:1: cannot be parsed as Python: {error}. Check the file.") from error


def dictionaries(tree: ast.Module) -> list[ast.Dict]:
    """Return the dictionaries assigned at module level."""
    values = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return [value for value in values if isinstance(value, ast.Dict)]


def _pattern(node: ast.expr, task: str, *, source: SourceFile, options: ImportOptions, found: Imported) -> None:
    """Add one pattern of a task, or say why not."""
    where = f"{source.path}:{node.lineno}"
    target: str | None = "{answer}"
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        text = literal(node.elts[0])
        target = literal(node.elts[1]) if len(node.elts) > 1 else target
    else:
        text = literal(node)
    if text is None or target is None:
        found.skipped.append(f"{where}: task {task!r}: a pattern is computed, not written out; texts are accepted")
        return
    slots = set(_SLOT.findall(text))
    if slots & _ANSWERS:
        found.skipped.append(f"{where}: task {task!r}: the answer stands in the input ({', '.join(sorted(slots & _ANSWERS))})")
        return
    if not set(_SLOT.findall(target)) & _ANSWERS:
        found.skipped.append(f"{where}: task {task!r}: its target is {target!r}, so it asks for something else than the answer")
        return
    try:
        converted = from_format_string(text, options.rename)
    except CatalogError as error:
        found.skipped.append(f"{where}: task {task!r}: {error}")
        return
    listed = "options_" in slots
    phrasing = Phrasing(
        id="new",
        text=converted,
        source=options.collection,
        author="FLAN authors",
        licence=LICENCE,
        position=position_of(converted),
        layout="bulleted" if listed else "none",
        label_space="text",
        cue="",
    )
    add(found, phrasing, name=task, source=source, line=node.lineno, options=options)


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
                for node in value.elts:
                    _pattern(node, task, source=source, options=options, found=found)
    if not met:
        raise CatalogError(f"{path}:1: holds no dictionary of task name -> list of patterns. Name a FLAN templates.py.")
    return found
