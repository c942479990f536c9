"""Phrasing texts as templates.

Sandboxed Jinja cut down to slots, a few filters, `if` and one `for` over choices.

What a phrasing may hold is decided on its syntax tree, before anything runs: no calls, no
arithmetic, no attributes except those of `loop`, no nested loops, no macros, includes or
assignments. So neither code nor an unbounded loop can hide in a data file; the sandbox below and
the output cap are the second lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.errors import CatalogError

if TYPE_CHECKING:
    from jinja2 import Template, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["FILTERS", "MAX_TEXT", "check", "environment", "literal", "render", "slots"]

MAX_TEXT = 64 * 1024
"""Most characters of a phrasing text, and of a rendered text (or four times the field values, if
that is more)."""
FILTERS = frozenset(
    {"capitalize", "first", "join", "last", "length", "lower", "title", "trim", "upper"}
)
"""Filters a phrasing may use."""
ITERABLES = frozenset({"choices", "labels"})
"""Names a phrasing may loop over or join."""
_LOOP_ATTRIBUTES = frozenset({"first", "index", "index0", "last", "length"})
_PLAIN = frozenset(
    {
        "And",
        "Compare",
        "Concat",
        "CondExpr",
        "Const",
        "If",
        "Name",
        "Not",
        "Operand",
        "Or",
        "Output",
        "Template",
        "TemplateData",
    }
)
_MAX_JOINER = 64
_MAX_DEPTH = 20
"""Deepest nesting of a phrasing; jinja's compiler and Python's own give up far below."""
_MAX_NAMES = 50
"""Most slots in one pair of braces: their values are put together before the length is looked
at.
"""
_MAX_LOOPS = 20
"""Most loops of a phrasing, each as long as the list of choices."""


@lru_cache(maxsize=1)
def environment() -> ImmutableSandboxedEnvironment:
    """Return the one environment phrasings are rendered in.

    Sandboxed, immutable, strict about undefined names.
    """
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    sandbox = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    sandbox.globals.clear()
    sandbox.filters = {
        name: function for name, function in sandbox.filters.items() if name in FILTERS
    }
    return sandbox


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def check(text: str) -> list[str]:
    """Return what is wrong with a phrasing text, one message per mistake; empty when it is fine.

    Messages carry no file name; the caller puts ``file:line:`` in front.
    """
    from jinja2 import TemplateSyntaxError

    if len(text) > MAX_TEXT:
        return [f"text has {len(text)} characters; at most {MAX_TEXT} are accepted. Shorten it."]
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError as error:
        return [
            (
                f"text is not a valid template: {error.message} (line {error.lineno} of the "
                f"text). Write slots as {{{{ question }}}}."
            )
        ]
    except RecursionError:
        return [_TOO_DEEP]
    except ValueError:  # int() refuses long numbers
        return ["text holds a number of too many digits. Put it in quotes."]
    problems: list[str] = []
    if not _check_node(tree, problems, in_loop=False, depth=0):
        problems.append(_TOO_DEEP)
        return problems
    from jinja2 import nodes

    if sum(1 for _ in tree.find_all(nodes.For)) > _MAX_LOOPS:
        problems.append(f"text holds more than {_MAX_LOOPS} loops. Use one.")
    for output in tree.find_all(nodes.Output):
        if any(sum(1 for _ in part.find_all(nodes.Name)) > _MAX_NAMES for part in output.nodes):
            problems.append(
                f"one pair of braces holds more than {_MAX_NAMES} slots. Give each its own."
            )
            break
    return problems


def literal(text: str) -> str:
    """Return a template that renders to exactly `text`, whatever braces it holds.

    Examples
    --------
    >>> render(literal("Close {{ with }}."), {})
    'Close {{ with }}.'
    """
    if not _is_template(text):
        return text
    return text.replace("{", "\0").replace("\0", '{{ "{" }}')


_TOO_DEEP = "text is nested too deeply. Write plain text with slots."


def _check_node(node: nodes.Node, problems: list[str], *, in_loop: bool, depth: int) -> bool:
    """Collect what is not accepted below `node`;
    return False when it is nested too deeply to look.
    """
    if depth > _MAX_DEPTH:
        return False
    kind = type(node).__name__
    if kind == "For":
        _check_loop(node, problems, in_loop=in_loop)
        in_loop = True
    elif kind == "Filter":
        _check_filter(node, problems)
    elif kind == "Getattr":
        target = getattr(node, "node", None)
        name = getattr(node, "attr", "")
        if getattr(target, "name", "") != "loop" or name not in _LOOP_ATTRIBUTES:
            problems.append(
                f"attribute {name!r} is not accepted in a phrasing; only "
                f"loop.{', loop.'.join(sorted(_LOOP_ATTRIBUTES))} are."
            )
    elif kind == "Getitem":
        index = getattr(node, "arg", None)
        if type(getattr(index, "value", None)) is not int:
            problems.append("only a whole number may stand in square brackets, as in choices[0].")
    elif kind == "Test":
        if getattr(node, "name", "") != "defined":
            problems.append(
                f"test {getattr(node, 'name', '')!r} is not accepted in a phrasing; "
                "only 'defined' is."
            )
    elif kind not in _PLAIN:
        problems.append(
            f"{_spoken(kind)} not accepted in a phrasing; slots, 'if' and one 'for' over choices "
            "are. Spell the text out."
        )
    elif kind == "Name" and getattr(node, "name", "") == "self":
        problems.append("'self' is no slot. Name a field of the task.")
    return all(
        _check_node(child, problems, in_loop=in_loop, depth=depth + 1)
        for child in node.iter_child_nodes()
    )


def _check_loop(node: nodes.Node, problems: list[str], *, in_loop: bool) -> None:
    """Collect what is wrong with one `for`."""
    name = getattr(getattr(node, "iter", None), "name", None)
    if name not in ITERABLES:
        problems.append(
            f"a loop may only run over {' or '.join(sorted(ITERABLES))}. "
            "Name one of them after 'in'."
        )
    if in_loop:
        problems.append("a loop inside a loop is not accepted. Use one loop.")
    if getattr(node, "recursive", False):
        problems.append("a recursive loop is not accepted. Remove the word 'recursive'.")
    if type(getattr(node, "target", None)).__name__ != "Name":
        problems.append("a loop takes one variable, as in 'for choice in choices'.")


def _check_filter(node: nodes.Node, problems: list[str]) -> None:
    """Collect what is wrong with one filter."""
    name = getattr(node, "name", "")
    arguments = [*getattr(node, "args", []), *getattr(node, "kwargs", [])]
    if name not in FILTERS:
        problems.append(
            f"filter {name!r} is not accepted in a phrasing; accepted: "
            f"{', '.join(sorted(FILTERS))}."
        )
    elif name == "join":
        joiner = (
            getattr(arguments[0], "value", None)
            if len(arguments) == 1
            else ""
            if not arguments
            else None
        )
        joined = getattr(getattr(node, "node", None), "name", None)
        if not isinstance(joiner, str) or len(joiner) > _MAX_JOINER or joined not in ITERABLES:
            problems.append(
                f"'join' takes choices or labels and a text of at most {_MAX_JOINER} characters, "
                "as in choices | join(', ')."
            )
    elif arguments:
        problems.append(f"filter {name!r} takes no argument in a phrasing.")


def _spoken(kind: str) -> str:
    """Return a node class in words."""
    words = {
        "Call": "a call is",
        "Mul": "'*' is",
        "Pow": "'**' is",
        "Add": "'+' is",
        "Mod": "'%' is",
        "Assign": "'set' is",
    }
    return words.get(kind, f"{kind!r} is")


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    """Compile a checked text; raise CatalogError when the check finds something."""
    problems = check(text)
    if problems:
        raise CatalogError(problems)
    return environment().from_string(text)


@lru_cache(maxsize=4096)
def slots(text: str) -> frozenset[str]:
    """Return the names a phrasing text takes from outside, such as ``question`` and ``choices``.

    Raises
    ------
    CatalogError
        When the text is not accepted (see `check`).

    Examples
    --------
    >>> sorted(slots("Is {{ question }} true? {% for c in choices %}{{ c }}{% endfor %}"))
    ['choices', 'question']
    """
    if not _is_template(text):
        return frozenset()
    from jinja2 import meta

    _compiled(text)
    return frozenset(meta.find_undeclared_variables(environment().parse(text)))


def render(text: str, fields: Mapping[str, Any], *, where: str = "phrasing") -> str:
    """Return `text` with its slots filled from `fields`.

    Parameters
    ----------
    text
        Phrasing text; a text without slots comes back as it is.
    fields
        Slot values: texts, and sequences of texts for ``choices`` and ``labels``.
    where
        What is being rendered, for the start of messages.

    Raises
    ------
    CatalogError
        When the text is not accepted, a slot has no value, or the result is too long.

    Examples
    --------
    >>> render("Answer this {{ subject }} question.", {"subject": "anatomy"})
    'Answer this anatomy question.'
    """
    if not _is_template(text):
        return text
    from jinja2 import TemplateError

    most = max(MAX_TEXT, 4 * sum(len(value) for value in fields.values() if isinstance(value, str)))
    parts: list[str] = []
    total = 0
    try:
        for part in _compiled(text).generate(fields):
            total += len(part)
            if total > most:
                raise CatalogError(
                    f"{where}: rendered text is longer than {most} characters. "
                    "Shorten the phrasing."
                )
            parts.append(part)
    except CatalogError as error:
        raise CatalogError(
            [
                problem if problem.startswith(where) else f"{where}: {problem}"
                for problem in error.problems
            ]
        ) from error
    except (TemplateError, TypeError, IndexError) as error:
        known = ", ".join(sorted(fields)) or "none"
        raise CatalogError(
            f"{where}: cannot be rendered: {error}; slots with a value here: {known}."
        ) from error
    return "".join(parts)
