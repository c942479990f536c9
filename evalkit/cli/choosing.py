"""`evalkit.runs.options` on the command line: what ``run`` and ``plan`` offer,
and `Settings` of it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.options import PATH, option, together
from evalkit.runs.options import OPTIONS, Option

if TYPE_CHECKING:
    from evalkit.runs.settings import Settings

__all__ = ["at_most_one_model", "choosing_options", "line_to_go_on", "settings_from"]

_SECRET = re.compile(
    r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)S?(?:_|$)|(?:APIKEY|TOKEN|SECRET|PASSWORD)$",
    re.IGNORECASE,
)
"""Names of variables that hold a secret: OPENAI_API_KEY and HF_TOKEN, not KEYBOARD or TOKENIZER."""
F = TypeVar("F", bound=Callable[..., Any])


def choosing_options(*names: str) -> Callable[[F], F]:
    """Return what adds the options that say what is run: those named, or all without names."""
    return together(*(_as_click(one) for one in OPTIONS if not names or one.name in names))


def _as_click(one: Option) -> Callable[[F], F]:
    """Return one option of the table as click's."""
    kind: Any = {Path: PATH, bool: bool, object: str}.get(one.kind, one.kind)
    kind = click.Choice(one.accepted) if one.accepted else kind
    kind = kind if one.least is None else click.IntRange(min=one.least)
    flag = f"{one.flag}/--no-{one.name}" if one.kind is bool and one.default is None else one.flag
    return option(
        flag,
        *one.spellings,
        one.name,
        type=kind,
        is_flag=one.kind is bool,
        multiple=one.repeated,
        required=one.name == "model",
        default=() if one.repeated else one.default,
        show_default=one.default is not None and one.kind is not bool,
        metavar=one.metavar,
        envvar=one.variable,
        group=one.group,
        help=one.help,
    )


def at_most_one_model(command: click.Command) -> None:
    """Let a command go without ``--model``, and refuse a second one instead of using the last
    alone.
    """
    for parameter in command.params:
        if parameter.name == "model" and isinstance(parameter, click.Option):
            parameter.required, parameter.multiple = False, True
            parameter.callback = _only


def _only(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise click.UsageError(
            f"--model: is given {len(values)} times ({', '.join(values)}), "
            "and this command takes one. Leave the others out."
        )
    return values[0] if values else None


def settings_from(given: dict[str, Any]) -> Settings:
    """Return the settings that the options of `choosing_options` ask for,
    with the line to go on with.
    """
    from evalkit.runs.given import settings_of

    return settings_of(given, command=line_to_go_on(sys.argv[1:], os.environ))


def line_to_go_on(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the line that goes on with a run: what was typed,
    without what must not be typed again or shown.

    ``--fresh`` would throw away what the line is for. A secret stands there as the variable that
    holds it, so that the line shows nothing and still works.

    Parameters
    ----------
    words
        What was typed after ``evalkit``.
    environment
        Variables, some of which hold secrets.

    Examples
    --------
    >>> line_to_go_on(["run", "--fresh", "--out", "my run"], {})
    "evalkit run --out 'my run'"
    >>> line_to_go_on(["run", "--model", "openai:m,key=sk-12345678"], {"API_KEY": "sk-12345678"})
    'evalkit run --model openai:m,key="${API_KEY}"'
    """
    secrets = sorted(
        (
            (value, name)
            for name, value in environment.items()
            if len(value) >= 8 and _SECRET.search(name)
        ),
        key=lambda pair: (-len(pair[0]), pair[1]),
    )
    return " ".join(["evalkit", *(_typed(word, secrets) for word in words if word != "--fresh")])


def _typed(word: str, secrets: Sequence[tuple[str, str]]) -> str:
    """A word as a shell takes it."""
    for value, name in secrets:
        if value in word:
            parts = [_typed(part, secrets) if part else "" for part in word.split(value)]
            return f'"${{{name}}}"'.join(parts)
    return shlex.quote(word)
