"""Secrets of the environment reach no file, no output and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CANARIES = {
    "HF_TOKEN": "hf_CANARYhubtoken0123456789",
    "OPENAI_API_KEY": "sk-CANARYapikey0123456789",
    "HTTPS_PROXY": "http://user:CANARYproxy@127.0.0.1:9",
}
SCRIPT = """
import sys
from evalkit.cli.main import invoke
SMALL = ["--tasks", "procedural/boolean", "--limit", "3", "--phrasings", "2", "--resamples", "100"]
RUN = ["run", "--model", "scripted:noise", *SMALL, "--out", "run"]
for words in (
    RUN,
    ["plan", "--model", "scripted:noise", *SMALL, "--out", "run"],
    ["plan", "--model", "scripted:noise", *SMALL, "--json"],
    ["doctor"],
    ["doctor", "--json"],
    ["score", "run"],
    ["report", "run"],
    ["export", "run", "--what", "responses", "--out", "r.jsonl"],
    ["check", "run"],
    ["run", "--model", "openai:some-model,base_url=http://127.0.0.1:9/v1,retries=0", *SMALL, "--out", "api"],
    ["run", "--model", "no/such-model-anywhere", *SMALL, "--out", "hub"],
):
    print(words[0], invoke(words), flush=True)
try:
    invoke(["run", "--model", "openai:some-model,base_url=http://127.0.0.1:9/v1,retries=0", *SMALL, "--out", "api", "--debug"])
except BaseException:
    import traceback
    traceback.print_exc()
"""  # noqa: E501


@pytest.mark.slow
def test_canaries_reach_nothing_that_is_written_or_printed(tmp_path: Path) -> None:
    """A run, its report, a forecast, the doctor, failures of an API and of the hub, a traceback:
    all searched for the planted secrets.
    """
    env = {
        **os.environ,
        **CANARIES,
        "EVALKIT_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    printed = done.stdout + done.stderr

    assert (done.returncode, "run 0" in printed, "doctor 0" in printed, "report 0" in printed) == (
        0,
        True,
        True,
        True,
    ), printed
    assert {"manifest.json", "responses.sqlite", "report.html", "r.jsonl"} <= {
        path.name for path in files
    }
    assert "Traceback" in printed, "the last command was to show one"
    assert [line for line in printed.splitlines() if "CANARY" in line] == []
    assert [str(path) for path, content in files.items() if b"CANARY" in content] == []
