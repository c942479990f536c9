"""What promptsource says with Jinja and YAML of its own, said plainly: aliases of metadata, a draw
among openings, choices written out one by one.
"""

from __future__ import annotations

import ast
import re

from evalkit.phrasings.templates import MAX_TEXT
from evalkit.records import Layout

__all__ = ["one_by_one", "unaliased", "variants"]

_ANCHOR = re.compile(
    r"(?m)^(?P<by>[ ]*)metadata:[ ]+&(?P<name>\w+)[ ]+!TemplateMetadata[ ]*\n"
    r"(?P<held>(?:(?P=by)[ ]+.*\n)*)"
)
_ALIAS = re.compile(r"(?m)^([ ]*metadata:[ ]+)\*(\w+)[ ]*$")
_DRAWN = re.compile(
    r"\{%-?\s*set\s+(?P<name>\w+)\s*=\s*(?P<texts>\[.{0,2000}?\])\s*(?:\|\s*choice\s*)?-?%\}\s*",
    re.DOTALL,
)
"""A list of texts, one of which is drawn."""
_DRAWN_HERE = re.compile(r"\{\{-?\s*(?P<texts>\[[^\[\]{}]*\])\s*\|\s*choice\s*-?\}\}")
_MOST_DRAWN = 64
_ONE = r"\{\{-? {0,4}answer_choices {0,4}\[ {0,4}\d{1,3} {0,4}\] {0,4}-?\}\}"
_MARKER = r"(?:[-*]|\(?[A-Ha-h][).:])"
_LINES = re.compile(
    rf"(?m)^[ \t]{{0,8}}(?P<by>{_MARKER})?[ \t]{{0,8}}{_ONE}[ \t]{{0,8}}"
    rf"(?:\n\s{{0,8}}{_MARKER}?[ \t]{{0,8}}{_ONE}[ \t]{{0,8}}){{1,25}}$"
)
"""The choices one by one, each on a line."""
_LAYOUTS: dict[str, Layout] = {
    "": "inline",
    "-": "bulleted",
    "*": "bulleted",
    "(": "parenthesized",
}
_FIELD = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")
_JOINED = re.compile(r"\s*\{\{\s*(\w+)\s*\|\s*join\(.*\)\s*\}\}\s*")
_OR = re.compile(
    rf"{_ONE}(?:\s{{0,4}},\s{{0,4}}{_ONE}){{0,25}}\s{{0,4}},?\s{{1,4}}or\s{{1,4}}{_ONE}"
)


def unaliased(text: str) -> str:
    """Return a file in which what an alias of metadata stands for is written out, line for line."""
    told = {anchor["name"]: _metadata(anchor["held"]) for anchor in _ANCHOR.finditer(text)}
    return _ALIAS.sub(
        lambda found: found[1] + told[found[2]] if found[2] in told else found.group(), text
    )


def _metadata(held: str) -> str:
    """Return what is read of a template's metadata, in one line."""
    asks = re.search(r"original_task:\s*(true|false)", held)
    languages = re.search(r"languages:\s*\n\s*- ([\w-]+)", held)
    told = f"original_task: {asks[1] if asks else 'null'}"
    return f"{{{told}{f', languages: [{languages[1]}]' if languages else ''}}}"


def _texts(listed: str) -> list[str]:
    """Return the strings of a list of a template; none where it holds anything else."""
    try:
        found = ast.literal_eval(listed)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    known = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return list(dict.fromkeys(found)) if known and len(found) <= _MOST_DRAWN else []


def variants(jinja: str) -> list[str]:
    """Return a template once for each of the texts of which it draws one.

    >>> variants("{{ ['Q', 'Ask'] | choice }}: {{ question }}")
    ['Q: {{ question }}', 'Ask: {{ question }}']
    """
    if len(jinja) > MAX_TEXT:
        return [jinja]
    drawn, here = _DRAWN.search(jinja), _DRAWN_HERE.search(jinja)
    if here and (texts := _texts(here["texts"])):
        return [jinja[: here.start()] + text + jinja[here.end() :] for text in texts]
    if not drawn or not (texts := _texts(drawn["texts"])):
        return [jinja]
    slot = re.compile(rf"\{{\{{-?\s*{drawn['name']}\s*(?:\|\s*choice\s*)?-?\}}\}}")
    rest = jinja[: drawn.start()] + jinja[drawn.end() :]
    if not slot.search(rest):
        return [jinja]
    return [slot.sub(text.replace("\\", r"\\"), rest) for text in texts]


def one_by_one(text: str, named: str) -> tuple[str, Layout | None]:
    r"""Return the input with choices that are written out one by one as a ``choices`` slot, and how
    they were listed; as it is, and None, where none are.

    ``named`` is what the template says its answer choices are: their fields, joined.

    >>> one_by_one("Pick:\n(a) {{ answer_choices[0] }}\n(b) {{ answer_choices[1] }}", "")
    ('Pick:\n{{ choices }}', 'parenthesized')
    """
    spelt = text
    parts = [_FIELD.fullmatch(part) for part in named.split("|||")]
    for place, field in enumerate(parts if len(parts) > 1 else ()):
        if field:
            one = f"{{{{ answer_choices[{place}] }}}}"
            spelt = re.sub(rf"\{{\{{\s*{field[1]}\s*\}}\}}", one, spelt)
    if field := _JOINED.fullmatch(named):
        spelt = re.sub(rf"\{{\{{\s*{field[1]}\s*\[", "{{ answer_choices[", spelt)
    for pattern in (_LINES, _OR):
        found = pattern.search(spelt)
        places = re.findall(r"\[\s*(\d+)\s*\]", found.group()) if found else []
        if found and places == [str(place) for place in range(len(places))]:
            by = (found["by"] or "-") if pattern is _LINES else ""
            layout = _LAYOUTS.get(by[:1], "lettered")
            return f"{spelt[: found.start()]}{{{{ choices }}}}{spelt[found.end() :]}", layout
    return text, None
