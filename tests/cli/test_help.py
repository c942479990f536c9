"""Help: every command explains itself with an example, the pages are stable,
and the page of the docs is made from them.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from programs import program

from evalkit.cli.main import COMMANDS, cli


@pytest.fixture(scope="module")
def tool():
    """Return the generator of the command line page as a module."""
    return program("tools/generate_cli_page.py")


SUBCOMMANDS = {
    "data": ["fetch", "status", "where"],
    "phrasings": ["check", "diversity", "import", "lint", "new", "perturb", "seen", "suggest"],
    "tasks": ["from-table", "new"],
}
EVERY = [[name] for name in COMMANDS] + [
    [name, inner] for name, inners in SUBCOMMANDS.items() for inner in inners
]


def find(words: list[str]) -> click.Command:
    """Return a command by its words."""
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(cli), word)
        assert found is not None
        command = found
    return command


def test_the_list_of_subcommands_is_complete():
    """No group has a subcommand that these tests leave out."""
    groups = {
        name: sorted(command.commands)
        for name in COMMANDS
        if isinstance(command := find([name]), click.Group)
    }

    assert groups == SUBCOMMANDS


@pytest.mark.parametrize("words", [[], *EVERY], ids=" ".join)
def test_help_page_is_as_stored(words, golden):
    """Whoever changes a help page sees the change: pytest --update-golden rewrites it."""
    made = (
        CliRunner().invoke(cli, [*words, "--help"], prog_name="evalkit", terminal_width=100).output
    )

    assert golden(f"help/{'_'.join(words) or 'evalkit'}.txt", made) == made


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_says_what_it_does_and_gives_an_example(words):
    """Help text, and an example that is a command line of this very command."""
    command = find(words)

    assert (command.help or "").strip().endswith((".", "?", ":"))
    assert (command.epilog or "").startswith(f"Example: evalkit {' '.join(words)}")


@pytest.mark.parametrize(
    "words",
    [words for words in EVERY if words[0] not in SUBCOMMANDS or len(words) == 2],
    ids=" ".join,
)
def test_every_command_has_debug_and_every_option_has_help(words):
    """--debug shows the traceback everywhere; no option is left unexplained."""
    options = [parameter for parameter in find(words).params if isinstance(parameter, click.Option)]

    assert "--debug" in {name for option in options for name in option.opts}
    assert [option.opts[0] for option in options if not option.help] == []


def test_the_page_of_the_docs_is_current(tool):
    """Whoever changes a command runs the generator again."""
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "type: python tools/generate_cli_page.py"
    )


def test_the_page_shows_every_option(tool):
    """Every long option of every command stands on the generated page."""
    text = tool.page()
    missing = [
        (words, name)
        for words, command in tool.commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
        if name.startswith("--")
        and name not in text.split(f"# evalkit {words}\n")[1].split("\n## ")[0].split("\n### ")[0]
    ]

    assert missing == []


def complete(typed: str, *, position: int) -> list[str]:
    """Return what the shell is offered for a half-typed line."""
    env = {
        **os.environ,
        "_EVALKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(position),
    }
    done = subprocess.run(
        [sys.executable, "-m", "evalkit"], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_shell_is_offered_commands_and_values():
    """Completion knows commands, options and fixed values."""
    assert complete("evalkit ru", position=1) == ["plain,run"]
    assert complete("evalkit gate --polic", position=2) == ["plain,--policy"]
    assert complete("evalkit ls me", position=2) == ["plain,metrics"]


def test_the_line_for_the_shell_defines_the_completion():
    """The script that the docs put into a shell's start file names the command."""
    done = subprocess.run(
        [sys.executable, "-m", "evalkit"],
        env={**os.environ, "_EVALKIT_COMPLETE": "zsh_source"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("#compdef evalkit")
