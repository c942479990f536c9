"""Wraps messages that reach beyond column 100: a text becomes several, one a line.

The formatter breaks code but no texts. This breaks texts at ends of sentences and clauses, joins
the pieces of a text before it does, and wraps comments on lines of their own. What a file means
stays: its syntax tree must be equal before and after. Docstrings are left as they are. Format the
files afterwards (``ruff format``).

    python tools/wrap_lines.py [--check] [FILE ...]     # without files: evalkit and noxfile.py

With ``--check`` nothing is written, and lines of code that are too long are named (exit 1).
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
OURS = ("*.py", "evalkit/**/*.py")
_STRING = re.compile(r"([A-Za-z]*)(\"\"\"|'''|\"|')")
_NO_CALL = frozenset({*keyword.kwlist} - {"None", "True", "False"})
_SENTENCE, _CLAUSE = re.compile(r"[.!?] $"), re.compile(r"[,;:)] $")


def _parts(token: str) -> tuple[str, str, str]:
    """Return prefix, quotes and body of a string token."""
    found = _STRING.match(token)
    assert found is not None, token  # the tokenizer gave it
    return found[1].lower(), found[2], token[found.end() : -len(found[2])]


def _cuts(body: str, prefix: str) -> list[int]:
    """Return where a body may be cut: behind a space, in a pattern before an alternative;
    in no field.
    """
    cuts, depth, at = [], 0, 0
    pattern = "r" in prefix
    while at < len(body):
        if body[at] == "\\":
            at += 2
            continue
        if pattern and body[at] == "|" and depth == 0 and at:
            cuts.append(at)
        if "f" in prefix:
            if depth == 0 and body[at : at + 2] in ("{{", "}}"):
                at += 2
                continue
            depth += {"{": 1, "}": -1}.get(body[at], 0)
        at += 1
        if body[at - 1] == " " and depth == 0 and not pattern:
            cuts.append(at)
    return [cut for cut in cuts if cut < len(body)]


def _best(body: str, cuts: list[int], start: int, room: int) -> int | None:
    """Return the best place for the next cut: behind a sentence, a clause, a word."""
    fitting = [cut for cut in cuts if start < cut <= start + room]
    for ending, share in ((_SENTENCE, 0.4), (_CLAUSE, 0.7)):
        good = [cut for cut in fitting if ending.search(body, start, cut)]
        if good and good[-1] - start >= share * room:
            return good[-1]
    if fitting:
        return fitting[-1]
    return next((cut for cut in cuts if cut > start), None)


def _split(prefix: str, quotes: str, body: str, width: int) -> list[str]:
    """Return the literals that a text becomes."""
    cuts, room, start, pieces = _cuts(body, prefix), width - len(prefix) - 2, 0, []
    while len(body) - start > room and (cut := _best(body, cuts, start, room)) is not None:
        pieces.append(body[start:cut])
        start = cut
    pieces.append(body[start:])
    plain = prefix.replace("f", "")
    return [
        f"{prefix if '{' in piece or '}' in piece else plain}{quotes}{piece}{quotes}"
        for piece in pieces
    ]


def _joined(tokens: list[tokenize.TokenInfo]) -> tuple[str, str, str] | None:
    """Return prefix, quotes and body of texts that stand side by side,
    or None when they do not join.
    """
    parts = [_parts(token.string) for token in tokens]
    quotes, prefix = parts[0][1], max((part[0] for part in parts), key=len)
    fits = all(part[:2] == ("r", quotes) or part[:2] == ("rf", quotes) for part in parts)
    fits = (
        len({part[0] for part in parts}) == 1
        if fits
        else all(
            part[1] == quotes
            and part[0] in ("", "f")
            and (part[0] == prefix or not set("{}") & set(part[2]))
            for part in parts
        )
    )
    return (prefix, quotes, "".join(part[2] for part in parts)) if fits else None


def _runs(tokens: list[tokenize.TokenInfo]) -> Iterator[tuple[int, int, str]]:
    """Yield (first, last, what is around it) of texts side by side:
    ``call``, a bracket or nothing.
    """
    around: list[str] = []
    at = 0
    while at < len(tokens):
        token, before = tokens[at], tokens[at - 1] if at else None
        if token.type == tokenize.OP and token.string in "([{":
            called = before is not None and (
                (before.type == tokenize.NAME and before.string not in _NO_CALL)
                or before.string in (")", "]")
            )
            around.append("call" if token.string == "(" and called else token.string)
        elif token.type == tokenize.OP and token.string in ")]}":
            around.pop()
        elif token.type == tokenize.STRING:
            last = at
            while tokens[last + 1].type == tokenize.STRING:
                last += 1
            yield at, last, around[-1] if around else ""
            at = last
        at += 1


def _break(lines: list[str], run: list[tokenize.TokenInfo], *, own_line: bool, bare: bool) -> None:
    """Break the text of some tokens in `lines`;
    `bare` where brackets around it are there already.
    """
    (top, left), (bottom, right) = run[0].start, run[-1].end
    parts = _joined(run)
    if parts is None or len(parts[1]) > 1:
        return
    indent = len(lines[top - 1]) - len(lines[top - 1].lstrip())
    inner = indent if own_line and bare else indent + 4
    pieces = _split(*parts, WIDTH - inner - 1)
    if len(pieces) == 1:
        return  # the formatter finds room for it
    pad = "\n" + " " * inner
    text = pad.join(pieces)
    if not bare:
        text = f"({pad}{text}{pad})"
    elif not own_line:
        text = pad + text
    lines[top - 1 : bottom] = [lines[top - 1][:left] + text + lines[bottom - 1][right:]]


def _wrapped_once(source: str) -> str:
    """Return a source with the texts on its long lines wrapped."""
    lines = source.splitlines(keepends=True)
    long = {number for number, line in enumerate(lines, 1) if len(line.rstrip("\n")) > WIDTH}
    found = list(tokenize.generate_tokens(io.StringIO(source).readline))
    remarks = {token.start[0] for token in found if token.type == tokenize.COMMENT}
    tokens = [token for token in found if token.type not in (tokenize.NL, tokenize.COMMENT)]
    for first, last, around in reversed(list(_runs(tokens))):
        joins = _joined(tokens[first : last + 1]) is not None
        ranges = [(first, last)] if joins else [(at, at) for at in range(last, first - 1, -1)]
        for top, end in ranges:
            run, before, after = tokens[top : end + 1], tokens[top - 1], tokens[end + 1]
            rows = range(run[0].start[0], run[-1].end[0] + 1)
            begins = before.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
            docstring = begins and after.type == tokenize.NEWLINE
            if docstring or not long & {*rows} or remarks & {*rows}:
                continue
            bare = before.string == "(" and after.string == ")"
            bare |= around == "call" and before.string in "(," and after.string in "),"
            _break(lines, run, own_line=before.start[0] != rows[0], bare=bare or first != last)
    return "".join(lines)


def _wrapped_comments(source: str) -> str:
    """Return a source with long comments on lines of their own wrapped."""
    found = []
    for line in source.splitlines(keepends=True):
        comment = re.match(r"( *)# (.*)\n", line)
        if len(line) > WIDTH + 1 and comment:
            lead = f"{comment[1]}# "
            wrapped = textwrap.wrap(
                comment[2], WIDTH, initial_indent=lead, subsequent_indent=lead,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
            line = "\n".join(wrapped) + "\n"
        found.append(line)
    return "".join(found)


def wrapped(source: str) -> str:
    """Return a source with its long texts wrapped, and the same syntax tree;
    as it is where that fails.
    """
    if not _overlong(source):
        return source
    tree = ast.dump(ast.parse(source))
    text = source
    for step in (*[_wrapped_once] * 4, _wrapped_comments):  # two texts may share a line
        found = step(text)
        try:
            text = found if ast.dump(ast.parse(found)) == tree else text
        except SyntaxError:
            return text
    return text


def _overlong(source: str) -> list[int]:
    """Return the numbers of all lines that are too long."""
    return [number for number, line in enumerate(source.splitlines(), 1) if len(line) > WIDTH]


def too_long(source: str) -> list[int]:
    """Return the numbers of lines of code that are too long; texts of many lines do not count."""
    found = _overlong(source)
    if not found:
        return []
    prose = {
        row
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.STRING and _parts(token.string)[1] in ('"""', "'''")
        for row in range(token.start[0], token.end[0] + 1)
    }
    return [number for number in found if number not in prose]


def main(words: list[str]) -> int:
    """Wrap or check files; return the exit code."""
    check, names = "--check" in words, [word for word in words if word != "--check"]
    root = Path(__file__).parents[1]
    own = [path for folder in OURS for path in root.glob(folder)]
    files = [Path(name) for name in names] or own
    found = 0
    for path in sorted(files):
        source = path.read_text(encoding="utf-8")
        if not check and (text := wrapped(source)) != source:
            path.write_text(text, encoding="utf-8")
            source = text
        for number in too_long(source):
            print(f"{path}:{number}: longer than {WIDTH}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
