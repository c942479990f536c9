"""Entry point: finds the command, runs it, turns errors into one message and an exit code.

Commands are imported when they are used, so that ``evalkit --help`` stays fast. Option names accept
``_`` for ``-``; abbreviations are refused.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click

from evalkit import __version__
from evalkit.cli.streams import close_output, prepare, refuse_little_memory
from evalkit.errors import EnvironmentFault, EvalkitError, UsageError
from evalkit.report.terminal import say

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, str] = {
    "run": "Evaluate every phrasing of every task of a suite.",
    "plan": "Show what a run would do, without doing it.",
    "prompts": "Show prompts of a task exactly as they are sent.",
    "score": "Recompute scores and estimates of a run from stored responses.",
    "judge": "Let a model judge the answers of a run, in a column of its own.",
    "report": "Write tables, figures and the page of one or more runs.",
    "leaderboard": "Rank models from their runs.",
    "compare": "Compare two runs of the same suite, paired.",
    "series": "Follow checkpoints: growth, plateau, forgetting, first regression.",
    "gate": "Decide before a release: pass, regression, or not enough evidence.",
    "analyse": "Compute the statistics of a score table made elsewhere.",
    "audit": "Check a published result table for consistency.",
    "ls": "List tasks, phrasings, suites, models, backends, metrics, ...",
    "check": "Validate task, phrasing, suite, model and policy files, and runs.",
    "data": "Show, fetch or locate benchmark data.",
    "tasks": "Make tasks of your own from tables.",
    "phrasings": "Import, perturb, label and lint phrasings.",
    "export": "Write a run for other programs.",
    "doctor": "Show settings, engines, devices, data and caches.",
    "align": "Train a mitigation for a model.",
    "merge": "Make checkpoints of checkpoints: interpolate, soup, task-vector, ties, ...",
    "weights": "Show what a tuning changed in the weights.",
    "inside": "Look inside a model: instruction, states by layer, patched checkpoints.",
    "watch": "Show a running evaluation from another terminal.",
}
"""Command name -> one line of help; the command itself is ``evalkit.cli.<name>:command``."""


PIPE_CLOSED = 141
"""Exit code when the reader of standard output went away (128 + SIGPIPE): never 0, lest a gate pass
unread, and never 1."""


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"evalkit.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command name; a typo gets the closest name."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their lines, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),
        "max_content_width": 110,
    },
    epilog="Example: evalkit run --model demo --suite quickstart",
)
@click.version_option(__version__, prog_name="evalkit")
def cli() -> None:
    """Is this language model's score real, or an accident of how the question was worded?"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    arguments
        Words after ``evalkit``; those of the process when None.
    """
    prepare()
    sys.exit(invoke(list(sys.argv[1:] if arguments is None else arguments)))


def invoke(arguments: list[str]) -> int:
    """Run the command line and return its exit code.

    Exit codes: 0 done or gate passed, 1 regression, 2 usage or invalid files, 3 incomplete or not
    enough evidence, 4 environment, 70 our own fault, 130 and 143 interrupted.
    """
    debug = "--debug" in arguments
    try:
        defaults = _defaults()
        if arguments[:1] and arguments[0] in COMMANDS and not {"-h", "--help"} & {*arguments}:
            refuse_little_memory()
        outcome: Any = cli.main(
            args=arguments, prog_name="evalkit", standalone_mode=False, default_map=defaults
        )
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        _say_usage(error)
        return 2
    except click.ClickException as error:
        _say(error.format_message())
        return 2
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted.")
        return 130
    except EvalkitError as error:
        if debug:
            say(traceback.format_exc(), err=True)
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        close_output()
        return PIPE_CLOSED
    except OSError as error:
        if debug:
            say(traceback.format_exc(), err=True)
        _say(_environment(error))
        close_output()
        return EnvironmentFault.exit_code
    # shell completion ends with 0; click ends with 1 when the pipe was closed, which would mean a
    # regression
    except SystemExit as stop:
        return PIPE_CLOSED if stop.code else 0
    except BaseException as error:  # the last line of defence: our own fault, said as such
        panic = type(error).__name__ == "PanicException"  # of the tokenizers, which are no Python
        if not panic and not isinstance(error, Exception):
            raise
        if debug:
            say(traceback.format_exc(), err=True)
        return _unforeseen(error, panic=panic)


def _unforeseen(error: BaseException, *, panic: bool) -> int:
    """Say what no message was written for, and return its exit code."""
    if panic:
        _say(f"a library gave up: {error}. Use other files, or report it to the library.")
        return EnvironmentFault.exit_code
    if _out_of_memory(error):
        _say(
            "out of memory; what was answered so far is stored. "
            "Free some memory or lower --batch-size, then run the same command again."
        )
        return EnvironmentFault.exit_code
    _say(
        f"evalkit failed: {type(error).__name__}: {error}. "
        "This is a fault of evalkit; run again with --debug and report what it prints."
    )
    return 70


def _environment(error: OSError) -> str:
    """What to say of an accident of the system that nothing closer to it has named."""
    if error.filename is None:
        return (
            f"standard output, or a file that is open: {error.strerror or error}. "
            "What was computed is stored where the command writes. "
            "Free some space, or send the output elsewhere, then run the same command again."
        )
    return (
        f"{error.filename}: {error.strerror or error}. "
        "Check the disk and the permissions, then run the same command again."
    )


def _out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out.

    A library that cannot be mapped says so as an ImportError, or says nothing.
    """
    return isinstance(error, MemoryError) or any(
        words in str(error)
        for words in (
            "failed to map segment",
            "annot allocate memory",
            "returned NULL without setting",
            "error return without exception set",
        )
    )


def _defaults() -> dict[str, dict[str, Any]]:
    """Option defaults of the user's files, each checked as the option itself would be.

    Unknown commands and options in them are refused, since a typo there is silent otherwise.
    """
    from evalkit.cli.config import checked, settings

    found: dict[str, dict[str, Any]] = {}
    for setting in settings():
        name = setting.command
        command = cli.get_command(click.Context(cli), name) if name in COMMANDS else None
        if command is None:
            raise UsageError(
                f"{setting.path}: [{name}] is no command; known: {', '.join(COMMANDS)}."
            )
        found.setdefault(name, {})[setting.option] = checked(setting, command)
    return found


def _say_usage(error: click.UsageError) -> None:
    """Say what is wrong on one line, though click lists choices below each other.

    A group without a command gets its help.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message(), err=True)
        return
    command = error.ctx.command_path if error.ctx is not None else "evalkit"
    message = " ".join(error.format_message().split())
    end = "" if message.endswith((".", "?")) else "."
    _say(f"{message}{end} Type '{command} --help' for what is accepted.")


def _say(message: str) -> None:
    """Write an error to standard error."""
    say(f"Error: {message}", err=True)
