"""What is wrong with the bytes and the texts of a phrasing file, whatever its tasks are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.yaml_file import YamlFile
from evalkit.phrasings.templates import check

__all__ = ["CODES", "LONGEST", "Finding", "entries", "of_bytes", "of_texts"]

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


_JOINED = re.compile(r"(?<=[^\x00-\u02ff\s])[\u200c\u200d](?=[^\x00-\u02ff\s])")
"""Joiners where scripts (Persian, Hindi) and emoji need them; between Latin letters they hide."""


def of_bytes(path: Path) -> Iterator[Finding]:
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
        for character in _JOINED.sub("", row.removesuffix("\r")):
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


def entries(file: YamlFile) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the entries of a phrasing file that are mappings with a text,
    and the line of the text.
    """
    value = file.value
    base: tuple[str | int, ...] = ()
    if isinstance(value, dict):
        value, base = value.get("phrasings"), ("phrasings",)
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, dict) and isinstance(entry.get("text"), str):
            yield entry, file.line((*base, index, "text"))


def of_texts(path: Path, file: YamlFile) -> Iterator[Finding]:
    """Yield what is wrong with each text as a template and as text."""
    for entry, line in entries(file):
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
                for character in _JOINED.sub("", text)
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
