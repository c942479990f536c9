"""The line that people are told to type goes on with the run, loses nothing and shows no secret."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cli.choosing import line_to_go_on
from evalkit.cli.main import invoke
from evalkit.errors import StoreError
from evalkit.runs.progress import ShownProgress
from evalkit.store.directory import read_manifest
from evalkit.store.responses import Store

ASK = "--tasks procedural/boolean --limit 8 --phrasings 4 --resamples 100 --no-cache --no-report"


@pytest.mark.parametrize(
    "more",
    [
        "--fresh --out run",
        "--fresh --out 'a run of mine; $HOME \"x\"'",
        "--budget 0.5 --budget-design adaptive --out run",
        "--half-width spread=0.2 --fresh --out run",
        "--perturb 'character:rate=0.1,n=1' --tuned-on 'flan,p3' --fresh --out run",
        "--mitigation calibrate --out run",
        "--mitigation 'ensemble:m=3,how=mean' --fresh --out run",
        "--mitigation recast --mitigation 'prefix:file=my $HOME note.txt' --out run",
        "--repeats 2 --temperature 0.7 --out run",
    ],
)
def test_the_line_ends_what_it_goes_on_with(
    more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed into a shell after a stop, with a variable around that looks like a secret:
    what was answered is there, the run completes.
    """
    monkeypatch.chdir(tmp_path)
    Path("my $HOME note.txt").write_text("Be careful.\n")
    monkeypatch.setenv("KEYBOARD", "procedural")
    monkeypatch.setenv("MY_API_KEY", "scripted:noise")
    words = ["run", "--model", "scripted:noise,batch=8", *shlex.split(f"{ASK} {more}")]
    monkeypatch.setattr(sys, "argv", ["evalkit", *words])
    monkeypatch.setattr(ShownProgress, "stop_requested", True)

    assert invoke(words) == 130
    out = Path(shlex.split(more)[-1])
    line = read_manifest(out).command
    with Store(out / "responses.sqlite", read_only=True) as store:
        before = store.count()

    assert before > 0
    assert "--fresh" not in line
    assert "scripted:noise" not in line
    assert "procedural/boolean" in line
    typed = line.replace("evalkit", f"'{sys.executable}' -m evalkit", 1)
    done = subprocess.run(
        ["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )

    assert done.returncode == 0, done.stderr
    assert f"{before} stored already" in done.stderr
    assert read_manifest(out).state == "complete"


def test_a_secret_stands_there_as_its_variable_and_the_shell_gives_it_back() -> None:
    """Whatever stands around it, the word that a program gets is the word that was typed."""
    environment = {
        "OPENAI_API_KEY": "sk-$ecret'1",
        "HF_TOKEN": "hf_12345678",
        "KEYBOARD": "abcdefgh",
    }
    words = ["run", "--model", "openai:m,key=sk-$ecret'1,x=hf_12345678", "--out", "abcdefgh it's"]
    line = line_to_go_on(words, environment)
    typed = line.replace("evalkit", "printf '%s\\n'", 1)
    got = subprocess.run(
        ["bash", "-c", typed], env={**os.environ, **environment}, capture_output=True, text=True
    )

    assert got.stdout.splitlines() == words
    assert "sk-$ecret" not in line
    assert "hf_12345678" not in line
    assert "abcdefgh" in line


def test_after_a_failure_fresh_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """'The same command again' would wipe what was answered,
    so the line without --fresh is named.
    """
    words = ["run", "--model", "scripted:noise", *ASK.split(), "--fresh", "--out", "run"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evalkit", *words])

    def fail(*arguments: object) -> None:
        raise StoreError("scores.parquet: the disk is full. Then run the same command again.")

    monkeypatch.setattr("evalkit.runs.finish._write", fail)

    assert invoke(words) == 4
    assert (
        "--fresh again would forget what is stored. "
        "To go on, type:\n  evalkit run --model scripted:noise"
    ) in capsys.readouterr().err
