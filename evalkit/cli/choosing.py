"""`evalkit.runs.options` on the command line: what ``run`` and ``plan`` offer, and `Settings` of it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.options import option
from evalkit.runs.options import OPTIONS, Option

if TYPE_CHECKING:
    from evalkit.runs.settings import Settings

__all__ = ["choosing_options", "settings_from"]

F = TypeVar("F", bound=Callable[..., Any])


def choosing_options(function: F) -> F:
    """Add every option that says what is run."""
    for one in reversed(OPTIONS):
        function = _as_click(one)(function)
    return function


def _as_click(one: Option) -> Callable[[F], F]:
    """Return one option of the table as click's."""
    kind: Any = {Path: click.Path(path_type=Path), bool: bool, object: str}.get(one.kind, one.kind)
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


def settings_from(given: dict[str, Any]) -> Settings:
    """Return the settings that the options of `choosing_options` ask for.

    The command that is kept leaves out ``--fresh``, which would throw away what it is typed again
    for, and secrets.
    """
    from evalkit.runs.given import settings_of

    words = [_without_secrets(word) for word in sys.argv[1:] if word != "--fresh"]
    return settings_of(given, command=shlex.join(["evalkit", *words]))


def _without_secrets(word: str) -> str:
    """Return a word with every value of the environment that looks like a secret replaced."""
    for name, value in os.environ.items():
        if len(value) >= 8 and any(
            mark in name.upper() for mark in ("KEY", "TOKEN", "SECRET", "PASSWORD")
        ):
            word = word.replace(value, "***")
    return word
