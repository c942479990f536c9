"""Reads fenced and indented blocks and command lines out of Markdown, for the tests of the docs."""

from __future__ import annotations

import doctest
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md")),
]
"""Every page a reader sees."""
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    language: str
    text: str
    line: int
    above: str
    """The last line of text above it."""

    @property
    def where(self) -> str:
        """Return ``page:line`` for messages and test ids."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        above = next((line for line in reversed(before.splitlines()) if line.strip()), "")
        found.append(Block(page, match[1], match[2], before.count("\n") + 2, above))
    return found


def walked(page: Path) -> tuple[int, str]:
    """Run the `>>>` lines of a page in order; return how many there are,
    and what came out otherwise than it says.
    """
    text = "\n".join(block.text for block in blocks(page) if block.language == "pycon")
    walk = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    said: list[str] = []
    found = doctest.DocTestRunner(verbose=False).run(walk, out=said.append)
    return found.attempted, "".join(said)


def shell_lines(text: str) -> list[list[str]]:
    r"""Return the words of every command of a shell block;
    ``&&`` joins two, ``\\`` at the end goes on, comments are dropped.

    >>> shell_lines("a b && c  # why")
    [['a', 'b'], ['c']]
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while "&&" in words:
            place = words.index("&&")
            found.append(words[:place])
            words = words[place + 1 :]
        if words:
            found.append(words)
    return found


def command_lines(page: Path) -> list[tuple[str, list[str]]]:
    """Return (where, words after ``evalkit``) of every command line in fenced or indented blocks
    of a page.
    """
    found = []
    for block in blocks(page):
        if block.language in ("sh", "console", ""):
            shown = [
                line
                for line in block.text.splitlines()
                if line.removeprefix("$ ").lstrip().startswith(("evalkit ", "pip "))
            ]
            found += [
                (block.where, words[1:])
                for words in shell_lines("\n".join(shown))
                if words[0] == "evalkit"
            ]
    outside = _FENCE.sub("", page.read_text(encoding="utf-8"))
    indented = [line.strip() for line in outside.splitlines() if line.startswith("    evalkit ")]
    found += [
        (str(page.relative_to(ROOT)), words[1:]) for words in shell_lines("\n".join(indented))
    ]
    return found
