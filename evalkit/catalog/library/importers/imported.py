"""What every importer shares.

Options, provenance, ids, and slots of other template languages turned into ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.catalog.opening import read_utf8
from evalkit.errors import CatalogError
from evalkit.phrasings.templates import MAX_TEXT, check, slots
from evalkit.records import Phrasing, Position, digest

__all__ = [
    "MAX_FILE",
    "UPSTREAM_ANSWERS",
    "ImportOptions",
    "Imported",
    "SourceFile",
    "add",
    "from_format_string",
    "position_of",
    "read_source",
    "rename_slots",
    "slug",
]

MAX_FILE = 256 * 1024 * 1024
"""Largest file an importer reads, bytes."""
UPSTREAM_ANSWERS = "upstream's answers: "
"""How the note of a phrasing begins that says which answers its template fixes."""
COMMON_NAMES = {
    "content": "question",
    "options_": "choices",
    "options_str": "choices",
    "options": "choices",
    "topic": "subject",
    "answer_choices": "choices",
}
"""Slot names of published collections -> ours; a mapping given by the user comes first."""
_FORMAT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_NAME = re.compile(r"[^\W\d]\w*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user says about a collection."""

    collection: str
    """Name of the collection; becomes `Phrasing.source`, which decides seen or unseen."""
    licence: str = ""
    """Licence of the texts; the collection's own when empty."""
    commit: str = ""
    """Commit of the repository the files come from, when known."""
    tasks: tuple[str, ...] = ()
    """Task ids or patterns the phrasings are for."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """Upstream slot or column name -> ours."""
    only: tuple[str, ...] = ()
    """Upstream task names that are imported; empty for all."""
    author: str = ""
    """Who wrote the texts; the collection's authors when empty."""
    borrowed: bool = False
    """Whether they are for other tasks than upstream's:
    a listing of upstream's answers is a slot then.
    """


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file read: its text and what is recorded of it."""

    path: Path
    """Path as given."""
    text: str
    """Content."""
    sha256: str
    """Digest of its bytes."""

    def origin(self, line: int, commit: str) -> str:
        """Return the text for `Phrasing.origin`."""
        at = f"@{commit}" if commit else ""
        return (
            f"{self.path.name if self.path.is_absolute() else self.path.as_posix()}:{line}{at} "
            f"sha256:{self.sha256[:16]}"
        )


@dataclass(slots=True)
class Imported:
    """Phrasings read, and what was left out and why."""

    phrasings: list[Phrasing] = field(default_factory=list)
    """Phrasings, in file order, each text and kind once."""
    skipped: list[str] = field(default_factory=list)
    """``file:line: why`` for everything that was not taken."""


def read_source(path: Path, *, limit: int = MAX_FILE) -> SourceFile:
    """Return one file with its digest.

    Raise CatalogError when it cannot be read, is too large or is not UTF-8.
    """
    text = read_utf8(path, limit=limit)
    return SourceFile(
        path, text.replace("\r\n", "\n"), hashlib.sha256(path.read_bytes()).hexdigest()
    )


def slug(text: str) -> str:
    """Return `text` as part of an id.

    >>> slug("Can we infer (v2)?")
    'can-we-infer-v2'
    """
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")[:40] or "x"


def from_format_string(text: str, rename: Mapping[str, str]) -> str:
    """Return a ``str.format`` template as Jinja.

    ``{name}`` becomes a slot, doubled braces single ones.

    Raises
    ------
    CatalogError
        When a slot is no plain name, such as ``{}`` or ``{0.__class__}``.

    Examples
    --------
    >>> from_format_string("Is {premise} true? {options_}", {"premise": "question"})
    'Is {{ question }} true? {{ choices }}'
    """
    names = {**COMMON_NAMES, **rename}

    def slot(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "\0" if match.group() == "{{" else "\1"
        if not _NAME.match(name):
            raise CatalogError(
                f"slot {{{name}}} is not a plain name; one such as {{question}} is accepted"
            )
        return f"\2 {names.get(name, name)} \3"

    converted = _FORMAT.sub(slot, text.translate({0: None, 1: None, 2: None, 3: None}))
    escaped = re.sub(
        r"\{(?=[{%#\x02])", "{{ '{' }}", converted.replace("\0", "{").replace("\1", "}")
    )
    return escaped.replace("\2", "{{").replace("\3", "}}")


def position_of(text: str) -> Position:
    """Return ``inline`` for a template that holds the instance itself, ``before`` for an
    instruction alone.
    """
    try:
        return "inline" if slots(text) - {"subject", "category"} else "before"
    except CatalogError:
        return "before"  # `add` says what is wrong with the template


def rename_slots(text: str, rename: Mapping[str, str]) -> str:
    """Return a Jinja template with its names exchanged; attributes, strings and plain text stay.

    Raises
    ------
    CatalogError
        When it is not a template.
    """
    from jinja2 import TemplateSyntaxError

    from evalkit.phrasings.templates import environment

    names = {**COMMON_NAMES, **rename}
    parts: list[str] = []
    try:
        for _, kind, value in environment().lex(text):
            attribute = (
                "".join(parts).rstrip().endswith(".")
                if kind == "name" and value in names
                else False
            )
            parts.append(
                names[value] if kind == "name" and value in names and not attribute else value
            )
    except TemplateSyntaxError as error:
        raise CatalogError(f"is not a template: {error.message}") from error
    return "".join(parts)


def add(
    found: Imported,
    phrasing: Phrasing,
    *,
    name: str,
    source: SourceFile,
    line: int,
    options: ImportOptions,
) -> None:
    """Add one phrasing with id and provenance, or a line that says why it was left out.

    Parameters
    ----------
    found
        Where it goes.
    phrasing
        Wording and layout; id, source, author, licence, tasks and origin are set here unless they
        are there.
    name
        Upstream's name of it, part of the id.
    source, line
        Where it stands.
    options
        What the user says about the collection.
    """
    where = f"{source.path}:{line}"
    problems = check(phrasing.text)
    if not phrasing.text.strip():
        problems = ["text is empty"]
    if len(phrasing.text) > MAX_TEXT:
        problems = problems[:1]
    if problems:
        found.skipped.append(f"{where}: {problems[0].rstrip('.')}")
        return
    content = [phrasing.text, phrasing.kind, phrasing.perturbation, phrasing.published, name]
    made = replace(
        phrasing,
        id=f"{slug(options.collection)}-{slug(name)}-{digest(content, length=8)}",
        source=options.collection,
        author=options.author or phrasing.author,
        licence=options.licence or phrasing.licence,
        tasks=options.tasks,
        origin=source.origin(line, options.commit),
    )
    if any(made.id == other.id for other in found.phrasings[-4096:]):
        found.skipped.append(f"{where}: the same text stands here again")
        return
    found.phrasings.append(made)


def wanted(name: str, options: ImportOptions) -> bool:
    """Return whether an upstream task is among those asked for."""
    return not options.only or name in options.only


def joined(results: Iterable[Imported]) -> Imported:
    """Return several results as one; what stands twice, by id or as the same wording for the
    same tasks, is kept once.
    """
    whole = Imported()
    known: set[tuple[object, ...]] = set()
    for result in results:
        whole.skipped += result.skipped
        for phrasing in result.phrasings:
            asked = (phrasing.text, phrasing.answers, phrasing.layout, phrasing.label_space)
            keys: set[tuple[object, ...]] = {(phrasing.id,)}
            if phrasing.tasks:
                keys.add((*asked, phrasing.tasks))
            if keys & known:
                whole.skipped.append(f"{phrasing.origin}: the same text stands here again")
            else:
                known |= keys
                whole.phrasings.append(phrasing)
    return whole
