"""The one way anything is printed: what comes from outside is shown, never obeyed.

A label, an id, an answer or a path may hold sequences that clear a terminal, set its title or fill
its clipboard. Every line goes through `shown`, every value printed as JSON through `json_shown`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

import click

__all__ = [
    "AS_TABLE",
    "counted",
    "fitting",
    "json_shown",
    "say",
    "say_table",
    "shown",
    "table_form",
]

_SPELT = "−±…–“”"
_PLAIN = str.maketrans({"−": "-", "±": "+-", "…": "...", "–": "-", "“": '"', "”": '"'})
"""Signs of our own that an older encoding may lack (ASCII, Latin-1, Windows), and how it has
them."""
_UNPRINTED = re.compile(r"[^\x20-\x7e]")


def shown(text: str, *, lines: bool = True) -> str:
    r"""Return text with everything a terminal might obey spelt out.

    Parameters
    ----------
    text
        Anything.
    lines
        Keep line ends and tabs; otherwise they become blanks.

    Examples
    --------
    >>> shown("a\x1b[2J\n\x9b"), shown("a\nb", lines=False)
    ('a\\x1b[2J\n\\x9b', 'a b')
    """

    def spelt(found: re.Match[str]) -> str:
        letter = found.group()
        if letter in "\n\t":
            return letter if lines else " "
        if letter.isprintable():
            return letter
        return " " if letter == "\r" and not lines else f"\\x{ord(letter):02x}"

    return _UNPRINTED.sub(spelt, text)


def json_shown(text: str) -> str:
    r"""Return JSON text with unprintable letters in its strings as escapes;
    its value stays the same.

    >>> json_shown('["é", "\x9b\u202e"]')
    '["é", "\\u009b\\u202e"]'
    """

    def spelt(found: re.Match[str]) -> str:
        letter = found.group()
        if letter.isprintable() or letter in "\n\t\r":
            return letter
        units = letter.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _UNPRINTED.sub(spelt, text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural for any number but 1.

    >>> counted(1, "cell"), counted(1200, "cell")
    ('1 cell', '1,200 cells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def fitting(text: str, stream: TextIO) -> str:
    """Return text with letters that a stream's encoding lacks in plain spelling, or as escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with suppress(LookupError):
        if not _encodes(_SPELT, encoding):
            text = text.translate(_PLAIN)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


AS_TABLE = "evalkit.table"
"""Name under which a command keeps the form of its tables."""
_COMMENT = {"latex": "%", "csv": "#"}
"""Form of tables -> what begins a line that is none."""


def table_form() -> str:
    """Return the form of the tables of the command that runs:
    ``latex``, ``markdown``, ``csv`` or empty for a terminal's.
    """
    context = click.get_current_context(silent=True)
    return str(context.meta.get(AS_TABLE, "")) if context is not None else ""


def say(
    message: str = "",
    *,
    err: bool = False,
    nl: bool = True,
    over: bool = False,
    colour: str | None = None,
    ends: Mapping[str, str] | None = None,
) -> None:
    """Print a message, untrusted text and all.

    Parameters
    ----------
    message
        One line or several.
    err
        To standard error. A standard error that cannot be written (closed, full disk) is no
        reason to stop: what had to be said is lost, the work is not.
    nl
        End the line.
    over
        Write over the line before, on a terminal.
    colour
        Colour of the whole message, on a terminal.
    ends
        Last cell of a line -> its colour, on a terminal.
    """
    text = shown(message)
    if (mark := _COMMENT.get(table_form(), "")) and not err:
        text = "\n".join(f"{mark} {line}" if line else mark for line in text.split("\n"))
    if not os.environ.get("NO_COLOR"):
        if colour is not None:
            text = click.style(text, fg=colour, bold=True)
        elif ends:
            text = "\n".join(_with_end(line, ends) for line in text.split("\n"))
    if over:
        text, nl = f"\r{text}   ", False
    if err:
        with suppress(OSError, ValueError):
            click.echo(fitting(text, sys.stderr), err=True, nl=nl)
    elif sys.stdout is not None:
        click.echo(fitting(text, sys.stdout), nl=nl)


def _with_end(line: str, ends: Mapping[str, str]) -> str:
    """Return a line whose last cell, behind two blanks, has its colour."""
    rest, gap, end = line.rpartition("  ")
    if not gap or end not in ends:
        return line
    return f"{rest}{gap}{click.style(end, fg=ends[end], bold=True)}"


def say_table(text: str) -> None:
    """Print a table that another program reads, whatever is a comment beside it.

    Parameters
    ----------
    text
        Lines of the table, texts in them escaped for the form it has.
    """
    if sys.stdout is not None:
        click.echo(fitting(shown(text), sys.stdout))
