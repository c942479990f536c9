"""The generated task files are current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_generated_task_files_are_current() -> None:
    """Facts and files say the same; a change of one alone fails here."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "generate_tasks.py"), "--check"],
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.returncode) == ("all task files are current\n", 0)
