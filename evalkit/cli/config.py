"""Defaults of the user: ``evalkit.toml`` in the current directory,
then in the user's configuration folder.

Precedence: option > environment > project file > user file > built-in default. A file has one table
per command::

    [run]
    data_dir = "data"
    level = 0.9
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from evalkit.errors import CatalogError, UsageError

__all__ = ["Setting", "checked", "config_files", "config_values", "default_map", "settings"]


MAX_BYTES = 1024 * 1024
"""Largest file read."""
PROJECT_FILE = Path("evalkit.toml")
"""Came with the directory perhaps, so it may not lift what guards the person who types."""
_ADDRESS = re.compile(r"https?://[^\s,'\"]+")
"""An address in a model's name: what is asked, and the key, would go there."""
_LEADS_ELSEWHERE = ("base_url", "api_base", "key_env")
"""Model options that say where a key goes, or which one."""


def config_files() -> list[Path]:
    """Return the configuration files that exist, the strongest last."""
    from platformdirs import user_config_path

    candidates = [
        Path(user_config_path("evalkit", appauthor=False)) / "evalkit.toml",
        PROJECT_FILE,
    ]
    for path in candidates:
        if os.path.lexists(path) and not path.is_file():
            raise UsageError(
                f"{path}: is no file, so no defaults can be read from it. "
                "Move it away, or put a file in its place."
            )
    return [path for path in candidates if path.is_file()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option that a configuration file sets."""

    command: str
    """Command it is for."""
    option: str
    """Name of the option, with ``_``."""
    value: Any
    """What the file says."""
    path: Path
    """The file."""


def _read(path: Path) -> dict[str, dict[str, Any]]:
    from evalkit.catalog.opening import read_utf8

    try:
        tables = tomllib.loads(read_utf8(path, limit=MAX_BYTES))
    except CatalogError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # ValueError: no TOML, or a number too long
        raise UsageError(
            f"{path}: cannot be read ({error}). Correct the file or move it away."
        ) from error
    wrong = [name for name, table in tables.items() if not isinstance(table, dict)]
    if wrong:
        raise UsageError(
            f"{path}: {wrong[0]!r} stands outside a table; write [run] (or another command) "
            "above it."
        )
    return tables


def _refuse_lifted(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a project file under which a model would run code,
    or which sends a file, a key or questions somewhere of its own choice.
    """
    for command, table in tables.items():
        values = {name.replace("-", "_"): str(value) for name, value in table.items()}
        for name, found in _lifted(values).items():
            if found:
                raise UsageError(
                    f"{PROJECT_FILE}: [{command}] {name}: sets {found[0]}, which counts only on "
                    "the command line. Take it out and type it there."
                )


def _lifted(values: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what options of one command lift, by option."""
    from evalkit.catalog.models import GUARDS, lifted_guards, read_model_file

    arguments = [part.partition("=") for part in values.get("model_args", "").split(",")]
    model, template = values.get("model", ""), values.get("chat_template", "none")
    found = {
        "model_args": [
            name.strip()
            for name, _, value in arguments
            if name.strip() in (*GUARDS, *_LEADS_ELSEWHERE)
            and value.strip().lower() not in ("", "false", "0")
        ],
        "chat_template": [template] if template not in ("auto", "none") else [],
        "model": [
            *(name for name in (*GUARDS, *_LEADS_ELSEWHERE) if f"{name}=" in model),
            *_ADDRESS.findall(model),
        ],
        "tasks": [
            task
            for task in values.get("tasks", "").split(",")
            if task.startswith("lm_eval:") and task.endswith((".yaml", ".yml"))
        ],
    }
    path = Path(model)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        spec = read_model_file(path)
        found["model"] = [*lifted_guards(spec), *_ADDRESS.findall(spec.name)]
        found["model"] += [name for name in _LEADS_ELSEWHERE if name in spec.options]
    return found


def _refuse_code(command: str, table: Mapping[str, Any], path: Path) -> None:
    """Refuse any file that would have programs run: whoever types the command says so."""
    for name in table:
        if name.replace("-", "_") == "allow_code_execution":
            raise UsageError(
                f"{path}: [{command}] {name}: counts only on the command line. "
                "Take it out and type it there."
            )


def settings() -> list[Setting]:
    """Return every option that configuration files set, the strongest last.

    Raises
    ------
    UsageError
        When a file cannot be read, or that of the current directory lifts a guard.
    """
    found: list[Setting] = []
    for path in config_files():
        tables = _read(path)
        if path == PROJECT_FILE:
            _refuse_lifted(tables)
        for command, table in tables.items():
            _refuse_code(command, table, path)
            for name, value in table.items():
                option = name.replace("-", "_")
                if option == "fresh" and value:
                    raise UsageError(
                        f"{path}: [{command}] fresh: would wipe a run each time it is gone on "
                        "with, so it counts only on the command line. "
                        "Take it out and type --fresh there."
                    )
                found.append(Setting(command=command, option=option, value=value, path=path))
    return found


def default_map() -> dict[str, dict[str, Any]]:
    """Return option defaults per command, as click wants them: ``{"run": {"data_dir":
    "data"}}``.
    """
    merged: dict[str, dict[str, Any]] = {}
    for setting in settings():
        merged.setdefault(setting.command, {})[setting.option] = setting.value
    return merged


def config_values() -> list[tuple[str, str, str]]:
    """Return (name, value, file) of every value of every configuration file."""
    return [
        (f"{setting.command}.{setting.option}", str(setting.value), str(setting.path))
        for setting in settings()
    ]


def checked(setting: Setting, command: click.Command) -> Any:
    """Return the value of a setting when the option of the command takes it.

    Raises
    ------
    UsageError
        When the command has no such option, or the value is not of its kind.
    """
    where = f"{setting.path}: [{setting.command}]"
    value, name = setting.value, setting.option
    option = next((item for item in command.params if item.name == name), None)
    if option is None:
        raise UsageError(
            f"{where} has no option {name!r}. Type 'evalkit {setting.command} --help' for all."
        )
    several = isinstance(option, click.Option) and (option.multiple or option.nargs != 1)
    parts = value if several and isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) for part in parts):
        raise UsageError(
            f"{where} {name} is {str(value)[:60]}; "
            f"{'texts or numbers' if several else 'one text or number'} accepted. Correct it."
        )
    if name == "model" and several:  # one model is one text, in a file as on the command line
        value = parts
    try:
        option.type_cast_value(click.Context(command), value)
    except click.BadParameter as error:
        raise UsageError(f"{where} {name} is {str(value)[:60]!r}: {error.message}") from error
    return value
