"""Outcomes are coloured where a terminal shows colours, and only there."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
from foreign_logs import promptfoo

GREEN, RED, YELLOW = "\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m"
PROGRAM = (
    "import sys\nfrom evalkit.cli.main import invoke\n"
    "for words in sys.argv[1].split(';'):\n    invoke(words.split())"
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return commands that say regression, not enough evidence, worse and better."""
    place = tmp_path_factory.mktemp("logs")
    old, new = (
        promptfoo(place / f"{name}.json", share, provider=name, n=200)
        for name, share in (("old", 0.9), ("new", 0.5))
    )
    return f"gate {new} --baseline {old};compare {old} {new};compare {new} {old}"


def shown(lines: str, **environment: str) -> str:
    """Run commands with a terminal as standard output and return what it got."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    env |= {"TERM": "xterm-256color", "COLUMNS": "200", **environment}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, lines], stdout=theirs, env=env):
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    return (
        b"".join(parts)
        .decode()
        .replace("\x1b[32m\x1b[1m", GREEN)
        .replace("\x1b[31m\x1b[1m", RED)
        .replace("\x1b[33m\x1b[1m", YELLOW)
    )


def test_a_terminal_shows_outcomes_in_colour(lines: str) -> None:
    """Regression and worse are red, pass and better green, not enough evidence yellow;
    nothing else is.
    """
    text = shown(lines)

    assert f"{RED}gate: regression (exit code 1)" in text
    assert f"  {RED}regression" in text
    assert f"  {YELLOW}not enough evidence" in text
    assert f"{RED}worse" in text
    assert f"{GREEN}better" in text
    assert "\x1b[" not in "".join(line for line in text.splitlines() if "skipped" in line)
    assert f"{RED}regression, informational" not in text


def test_no_color_and_a_pipe_show_none(lines: str) -> None:
    """NO_COLOR takes colours from a terminal, and a pipe has none without it."""
    bare = shown(lines, NO_COLOR="1")
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    piped = subprocess.run(
        [sys.executable, "-c", PROGRAM, lines], env=env, capture_output=True, text=True, check=True
    ).stdout

    assert "gate: regression" in bare
    assert not re.search(r"\x1b\[(?:1;)?[349]\d", bare)
    assert "gate: regression" in piped
    assert "\x1b" not in piped
