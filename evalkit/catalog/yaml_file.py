"""YAML 1.2 core, strictly: no surprises in answers such as ``no``,
and a line number for every value.

Differs from PyYAML's own loader on purpose: yes/no/on/off and 1:30 stay text, 012 is 12, a key may
stand once, keys are text, and aliases, tags, merge keys, several documents, other encodings than
UTF-8 and big files are refused. Does not handle comments: nothing here writes YAML back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalkit.catalog.opening import read_utf8
from evalkit.errors import CatalogError

__all__ = ["MAX_BYTES", "Where", "YamlFile", "load_yaml", "parse_yaml"]

MAX_BYTES = 4 * 1024 * 1024
"""Largest file read."""
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan"
    r"|NaN|NAN))\Z"
)

Where = tuple[str | int, ...]
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class YamlFile:
    """A parsed file and where each of its values stands."""

    path: str
    """Name shown in messages."""
    value: Any
    """Plain lists, dictionaries with text keys, texts, numbers, booleans and None."""
    lines: dict[Where, int] = field(default_factory=dict)
    """Path of keys and indices -> line, counted from 1."""

    def line(self, where: Where) -> int:
        """Return the line of `where`, or of the nearest thing around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def at(self, where: Where) -> str:
        """Return ``file:line`` of `where`."""
        return f"{self.path}:{self.line(where)}"


def load_yaml(
    path: Path, *, shown: str | None = None, problems: list[str] | None = None
) -> YamlFile:
    """Return the content of one YAML file with line numbers.

    Parameters
    ----------
    path
        File to read.
    shown
        Name for messages; the path itself when None.
    problems
        Takes mistakes that leave the rest readable (a key twice, a tag, an alias), so that the
        caller can find more before it raises; without it they are raised here.

    Raises
    ------
    CatalogError
        With every mistake that can be told apart, each with file and line.
    """
    return parse_yaml(read_utf8(path, limit=MAX_BYTES), shown or str(path), problems=problems)


def parse_yaml(text: str, shown: str, *, problems: list[str] | None = None) -> YamlFile:
    """Return the content of YAML text with line numbers; see `load_yaml`."""
    try:
        walk = _Walk(text, shown)
    except UnicodeEncodeError as error:
        raise CatalogError(
            f"{shown}:1: holds a lone surrogate, which is no text. Remove it."
        ) from error
    try:
        value = walk.document()
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise CatalogError([*walk.problems, f"{shown}:{line}: {_spoken(error)}"]) from error
    except yaml.YAMLError as error:
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        raise CatalogError(
            f"{shown}:{line}: is not YAML: {getattr(error, 'reason', error)}. Remove the character."
        ) from error
    finally:
        walk.close()
    if problems is not None:
        problems += walk.problems
    elif walk.problems:
        raise CatalogError(walk.problems)
    return YamlFile(shown, value, walk.lines)


def _spoken(error: yaml.MarkedYAMLError) -> str:
    """Return a parser message with the advice it needs."""
    problem = error.problem or "cannot be parsed"
    mark = error.problem_mark
    if "cannot start any token" in problem and mark is not None:
        return (
            "a character (tab, @, `, % or the like) stands where YAML wants none. "
            "Indent with spaces, or put the text in double quotes."
        )
    return (
        f"is not YAML: {problem}. A text with ': ', ' #', '{{{{' or a quote in it must stand in "
        "double quotes."
    )


class _Walk:
    """Builds plain values from the C parser's events, collecting lines and mistakes.

    Events instead of nodes: PyYAML composes nodes by recursion in C, which deep nesting turns into
    a crash.
    """

    def __init__(self, text: str, shown: str) -> None:
        self._parser: Any = yaml.CSafeLoader(text)
        self.shown = shown
        self.lines: dict[Where, int] = {}
        self.problems: list[str] = []

    def close(self) -> None:
        """Release the parser's memory."""
        self._parser.dispose()

    def _wrong(self, event: Any, message: str) -> None:
        self.problems.append(f"{self.shown}:{event.start_mark.line + 1}: {message}")

    def document(self) -> Any:
        """Return the value of the only document."""
        self._parser.get_event()
        if self._parser.check_event(yaml.StreamEndEvent):
            raise CatalogError(
                f"{self.shown}:1: file is empty; a mapping or a list is expected. "
                "Fill it or delete it."
            )
        self._parser.get_event()
        value = self._value(self._parser.get_event(), ())
        self._parser.get_event()
        if not self._parser.check_event(yaml.StreamEndEvent):
            self._wrong(
                self._parser.get_event(),
                "a second document starts here ('---'); one per file is accepted. Split the file.",
            )
        return value

    def _value(self, event: Any, where: Where) -> Any:
        """Return the plain value that starts with `event` and stands at `where`."""
        self.lines.setdefault(where, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            self._wrong(event, f"alias '*{event.anchor}' is not accepted. Write the value out.")
            return None
        if event.anchor is not None:
            self._wrong(
                event,
                f"anchor '&{event.anchor}' is not accepted. "
                "Write the value out where it is needed.",
            )
        if event.tag is not None:
            self._wrong(
                event,
                f"tag {event.tag.replace(_TAG, '!!')!r} is not accepted; plain YAML only. "
                "Remove the tag.",
            )
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event) if event.implicit[0] else event.value
        if len(where) >= _MAX_DEPTH:
            raise CatalogError(
                [
                    *self.problems,
                    (
                        f"{self.shown}:{event.start_mark.line + 1}: is nested deeper than "
                        f"{_MAX_DEPTH} levels. Flatten it."
                    ),
                ]
            )
        return (
            self._mapping(where)
            if isinstance(event, yaml.MappingStartEvent)
            else self._sequence(where)
        )

    def _sequence(self, where: Where) -> list[Any]:
        found: list[Any] = []
        while not self._parser.check_event(yaml.SequenceEndEvent):
            found.append(self._value(self._parser.get_event(), (*where, len(found))))
        self._parser.get_event()
        return found

    def _mapping(self, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._parser.check_event(yaml.MappingEndEvent):
            event = self._parser.get_event()
            key = self._value(event, (*where, "\0key"))
            if not isinstance(key, str) or key == "<<" or key in found:
                if isinstance(key, str) and key in found:
                    self._wrong(
                        event,
                        f"key {key!r} stands here again, first on line "
                        f"{self.lines[(*where, key)]}. Keep one.",
                    )
                else:
                    self._wrong(
                        event,
                        f"key {key!r} is not accepted; keys are texts. "
                        "Put it in quotes or write merged keys out.",
                    )
                self._value(self._parser.get_event(), (*where, "\0dropped"))
                continue
            self.lines[(*where, key)] = event.start_mark.line + 1
            found[key] = self._value(self._parser.get_event(), (*where, key))
        self._parser.get_event()
        return found

    def _scalar(self, event: Any) -> Any:
        """Return the YAML 1.2 core value of a plain scalar."""
        text: str = event.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in "-+.0123456789":
            return text
        if _INT.match(text):
            if len(text) > 30:
                self._wrong(event, f"number {text[:12]}... is too long. Put it in quotes.")
                return None
            return (
                int(text[2:], {"o": 8, "x": 16}[text[1]]) if text[:2] in ("0o", "0x") else int(text)
            )
        if _FLOAT.match(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text
