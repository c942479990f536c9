"""promptsource YAML (P3): ``!Template`` entries with Jinja, input and target parted by ``|||``.

Read as plain data.

Its two tags are dropped before the strict YAML reader sees the file, and what it says of two
templates at once (an alias of one's metadata) is said of both; any other tag or alias is refused
there. A template that draws one of several openings is as many phrasings. The input part must pass
the template check of evalkit (`evalkit.phrasings.templates.check`), so loops over fields, calls and
attributes are left out and named. Answer words that a template fixes (``Yes ||| No``) are written
into its text.

References
----------
Bach et al. PromptSource, ACL 2022 demo; bigscience-workshop/promptsource:promptsource/templates/.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.catalog.library.importers.imported import (
    UPSTREAM_ANSWERS,
    Imported,
    ImportOptions,
    SourceFile,
    add,
    read_source,
    rename_slots,
    wanted,
)
from evalkit.catalog.library.importers.unrolled import one_by_one, unaliased, variants
from evalkit.catalog.yaml_file import YamlFile, parse_yaml
from evalkit.errors import CatalogError
from evalkit.records import LabelSpace, Layout, Meaning, Phrasing

__all__ = ["LICENCE", "import_promptsource"]

LICENCE = "Apache-2.0"
_TAG = re.compile(
    r"(?m)^([ \t]*(?:[\w.+-]+|'[^'\n]*'|\"[^\"\n]*\"):)[ \t]+(?:&\w+[ \t]+)?"
    r"!Template(?:Metadata)?[ \t]*$"
)
_JOIN = re.compile(
    r"(-[ \t]+)?\{\{-?\s*answer_choices\s*\|\s*join\(\s*(\"[^\"]*\"|'[^']*')\s*\)\s*-?\}\}"
)
_ITEM = re.compile(r"\{\{-?\s*answer_choices\s*\[\s*(\d+)\s*\]\s*-?\}\}")
_CONSTANT = re.compile(r"\{\{-?\s*(\"[^\"{}]*\"|'[^'{}]*')\s*-?\}\}")
_GUARD = re.compile(
    r"\A\s*\{%-?\s*if\b[^%]*-?%\}(?P<body>(?:(?!\{%).)*)\{%-?\s*endif\s*-?%\}\s*\Z", re.DOTALL
)
_LABELLED = re.compile(
    r"\A\s*\{%-?\s*if\s+(?:(?:answerKey|label|answer)\s*(?:!=|>=|>)\s*(?:\"\"|''|-1|0)"
    r"|metadata\.split\s*!=\s*(?:\"test\"|'test')|answers?\.(?:text|aliases)(?:\s*!=\s*\[\])?"
    r"|output)\s*-?%\}(?!.*\{%-?\s*endif)",
    re.DOTALL,
)
"""A test that the item has an answer, opened in the input and closed after the target."""
_FIELD_JOIN = re.compile(r"\{\{-?\s*choices(?:\.text|\[[\"']text[\"']\])\s*\|\s*join\(")
_LISTING = re.compile(
    r"-?[ \t]*\{%-?\s*for\s+(?:(?P<letter>\w+)\s*,\s*(?P<text>\w+)\s+in\s+zip\([^%]*\)"
    r"|(?P<index>\w+)\s+in\s+range\(\s*choices[^%]*\|\s*length\s*\))\s*-?%\}"
    r"(?P<body>.*?)\{%-?\s*endfor\s*-?%\}",
    re.DOTALL,
)
"""A loop that lists letters with choices."""
_SHUFFLED = re.compile(
    r"\A\s*\{%-?\s*set\s+(?P<order>\w+)\s*=\s*\[\[[\d,\s\[\]]*\]\s*\|\s*choice\s*-?%\}"
)
_LEAK = re.compile(
    r"answer_choices\s*\[\s*[^\d\s\]]|\b(?:label|answerKey|correct_answer|targets?)\b"
)


_BY_LABEL = re.compile(
    r"\A\s*(?:\{%-?\s*if\s+label\s*!=\s*-1\s*-?%\}\s*)?"
    r"\{\{-?\s*answer_choices\s*\[\s*label\s*\]\s*-?\}\}\s*(?:\{%-?\s*endif\s*-?%\})?\s*\Z"
)
"""A target that is the answer word of the label."""


def _inside(template: str) -> str:
    """Return what stands inside the slots and tags of a template."""
    return " ".join(re.findall(r"\{\{.*?\}\}|\{%.*?%\}", template, re.DOTALL))


def _plainly(text: str) -> tuple[str, bool]:
    """Return the input with every listing of all choices as a ``choices`` slot,
    and whether letters were listed.

    A draw of the order of choices goes: which order is shown is no part of the wording.
    """
    text = _LABELLED.sub("", text)
    text = _FIELD_JOIN.sub("{{ answer_choices | join(", text)
    if drawn := _SHUFFLED.match(text):
        order = re.escape(drawn["order"])
        item = rf"(?:-[ \t]*)?\{{\{{-?\s*answer_choices\[\s*{order}\[\s*\d+\s*\]\s*\]\s*-?\}}\}}"
        text = re.sub(rf"{item}(?:\s*{item})+", "{{ choices }}", text[drawn.end() :])
    lettered = False

    def listing(match: re.Match[str]) -> str:
        nonlocal lettered
        body = match["body"]
        if match["index"]:
            letters = re.search(r"label|\"A\"|'A'", body) is not None
            whole = "text" in body and match["index"] in body
        else:
            letters = bool(re.search(rf"\b{match['letter']}\b", body))
            whole = bool(re.search(rf"\b{match['text']}\b", body))
        if not (letters and whole):
            return match.group()
        lettered = True
        return "{{ choices }}"

    return _LISTING.sub(listing, text), lettered


def _fixed(choices: Any) -> tuple[str, ...]:
    """Return the answer words when a template fixes them.

    Nothing when they depend on the instance.
    """
    if not isinstance(choices, str) or "{{" in choices or "{%" in choices:
        return ()
    return tuple(part.strip() for part in choices.split("|||"))


def _spelt(text: str, choices: tuple[str, ...], *, borrowed: bool = False) -> tuple[str, Layout]:
    """Return the input with its answer words written out or as a ``choices`` slot,
    and how they are listed.

    A borrowed text lists the answers of the task it is asked on.
    """
    layout: Layout = "none"

    def listed(match: re.Match[str]) -> str:
        nonlocal layout
        bullet, joiner = match.group(1) or "", match.group(2)[1:-1].replace("\\n", "\n")
        if choices and not borrowed:
            return bullet + joiner.join(choices)
        layout = (
            "bulleted"
            if bullet and joiner.strip() == "-"
            else "inline"
            if joiner.strip() in {",", "or", ", or", ";", "/"}
            else "none"
        )
        return "{{ choices }}" if layout == "bulleted" else f"{bullet}{{{{ choices }}}}"

    text = _JOIN.sub(listed, text)
    if choices:
        text = _ITEM.sub(
            lambda match: (
                choices[int(match.group(1))]
                if int(match.group(1)) < len(choices)
                else match.group()
            ),
            text,
        )
    return _CONSTANT.sub(lambda match: match.group(1)[1:-1], text), layout


def _template(
    entry: dict[str, Any], where: str, *, borrowed: bool = False, named: bool = False
) -> tuple[str, Phrasing]:
    """Return the name and the phrasing of one entry; with its answer words in the order of
    upstream's labels where it is borrowed or the tasks it is for are named.

    Raise CatalogError with the reason when it cannot be one.
    """
    jinja = entry.get("jinja")
    if not isinstance(jinja, str):
        raise CatalogError("has no text under 'jinja'")
    if "|||" not in jinja:
        raise CatalogError("has no '|||' between input and target")
    text, lettered = _plainly(jinja.partition("|||")[0])
    guard = _GUARD.match(text)
    text = (guard.group("body") if guard else text).strip()
    choices = _fixed(entry.get("answer_choices"))
    text, shown = (text, None) if choices else one_by_one(text, str(entry.get("answer_choices")))
    if leak := _LEAK.search(_inside(text)):
        raise CatalogError(f"the answer stands in the input ({leak.group().strip()})")
    spelt, layout = _spelt(text, choices, borrowed=borrowed)
    layout = "lettered" if lettered else shown or layout
    if "answer_choices" in spelt:
        raise CatalogError("uses answer_choices in a way that has no counterpart here")
    metadata = entry.get("metadata") if isinstance(entry.get("metadata"), dict) else {}
    languages = (metadata or {}).get("languages") or ["en"]
    listed = " ".join(choices) or str(entry.get("answer_choices"))
    words = choices if (borrowed or named) and _BY_LABEL.match(jinja.partition("|||")[2]) else ()
    by_letter = lettered and (choices[:2] == ("A", "B") or "label" in listed)
    space: LabelSpace = "letters" if by_letter else "text"
    phrasing = Phrasing(
        id="new",
        text=spelt,
        source=where,
        author=str(entry.get("reference") or "") or "promptsource authors",
        licence=LICENCE,
        position="inline",
        layout=layout,
        label_space=space,
        answers=() if by_letter else words,
        cue="",
        language=str(languages[0]),
        meaning=Meaning(
            status="doubtful",
            by="collection's authors",
            note="asks something else than the data set does (original_task: false)",
        )
        if (metadata or {}).get("original_task") is False
        else Meaning(note=f"{UPSTREAM_ANSWERS}{' | '.join(choices)}")
        if choices and not by_letter
        else Meaning(),
    )
    return str(entry.get("name") or entry.get("id") or "template"), phrasing


def import_promptsource(path: Path, options: ImportOptions) -> Imported:
    """Return the phrasings of one promptsource ``templates.yaml``.

    Parameters
    ----------
    path
        The YAML file.
    options
        Collection and the like; `only` names templates by their upstream name.

    Raises
    ------
    CatalogError
        When the file is not the YAML promptsource writes.
    """
    source = read_source(path)
    file = parse_yaml(_TAG.sub(r"\1", unaliased(source.text)), str(path))
    value = file.value
    templates = value.get("templates") if isinstance(value, dict) else None
    if not isinstance(templates, dict):
        raise CatalogError(
            f"{path}:1: holds no mapping 'templates'. Name a promptsource templates.yaml."
        )
    found = Imported()
    subset = "-".join(str(value[key]) for key in ("dataset", "subset") if value.get(key))
    for key, entry in templates.items():
        _one(key, entry, file=file, source=source, subset=subset, options=options, found=found)
    return found


def _one(
    key: str,
    entry: Any,
    *,
    file: YamlFile,
    source: SourceFile,
    subset: str,
    options: ImportOptions,
    found: Imported,
) -> None:
    """Add one entry, or say why not."""
    line = file.line(("templates", key))
    where = f"{source.path}:{line}"
    if not isinstance(entry, dict):
        found.skipped.append(f"{where}: template {key!r} is no mapping")
        return
    written = str(entry.get("jinja") or "")
    for jinja in variants(written) if written else [entry.get("jinja")]:
        try:
            name, phrasing = _template(
                {**entry, "jinja": jinja},
                options.collection,
                borrowed=options.borrowed,
                named=bool(options.tasks),
            )
            if not wanted(name, options):
                return
            text = rename_slots(phrasing.text, options.rename)
        except CatalogError as error:
            found.skipped.append(f"{where}: template {entry.get('name', key)!r}: {error}")
            return
        add(
            found,
            replace(phrasing, text=text),
            name=f"{subset}-{name}",
            source=source,
            line=line,
            options=options,
        )
