"""Writes docs/cli.md: every command with its arguments and options, from the commands themselves.

Type: python tools/generate_cli_page.py (``--check`` exits with 1 when the page is out of date).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from evalkit.cli.main import COMMANDS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
HEAD = """# Command line

Made from the commands by `python tools/generate_cli_page.py`; do not edit.
`evalkit COMMAND --help` shows the same in a terminal.

- Options are spelled out: abbreviations are refused, `_` is accepted for `-`.
- Defaults can stand in a file: see [configuration](config.md), which also has shell completion and environment variables.
- `--debug` shows the traceback behind an error message.

| exit code | means |
|---|---|
| 0 | done, or the gate passed |
| 1 | the gate says regression |
| 2 | usage, or invalid files |
| 3 | incomplete, or not enough evidence for a decision |
| 4 | environment: engine, weights, data, disk, network |
| 70 | a fault of evalkit |
| 130, 143 | interrupted; the line that goes on with it is printed |
"""  # noqa: E501


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield (words after ``evalkit``, command) of every command and subcommand,
    in the order of ``evalkit --help``.
    """
    context = click.Context(cli, info_name="evalkit")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is None:
            raise LookupError(f"COMMANDS names {name!r}, but there is no such command.")
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                if found is not None:
                    yield f"{name} {inner}", found


def escaped(text: str) -> str:
    """Return text that may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def prose(text: str) -> str:
    """Return the help of a command as Markdown, one sentence per line."""
    paragraphs = inspect.cleandoc(text).replace("\f", "").split("\n\n")
    return "\n\n".join(
        re.sub(r"(?<=[.?!]) (?=[A-Z`])", "\n", " ".join(paragraph.replace("``", "`").split()))
        for paragraph in paragraphs
    )


def examples(command: click.Command) -> list[str]:
    """Return the example command lines of a command."""
    text = " ".join(str(command.epilog or "").replace("\b", " ").split())
    return [
        "evalkit " + part.strip().removesuffix("or:").strip() for part in text.split("evalkit ")[1:]
    ]


def section(words: str, command: click.Command) -> list[str]:
    """Return the lines of one command."""
    # with the settings of the whole: click keeps the names of the help option that it meets first
    above = click.Context(cli, info_name="evalkit", **cli.context_settings)
    context = click.Context(command, parent=above, info_name=words)
    level = "#" * len(words.split())
    usage = " ".join(
        [
            f"evalkit {words}",
            *(piece.replace("\n", "") for piece in command.collect_usage_pieces(context)),
        ]
    )
    lines = [
        "",
        f"{level}# evalkit {words}",
        "",
        prose(command.help or ""),
        "",
        "```text",
        usage,
        "```",
        "",
    ]
    shown = examples(command)
    if shown:
        lines += [
            "Example:" if len(shown) == 1 else "Examples:",
            "",
            "```console",
            *shown,
            "```",
            "",
        ]
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if (
            isinstance(parameter, click.Option)
            and record is not None
            and "help" not in parameter.opts[0]
            and "-h" not in parameter.opts
        ):
            groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
    for heading, records in groups.items():
        lines += [f"| {heading} | |", "|---|---|"]
        lines += [
            f"| `{names.replace('|', chr(92) + '|')}` | {escaped(text)} |"
            for names, text in records
        ]
        lines.append("")
    return lines[:-1] if lines[-1] == "" else lines


def page() -> str:
    """Return the text of the page."""
    lines = [HEAD.rstrip("\n")]
    for words, command in commands():
        lines += section(words, command)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or say whether it is current."""
    text = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print(
            f"{PAGE.name} is "
            f"{'current' if current else 'out of date; type: python tools/generate_cli_page.py'}"
        )
        sys.exit(0 if current else 1)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()
