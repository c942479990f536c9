"""Odd terminals, closed pipes, dry runs: no traceback, nothing lost, nothing left behind, JSON
that is JSON.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.cli.main import invoke
from evalkit.cli.options import print_table

SMALL = ["--tasks", "procedural/boolean", "--limit", "3", "--phrasings", "3", "--resamples", "100"]
RUN = ["run", "--model", "scripted:noise", *SMALL]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small finished run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert invoke([*RUN, "--no-cache", "--quiet", "--out", str(out)]) == 0
    return out


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    """``evalkit run ... | head -n 0``: standard output is closed before anything is printed;
    the run is whole.
    """
    command = [sys.executable, "-m", "evalkit", *RUN, "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    shown = process.stderr.read()
    process.stderr.close()
    code = process.wait()

    assert (code, "Traceback" in shown, "BrokenPipe" in shown) == (141, False, False), shown
    assert (
        json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))["state"]
        == "complete"
    )


def test_a_dumb_narrow_terminal_in_another_encoding_is_served(tmp_path: Path) -> None:
    """Twenty columns, no colours, ASCII: the commands of a day, in one process."""
    script = (
        "import sys\nfrom evalkit.cli.main import invoke\nfor words in sys.argv[1].split(';'):\n  "
        "  print('CODE', invoke(words.split()))"
    )
    words = ";".join(
        [
            " ".join([*RUN, "--out", str(tmp_path / "run")]),
            f"score {tmp_path / 'run'}",
            f"check {tmp_path / 'run'}",
            "ls phrasings",
            "doctor",
            "rnu",
        ]
    )
    env = {
        **os.environ,
        "TERM": "dumb",
        "COLUMNS": "20",
        "LINES": "5",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONCOERCECLOCALE": "0",
    }
    done = subprocess.run([sys.executable, "-c", script, words], env=env, capture_output=True)
    shown = (done.stdout + done.stderr).decode("ascii")

    assert (
        [line for line in shown.splitlines() if line.startswith("CODE")],
        "Traceback" in shown,
        "\x1b" in shown,
    ) == (
        ["CODE 0"] * 5 + ["CODE 2"],
        False,
        False,
    ), shown


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def test_looking_leaves_no_trace(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dry runs, lists and checks change no file,
    in the current folder, the run or the home of evalkit.
    """
    monkeypatch.chdir(tmp_path)
    before, run = _tree(tmp_path), _tree(finished)
    commands = [
        ["plan", "--model", "scripted:noise", *SMALL],
        *(
            ["ls", kind]
            for kind in (
                *"tasks suites models backends metrics perturbations mitigations readers".split(),
            )
        ),
        ["doctor"],
        ["data", "status"],
        ["check", str(finished)],
        ["compare", str(finished), str(finished)],
        ["watch", str(finished)],
    ]
    codes = {" ".join(words[:2]): invoke(words) for words in commands}

    assert set(codes.values()) == {0}, codes
    assert (_tree(tmp_path) == before, _tree(finished) == run) == (True, True)


def _no_constant(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--model", "scripted:noise", *SMALL],
        ["ls", "tasks"],
        ["ls", "metrics"],
        ["doctor"],
        ["check", "RUN"],
        ["compare", "RUN", "RUN"],
        ["leaderboard", "RUN"],
        ["report", "RUN"],
        ["analyse", "TABLE"],
        ["audit", "TABLE"],
        ["watch", "RUN"],
        ["data", "status"],
        [*RUN, "--no-cache", "--out", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_json_is_json(
    words: list[str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One document on standard output, without NaN, whatever else is said on standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(
        "model,task,phrasing_id,instance_id,score\nm,t,p,1,1\nm,t,p,2,\nm,t,q,1,0\nm,t,q,2,1\n",
        encoding="utf-8",
    )
    places = {"RUN": str(finished), "TABLE": "table.csv", "OUT": "out"}
    code = invoke([*(places.get(word, word) for word in words), "--json"])
    shown = capsys.readouterr()

    assert code in {0, 3}, shown.err
    assert isinstance(json.loads(shown.out, parse_constant=_no_constant), dict | list)


def test_signs_that_an_encoding_lacks_are_spelt_plainly_in_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minus, a dash and a plus-minus in cells, headings and titles on an ASCII terminal."""
    held = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(held, encoding="ascii"))
    print_table(["seen − unseen", "std"], [["−1.0 ± 0.5", "–"]], title="“a” − “b”")
    sys.stdout.flush()

    assert [line.split() for line in held.getvalue().decode("ascii").splitlines()] == [
        ['"a"', "-", '"b"'],
        ["seen", "-", "unseen", "std"],
        ["-1.0", "+-", "0.5", "-"],
    ]
