"""Options shared by commands, help in groups, and printing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from evalkit.records.questions import NAMES
from evalkit.report.escaping import table_in
from evalkit.report.terminal import AS_TABLE, fitting, json_shown, say, say_table, shown, table_form
from evalkit.report.text import finite_json

__all__ = [
    "FOR_THESE",
    "PATH",
    "CommandGroup",
    "GroupedCommand",
    "GroupedOption",
    "data_dir_option",
    "debug_option",
    "in_output",
    "interval_options",
    "json_option",
    "no_report_option",
    "option",
    "output_options",
    "p_value",
    "phrasing_file_option",
    "print_json",
    "print_table",
    "quiet_option",
    "table_options",
    "together",
]

FOR_THESE = (
    "for these phrasings: for new ones nothing holds whatever their effects are; "
    "--question normal takes effects of wording as normal."
)
"""Said where a question about new phrasings is answered for those that were asked."""
READABLE = 12
"""Characters of a text column that a narrow terminal leaves."""
F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
"""A file or a folder, there or not."""


class GroupedOption(click.Option):
    """An option with the heading it stands under in ``--help``."""

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists options under headings and ends with an example."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {
            "help_option_names": ["-h", "--help"],
            **(kwargs.get("context_settings") or {}),
        }
        super().__init__(*args, **kwargs)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options group by group, in order of first appearance.

        Arguments stand in the line of usage, and what they are in the text below it.
        """
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                groups.setdefault(getattr(parameter, "group", "Other"), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples one a line and never broken, so that they can be copied."""
        if self.epilog:
            formatter.write_paragraph()
            for line in self.epilog.split(" or: "):
                formatter.write(
                    f"  {line.strip()}\n"
                    if line.startswith("Example")
                    else f"       or: {line.strip()}\n"
                )


class CommandGroup(click.Group):
    """A group whose help gives the line of every command whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of their help, however long."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=formatter.width * 9))
                    for name, command in sorted(self.commands.items())
                ]
            )


def option(*names: str, group: str = "Options", **kwargs: Any) -> Callable[[F], F]:
    """Return a click option that stands under a heading and shows its default, if it has one."""
    shown_value = kwargs.get("default") not in (None, "", Path()) and not kwargs.get("is_flag")
    kwargs.setdefault("show_default", shown_value)
    return click.option(*names, cls=GroupedOption, group=group, **kwargs)


in_output = partial(option, group="Output")
"""An option under the heading of what is printed and written."""


def together(*added: Callable[[F], F]) -> Callable[[F], F]:
    """Return what adds several options to a command, in the order of its help."""

    def add(function: F) -> F:
        for one in reversed(added):
            function = one(function)
        return function

    return add


