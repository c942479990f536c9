"""PromptBench: its prompt sets (JSON, YAML or the Python literals upstream keeps) and its
adversarial prompts in Markdown.

Adversarial files hold, per task, clean prompts with the accuracy they got and attacked ones with
accuracy before and after; both go into `Phrasing.published`. Files of shots are refused: they hold
no phrasings.

References
----------
Zhu et al. PromptRobust (PromptBench), 2023; microsoft/promptbench:promptbench/prompts/.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.catalog.library.importers.flan import dictionaries, literal, syntax
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
from evalkit.catalog.library.importers.superni import plain_as_template
from evalkit.catalog.yaml_file import parse_yaml
from evalkit.errors import CatalogError
from evalkit.records import Phrasing

__all__ = ["LICENCE", "import_promptbench"]

LICENCE = "MIT"
LANGUAGES = frozenset(
    {"arabic", "chinese", "french", "german", "japanese", "korean", "russian", "spanish"}
)
"""Languages upstream translated its prompts through."""
_CLEAN = re.compile(r"Acc:\s*([\d.]+)%,\s*prompt:\s*(.*)")
_TRANSLATED = re.compile(r"Language:\s*(\w+),\s*acc:\s*([\d.]+)%,\s*prompt:\s*(.*)", re.IGNORECASE)
_SCORES = re.compile(r"Original acc:\s*([\d.]+)%,\s*attacked acc:\s*([\d.]+)%", re.IGNORECASE)


def _phrasing(text: str, options: ImportOptions, **fields: Any) -> Phrasing:
    position = position_of(text)
    return Phrasing(
        id="new",
        text=text,
        source=options.collection,
        author="PromptBench authors",
        licence=LICENCE,
        position=position,
        layout="original",
        label_space="text",
        cue="" if position == "inline" else "Answer:",
        **fields,
    )


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (keys, text) of every text that stands in a list below `value`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, str):
                yield path, item


def _plain(node: ast.expr) -> Any:
    """Return the dictionaries, lists and texts an expression spells out.

    None for anything computed.
    """
    if isinstance(node, ast.Dict):
        return {
            literal(key) or "": _plain(value)
            for key, value in zip(node.keys, node.values, strict=True)
        }
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(item) for item in node.elts]
    return literal(node)


def _data(source: SourceFile) -> Any:
    """Return the content of a prompt set.

    JSON, a Python literal (upstream's .py, and its .yaml, which is Python), or YAML.
    """
    suffix = source.path.suffix.lower()
    if suffix == ".json":
        try:
            return json.loads(source.text)
        except (ValueError, RecursionError) as error:
            raise CatalogError(
                f"{source.path}:{getattr(error, 'lineno', 1)}: is not JSON: {error}. "
                "Check the file."
            ) from error
    if suffix == ".py" or re.search(r"(?m)^\w+ *= *\{", source.text):
        return [_plain(table) for table in dictionaries(syntax(source))]
    return parse_yaml(source.text, str(source.path)).value


def _set(source: SourceFile, options: ImportOptions) -> Imported:
    """Phrasings of a prompt set: task -> list of texts, or task -> language -> list of texts."""
    found = Imported()
    value = _data(source)
    tables = value if isinstance(value, list) else [value]
    texts = [item for table in tables for item in _texts(table)]
    if not texts:
        raise CatalogError(
            f"{source.path}:1: holds no lists of prompts (task -> list of texts). "
            "Files of shots cannot be imported."
        )
    for keys, text in texts:
        names = [key for key in keys if not key.isupper()] or ["prompts"]
        if not wanted(names[0], options):
            continue
        head = next((line for line in text.splitlines() if line.strip()), text)[:40]
        line = (
            source.text[
                : max(source.text.find(json.dumps(head, ensure_ascii=False)[1:-1]), 0)
            ].count("\n")
            + 1
        )
        perturbation = f"translation:{names[1]}" if names[1:] and names[1] in LANGUAGES else ""
        try:
            converted = from_format_string(text.replace("{}", "{subject}"), options.rename)
        except CatalogError as error:
            found.skipped.append(f"{source.path}:{line}: {error}")
            continue
        add(
            found,
            _phrasing(converted, options, perturbation=perturbation),
            name=names[0],
            source=source,
            line=line,
            options=options,
        )
    return found


@dataclass(slots=True)
class _Place:
    """Where in an adversarial file we are."""

    task: str = ""
    attack: str = ""
    original: str = ""
    attacked: str | None = None
    line: int = 0
    clean: dict[tuple[str, str], str] = field(default_factory=dict)
    """Id of every clean prompt by task and text: what an attacked one was made from."""


def _decoded(text: str) -> str:
    """Return an attacked prompt; upstream wrote many as Python byte strings."""
    text = text.strip()
    if text[:2] in ("b'", 'b"'):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else text
    return text


def _percent(text: str) -> float | None:
    """Return a percentage as a fraction; None when it is none."""
    try:
        value = float(text) / 100
    except ValueError:
        return None
    return round(value, 6) if 0 <= value <= 1 else None


def _adversarial(source: SourceFile, options: ImportOptions) -> Imported:
    """Phrasings of an adversarial file, clean, translated and attacked."""
    found = Imported()
    place = _Place()

    def add(text: str, percent: str, rule: str) -> None:
        _add_line(found, place, text, percent=percent, rule=rule, source=source, options=options)

    for number, line in enumerate(source.text.split("\n"), start=1):
        if place.attacked is None:
            place.line = number
        if line.startswith("## "):
            place.attack = line[3:].strip()
        elif line.startswith("# "):
            place.task, place.attack = line[2:].strip(), ""
        elif not line.strip():
            continue
        elif line.startswith("Original prompt:"):
            if place.attacked is not None:
                found.skipped.append(
                    f"{source.path}:{place.line}: attacked prompt has no line of accuracies"
                )
            place.attacked, place.original = None, line.partition(":")[2].strip()
        elif line.startswith("Attacked prompt:"):
            place.attacked, place.line = line.partition(":")[2], number
        elif match := _SCORES.match(line):
            if place.attacked is not None:
                rule = f"{place.attack}:model={source.path.stem}"
                add(_decoded(place.attacked), match[2], rule)
            place.attacked = None
        elif match := _CLEAN.match(line):
            place.original = ""
            add(match[2], match[1], "")
        elif match := _TRANSLATED.match(line):
            place.original = ""
            add(match[3], match[2], f"translation:{match[1].lower()}")
        elif place.attacked is not None:
            place.attacked += f"\n{line}"
        else:
            found.skipped.append(
                f"{source.path}:{number}: is no prompt, score or heading: {line[:60]!r}"
            )
    return found


def _add_line(
    found: Imported,
    place: _Place,
    text: str,
    *,
    percent: str,
    rule: str,
    source: SourceFile,
    options: ImportOptions,
) -> None:
    """Add one prompt with its accuracy."""
    line = place.line
    if not wanted(place.task, options):
        return
    published = _percent(percent)
    if published is None:
        found.skipped.append(
            f"{source.path}:{line}: accuracy {percent}% is not a number from 0 to 100"
        )
        return
    template = plain_as_template(text.strip()).replace("{}", "{{ subject }}")
    phrasing = _phrasing(
        template,
        options,
        perturbation=rule,
        published=published,
        of=place.clean.get((place.task, place.original)),
    )
    name = f"{source.path.stem}-{place.task}"
    before = len(found.phrasings)
    add(found, phrasing, name=name, source=source, line=line, options=options)
    if not rule and len(found.phrasings) > before:
        place.clean[(place.task, text.strip())] = found.phrasings[-1].id


def import_promptbench(path: Path, options: ImportOptions) -> Imported:
    """Return the phrasings of one PromptBench file.

    Parameters
    ----------
    path
        A prompt set (``.json``, ``.yaml``, ``.py``) or an adversarial file (``.md``).
    options
        Collection and the like; `only` names PromptBench tasks such as ``cola``.

    Raises
    ------
    CatalogError
        When the file holds no prompts.
    """
    source = read_source(path, limit=16 * 1024 * 1024)
    found = _adversarial(source, options) if path.suffix.lower() == ".md" else _set(source, options)
    if not found.phrasings and not found.skipped and not options.only:
        raise CatalogError(f"{path}:1: holds no prompts. Name a file of promptbench/prompts/.")
    return found
