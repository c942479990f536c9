"""Defaults of the user: ``evalkit.toml`` in the current directory, then in the user's configuration folder.

Precedence: option > environment > project file > user file > built-in default. A file has one table
per command::

    [run]
    data_dir = "data"
    level = 0.9
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError

__all__ = ["config_files", "config_values", "default_map"]


PROJECT_FILE = Path("evalkit.toml")
"""Came with the directory perhaps, so it may not lift what guards the person who types."""


def config_files() -> list[Path]:
    """Return the configuration files that exist, the strongest last."""
    from platformdirs import user_config_path

    candidates = [
        Path(user_config_path("evalkit", appauthor=False)) / "evalkit.toml",
        PROJECT_FILE,
    ]
    return [path for path in candidates if path.is_file()]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"{path}: cannot be read ({error}). Correct the file or move it away."
        ) from error
    wrong = [name for name, table in tables.items() if not isinstance(table, dict)]
    if wrong:
        raise UsageError(
            f"{path}: {wrong[0]!r} stands outside a table; write [run] (or another command) above it."
        )
    return tables


def _refuse_lifted(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a project file under which a model would run code or send a file of somebody else's choice."""
    from evalkit.catalog.models import GUARDS, lifted_guards, read_model_file

    for command, table in tables.items():
        values = {name.replace("-", "_"): str(value) for name, value in table.items()}
        arguments = [part.partition("=") for part in values.get("model_args", "").split(",")]
        wrong = {
            "model_args": [
                name.strip()
                for name, _, value in arguments
                if name.strip() in GUARDS and value.strip().lower() not in ("", "false", "0")
            ],
            "chat_template": [
                value
                for value in [values.get("chat_template", "none")]
                if value not in ("auto", "none")
            ],
        }
        model = Path(values.get("model", ""))
        if model.suffix in (".yaml", ".yml") and model.is_file():
            wrong["model"] = lifted_guards(read_model_file(model))
        for name, found in wrong.items():
            if found:
                raise UsageError(
                    f"{PROJECT_FILE}: [{command}] {name}: sets {found[0]}, which counts only on the command line. Take it out and type it there."
                )


def default_map() -> dict[str, dict[str, Any]]:
    """Return option defaults per command, as click wants them: ``{"run": {"data_dir".

    "data"}}``.
    """
    merged: dict[str, dict[str, Any]] = {}
    for path in config_files():
        tables = _read(path)
        if path == PROJECT_FILE:
            _refuse_lifted(tables)
        for command, table in tables.items():
            merged.setdefault(command, {}).update(
                {name.replace("-", "_"): value for name, value in table.items()}
            )
    return merged


def config_values() -> list[tuple[str, str, str]]:
    """Return (name, value, file) of every value of every configuration file."""
    return [
        (f"{command}.{name}", str(value), str(path))
        for path in config_files()
        for command, table in _read(path).items()
        for name, value in table.items()
    ]