json_option = in_output("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
quiet_option = in_output(
    "--quiet", "-q", is_flag=True, help="Print only errors and what was asked for."
)
debug_option = in_output(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)
output_options = together(json_option, quiet_option, debug_option)
no_report_option = in_output(
    "--no-report",
    is_flag=True,
    help="Write no page and no figures; 'evalkit report' makes them later.",
)
FORMS = {
    "csv": "Print tables as CSV, everything else as comments (#).",
    "markdown": "Print tables as Markdown.",
    "latex": "Print tables for LaTeX (booktabs), everything else as comments.",
}
"""Form of printed tables -> its help."""


def table_options(*forms: str) -> Callable[[F], F]:
    """Add ``--latex``, ``--markdown`` and ``--csv``, or only those named."""

    def keep(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if not value:
            return
        if other := context.meta.get(AS_TABLE):
            raise click.UsageError(
                f"--{other} and --{parameter.name} are both given; tables have one form. "
                "Leave one out."
            )
        context.meta[AS_TABLE] = parameter.name

    return together(
        *(
            in_output(
                f"--{name}", is_flag=True, expose_value=False, callback=keep, help=FORMS[name]
            )
            for name in reversed(forms or tuple(FORMS))
        )
    )


def data_dir_option(under: Callable[..., Callable[[F], F]]) -> Callable[[F], F]:
    """Return ``--data-dir``, as `under` makes options of a heading."""
    return under(
        "--data-dir", type=PATH, envvar="EVALKIT_DATA", metavar="DIR", help="[env: EVALKIT_DATA]"
    )


def phrasing_file_option(under: Callable[..., Callable[[F], F]]) -> Callable[[F], F]:
    """Return ``--phrasing-file``, as `under` makes options of a heading."""
    return under(
        "--phrasing-file",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Your own phrasings. Repeatable.",
    )


def interval_options(
    under: Callable[..., Callable[[F], F]],
    *,
    both: bool = False,
    resamples: int = 4000,
    least_level: float = 0.0,
) -> Callable[[F], F]:
    """Return the options of commands that compute intervals:
    ``--level``, ``--resamples``, ``--question``, ``--seed``.

    Parameters
    ----------
    under
        Makes options of their heading, as ``partial(option, group=...)`` does.
    both
        Whether ``--question both`` is accepted: these phrasings and new ones.
    resamples
        Default of ``--resamples``.
    least_level
        Level that ``--level`` must lie above.
    """
    level = click.FloatRange(least_level, 1, min_open=True, max_open=True)
    asked = (
        "What intervals answer: these tasks under new phrasings whatever these do (phrasings, or "
        "random), these tasks and phrasings on new instances (these, or fixed), new phrasings with "
        "normal effects (normal), tasks like these (tasks)"
        + ("; or both of the first." if both else ".")
    )
    questions = (*NAMES, *(("both",) if both else ()))
    return together(
        under("--level", type=level, default=0.95, help="Level of intervals."),
        under(
            "--resamples",
            type=click.IntRange(min=100),
            default=resamples,
            help="Draws per interval that needs draws.",
        ),
        under("--question", type=click.Choice(questions), default=questions[0], help=asked),
        under("--seed", type=int, default=0, help="Seed of the draws."),
    )


def print_json(value: Any) -> None:
    """Print a value as JSON; a number that does not exist is null."""
    say(json_shown(json.dumps(finite_json(value), indent=2, ensure_ascii=False, allow_nan=False)))


def p_value(value: float) -> str:
    """Return a p value for a table.

    >>> p_value(0.04321), p_value(0.00012)
    ('0.043', '1.2e-04')
    """
    return "-" if value != value else f"{value:.1e}" if value < 0.001 else f"{value:.3f}"


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    colours: Mapping[str, str] | None = None,
) -> None:
    """Print a plain table, or one in the form the command was asked for;
    columns whose cells are numbers are set right, and long text is folded on narrow terminals.

    Parameters
    ----------
    columns
        Headings.
    rows
        Text cells.
    title
        Line above the table.
    colours
        Text of a cell -> its colour, on a terminal.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if form := table_form():
        right = [
            bool(rows) and all(_is_number(row[n]) for row in rows) for n in range(len(columns))
        ]
        say_table(table_in(form, columns, rows, title=title, right=right) + "\n")
        return

    def fit(text: str) -> str:
        return fitting(shown(text, lines=False), sys.stdout)

    columns = [fit(name) for name in columns]
    rows = [[fit(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    styles = {text: f"bold {colour}" for text, colour in (colours or {}).items()}
    needed = 0
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[position]) for row in rows)
        width = max(cell_len(text) for text in (name, *(row[position] for row in rows)))
        least = width if numeric else min(width, READABLE)
        needed += least + 2
        table.add_column(
            Text(name),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=least,
        )
    for row in rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=200)
    if title:
        console.print(Text(fit(title), style="italic"), soft_wrap=True)
    console.width = max(
        needed, console.width
    )  # wider than the terminal rather than without a column
    console.print(table)


def _is_number(cell: str) -> bool:
    return cell in {"", "-", "–"} or cell.lstrip("+-−<>")[:1].isdigit()
