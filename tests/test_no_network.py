"""No command opens a connection unless it is asked to."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke

RUN = [
    *"run --model scripted:noise --tasks procedural/boolean --limit 4 --phrasings 3".split(),
    *"--resamples 100".split(),
]


def test_commands_work_with_sockets_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first list to the gate: every attempt to connect or to look up a name would be
    noted and fail.
    """
    tried: list[Any] = []

    def refuse(*arguments: Any, **options: Any) -> None:
        tried.append(arguments)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    commands = [
        ["ls", "suites"],
        ["doctor"],
        ["plan", *RUN[1:-2]],
        [*RUN, "--quiet", "--out", "a"],
        ["score", "--quiet", "a"],
        ["report", "a"],
        ["check", "a"],
        ["leaderboard", "a", "--out", "l.csv"],
        ["export", "a", "--out", "a.csv"],
    ]
    codes = [invoke(words) for words in commands]

    assert (codes, tried) == ([0] * len(commands), [])
