"""Wraps docstrings that reach beyond column 100, and leaves what they say as it is.

A line that is too long is broken between two words, and goes on in the line below where that is the
same paragraph. Sections with their underlines, doctests, tables, aligned columns, literal blocks
and directives stay as they are; points of a list keep their indentation. What a docstring says is
the same before and after, white space aside, and so is the syntax tree around it. A line without a
place to break (an address) stays long, which the linter allows.

    python tools/wrap_prose.py [--check] [FILE ...]     # without files: all Python of the project

With ``--check`` nothing is written, and files that would change are named (exit 1). Examples of
code in docstrings are wrapped by the formatter (``ruff format``, `docstring-code-format`).
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
TOPS = ("benchmarks", "evalkit", "examples", "tests", "tools")
OURS = ("*.py", *(f"{top}/**/*.py" for top in TOPS))
_OPENING = re.compile(r'\s*([rR]?""")')
_POINT = re.compile(r"(?:[-*] |\d+[.)] |\[\d+\] )\s*")
_CLAUSE = re.compile(
    r"[.;:] |, (?=(?:and|as|but|else|for|if|in|not|or|so|then|where|which|with|without)\b)"
)
_ENDS = ".:;?!"
"""A line that ends with one of these may be an entry of its own: nothing is joined to it."""
_FULL = 70
"""Columns from which on a line ends because it is full, and the next goes on with its sentence."""


def _indent(line: str) -> int:
    """Return how far a line is indented."""
    return len(line) - len(line.lstrip(" "))


def _fixed(lines: list[str]) -> set[int]:
    """Return the lines that no paragraph holds:
    doctests, tables, literal blocks, headings, blank ones.
    """
    fixed: set[int] = set()
    doctest, literal = False, -1
    for at, line in enumerate(lines):
        text, depth = line.strip(), _indent(line)
        if literal >= 0 and text and depth <= literal:
            literal = -1
        doctest = text.startswith(">>>") or (doctest and bool(text))
        if not text or doctest or literal >= 0:
            fixed.add(at)
        if re.fullmatch(r"[-=~^]{3,}", text):
            fixed |= {at, at - 1}
        if text.startswith(("|", "+-", ".. ")) or (at and re.search(r"\S {2,}\S", text)):
            fixed.add(at)
        if text.endswith("::") and literal < 0:
            literal = depth
            fixed |= {at} if text.startswith("..") else set()
    return fixed


def _blocks(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """Yield (first, behind the last, hanging indentation) of every paragraph and point of a
    list.
    """
    fixed, at = _fixed(lines), 0
    while at < len(lines):
        first = at
        at += 1
        if first in fixed:
            continue
        point = _POINT.match(lines[first].strip())
        hanging = _indent(lines[first]) + (len(point[0]) if point else 0)
        if first == 0 and len(lines) > 1:
            hanging = min((_indent(line) for line in lines[1:] if line.strip()), default=0)
        while at < len(lines) and at not in fixed and _indent(lines[at]) == hanging:
            if _POINT.match(lines[at].strip()) or lines[at - 1].rstrip()[-1] in _ENDS:
                break
            at += 1
        yield first, at, hanging


def _at_a_clause(lines: list[str], hanging: int) -> list[str]:
    """Return a summary of two lines broken behind a clause, where one ends in time."""
    text = f"{lines[0]} {lines[1].strip()}"
    ends = [found.end() for found in _CLAUSE.finditer(text, WIDTH // 2, len(lines[0]) + 1)]
    fitting = [end for end in ends if hanging + len(text) - end <= WIDTH]
    return [text[: fitting[-1] - 1], " " * hanging + text[fitting[-1] :]] if fitting else lines


def _filled(lines: list[str], hanging: int, lead: int) -> list[str]:
    """Return a paragraph with no line too long; `lead` columns stand before its first line."""
    long = next((at for at, line in enumerate(lines) if len(line) + (not at) * lead > WIDTH), None)
    if long is None:
        return lines
    kept, rest = lines[:long], lines[long:]
    whole = all(len(line) >= _FULL for line in rest[:-1])
    taken = len(rest) if whole else min(2, len(rest))
    first = rest[0][: _indent(rest[0])]
    room = lead if long == 0 else 0
    wrapped = textwrap.wrap(
        " ".join(line.strip() for line in rest[:taken]),
        WIDTH,
        initial_indent=first + "\0" * room,
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if room and len(wrapped) == 2:
        wrapped = _at_a_clause(wrapped, hanging)
    wrapped[0] = wrapped[0].replace("\0", "")
    if taken == len(rest):
        return [*kept, *wrapped]
    return [*kept, *wrapped[:-1], *_filled([wrapped[-1], *rest[taken:]], hanging, 0)]


def _wrapped_docstring(rows: list[str]) -> list[str]:
    """Return the lines of a docstring, from the line of its quotes to that of its last, wrapped."""
    opening = _OPENING.match(rows[0])
    text = "\n".join(rows)
    one = len(rows) == 1
    tail = rows[-1].rpartition('"""')[2]
    if opening is None or "\\\n" in text or all(len(row) <= WIDTH for row in rows):
        return rows
    pad, lead = " " * _indent(rows[0]), len(opening[0])
    inner = text[lead : len(text) - len(tail) - 3]
    lines = inner.rstrip().split("\n") if one else inner.split("\n")
    made: list[str] = []
    at = 0
    for first, behind, hanging in _blocks(lines):
        made += lines[at:first]
        depth = max(hanging, len(pad)) if first == 0 else hanging
        # the closing quotes of one line stand on it too
        quotes = lead + 3 * one if first == 0 else 0
        made += _filled(lines[first:behind], depth, quotes)
        at = behind
    made += lines[at:]
    made[0] = opening[0] + made[0]
    if len(made) == 1 or (not one and len(made[-1]) + 3 <= WIDTH):
        return [*made[:-1], f'{made[-1]}"""{tail}']
    return [*made, f'{pad}"""{tail}']


def wrapped(source: str) -> str:
    """Return a source with its docstrings wrapped; raise where what they say would be another."""
    lines = source.split("\n")
    if all(len(line) <= WIDTH for line in lines):
        return source
    found = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    for top, bottom in sorted(found, reverse=True):
        lines[top - 1 : bottom] = _wrapped_docstring(lines[top - 1 : bottom])
    text = "\n".join(lines)
    if said(text) != said(source):
        raise ValueError("what a docstring says would change")
    return text


def said(source: str) -> str:
    """Return the syntax tree of a source as text, the white space of its docstrings folded."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            value = node.value.value
            node.value.value = " ".join(value.split()) if isinstance(value, str) else value
    return ast.dump(tree)


def main(words: list[str]) -> int:
    """Wrap or check files; return the exit code."""
    check, names = "--check" in words, [word for word in words if word != "--check"]
    root = Path(__file__).parents[1]
    own = [path for folder in OURS for path in root.glob(folder)]
    changed = 0
    for path in sorted([Path(name) for name in names] or own):
        source = path.read_text(encoding="utf-8")
        try:
            text = wrapped(source)
        except ValueError as error:
            print(f"{path}: {error}")
            changed += 1
            continue
        if text != source:
            changed += check
            if check:
                print(f"{path}: docstrings that can be wrapped")
            else:
                path.write_text(text, encoding="utf-8")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
