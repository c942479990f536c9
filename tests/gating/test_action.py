"""The composite GitHub Action: its script is run as a runner would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evalkit.catalog.yaml_file import load_yaml

ACTION = Path(__file__).parents[2] / "action.yml"


def steps() -> list[dict[str, Any]]:
    """Return the steps of the action."""
    found: list[dict[str, Any]] = load_yaml(ACTION).value["runs"]["steps"]
    return found


def test_inputs_never_become_text_of_a_script() -> None:
    """Expressions stand in env alone, so that an input cannot bring commands of its own."""
    assert [step["name"] for step in steps() if "${{" in step["run"]] == []


def test_every_input_is_used_and_every_used_input_exists() -> None:
    """A typo in an expression is an empty text to a runner."""
    text = ACTION.read_text()

    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(load_yaml(ACTION).value["inputs"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
@pytest.mark.parametrize(
    ("share", "n", "inconclusive", "code", "outcome"),
    [
        (0.7, 200, "fail", 0, "pass"),
        (0.5, 200, "fail", 1, "regression"),
        (0.7, 15, "fail", 3, "inconclusive"),
        (0.7, 15, "warn", 0, "inconclusive"),
    ],
)
def test_the_script_ends_with_the_outcome(
    toy: Any, tmp_path: Path, share: float, n: int, inconclusive: str, code: int, outcome: str
) -> None:
    """Exit code, output of the step and summary of the job are those of the gate."""
    new, old = (
        toy.run("-new $(touch bad)", toy.scores(share, n=n)),
        toy.run("old", toy.scores(0.7, n=n)),
    )

    done = _run(tmp_path, candidate=new.name, baseline=old.name, inconclusive=inconclusive)

    assert (done.returncode, (tmp_path / "output").read_text()) == (
        code,
        f"outcome={outcome}\nexit-code={3 if outcome == 'inconclusive' else code}\n",
    )
    assert (tmp_path / "summary").read_text().startswith("<!-- evalkit-gate -->")
    assert not (tmp_path / "bad").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_a_gate_that_cannot_decide_fails_the_job_even_where_lack_of_evidence_does_not(
    toy: Any, tmp_path: Path
) -> None:
    """A baseline that is not there is an error, whatever the inputs say."""
    toy.run("new", toy.scores(0.7))

    done = _run(tmp_path, candidate="new", baseline="gone", inconclusive="warn")

    assert (done.returncode, (tmp_path / "output").read_text()) == (
        2,
        "outcome=error\nexit-code=2\n",
    )
    assert "::error title=evalkit gate::no decision" in done.stdout


def _run(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    script = next(step["run"] for step in steps() if step.get("id") == "gate")
    variables = {name.upper(): value for name, value in inputs.items()} | {
        "POLICY": "",
        "OUT": "decision",
    }
    (folder / "bin").mkdir()
    (folder / "bin" / "evalkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m evalkit "$@"\n')
    (folder / "bin" / "evalkit").chmod(0o755)
    environment = {
        **os.environ,
        **variables,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ACTION.parent),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
