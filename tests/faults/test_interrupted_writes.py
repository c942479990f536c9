"""Killed while files are written: each is the old one or the whole new one,
and the next try leaves no trace of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_kill_at_any_write_leaves_old_or_new_files() -> None:
    """Every command that writes, killed before and after every write."""
    script = Path(__file__).parent / "kill_at_writes.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]

    assert [row["command"] for row in found] == ["score", "export", "report"]
    assert [row["wrong"] for row in found] == [[], [], []]
    assert [row["writes"] > 0 for row in found] == [True] * 3, found
