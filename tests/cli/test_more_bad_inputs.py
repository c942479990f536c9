"""Thirty-odd things people get wrong, each answered in at most three lines with the right exit
code.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.cli.main import invoke

RUN = ["run", "--no-report", "--resamples", "100", "--no-cache", "--out", "out"]
TOY = [*RUN, "--model", "scripted:perfect"]
TABLE = "model,task,phrasing_id,instance_id,score\n" + "".join(
    f"m,b/t,p{p},i{i},{(p * i) % 2}\n" for p in range(3) for i in range(4)
)
TASK = """\
name: own
benchmark: mine
reader: table
source: {local: own.csv}
kind: choice
labels: [yes, no]
metric: choice_accuracy
"""
FILES = {
    "scores.csv": TABLE,
    "percent.csv": TABLE.replace(",1\n", ",85\n"),
    "words.csv": TABLE.replace("i3,0\n", "i3,true?\n", 1),
    "twice.csv": TABLE + "m,b/t,p1,i1,0\n",
    "header.csv": "model,task,phrasing_id,instance_id,score\n",
    "blank.csv": "",
    "unnamed.csv": TABLE.replace("phrasing_id", "prompt", 1),
    "other.csv": TABLE.replace("i0", "j0"),
    "own.csv": "id,question,target\n1,Is it?,yes\n2,Was it?,no\n",
    "own.yaml": TASK,
    "labels.yaml": TASK.replace("own.csv", "labels.csv"),
    "labels.csv": "id,question,target\n1,Is it?,maybe\n",
    "indent.yaml": TASK.replace("kind: choice", "  kind: choice"),
    "kind.yaml": TASK.replace("kind: choice", "kind: multiple"),
    "missing.yaml": TASK.replace("own.csv", "gone.csv"),
    "escape.yaml": TASK.replace("own.csv", "../../etc/passwd"),
    "twice.yaml": TASK + "kind: generate\n",
    "anchor.yaml": TASK.replace("[yes, no]", "&a [yes, no]"),
    "slot.yaml": "- {id: a, text: '{{ answer }}?', source: mine, tasks: [mine/own]}\n",
    "loop.yaml": "- {id: a, text: '{% for i in x %}', source: mine, tasks: [mine/own]}\n",
    "policy.yaml": "name: p\nrules: [{metric: mean, margin: -0.1}]\n",
    "empty_policy.yaml": "name: p\nrules: []\n",
    "suite.yaml": "name: s\ntasks: [procedural/sortin]\n",
    "model.yaml": "backend: scripted\nname: perfect\ndtypes: float32\n",
    "list.json": "[1, 2, 3]",
    "broken.json": '{"a": ',
    "binary.csv": "\x00\x01\x02PAR1",
    "wordings.yaml": "- {id: a, text: 'Is it {{ question }}', source: mine, tasks: [mine/own]}\n",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with all of them, which is the current one."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "data"))
    return tmp_path


CASES: list[tuple[list[str], int, str]] = [
    (["analyse", "percent.csv"], 2, "85"),
    (["analyse", "words.csv"], 2, "true?"),
    (["analyse", "twice.csv"], 2, "p1"),
    (["analyse", "header.csv"], 2, "no rows"),
    (["analyse", "blank.csv"], 2, "blank.csv"),
    (["analyse", "unnamed.csv"], 2, "phrasing_id"),
    (["analyse", "binary.csv"], 2, "binary.csv"),
    (["analyse", "list.json"], 2, "list.json"),
    (["analyse", "broken.json"], 2, "broken.json"),
    (["analyse", "gone.csv"], 2, "gone.csv"),
    (["analyse", "scores.csv", "--factor", "layuot"], 2, "layuot"),
    (["analyse", "scores.csv", "--reference", "p9"], 2, "p9"),
    (["analyse", "scores.csv", "--level", "95"], 2, "95"),
    (["analyse", "scores.csv", "--map", "score"], 2, "score"),
    (["analyse", "scores.csv", "--format", "helmet"], 2, "helmet"),
    (["analyse", "scores.csv", "--out", "scores.csv"], 4, "scores.csv"),
    (["compare", "scores.csv", "other.csv"], 2, "instances"),
    (["compare", "scores.csv"], 2, "Missing argument"),
    (["gate", "scores.csv", "--baseline", "gone"], 2, "gone"),
    (["gate", "scores.csv", "--baseline", "other.csv", "--policy", "policy.yaml"], 2, "margin"),
    (
        ["gate", "scores.csv", "--baseline", "other.csv", "--policy", "empty_policy.yaml"],
        2,
        "rules",
    ),
    ([*TOY, "--tasks", "own.yaml", "--phrasing-file", "slot.yaml"], 2, "answer"),
    ([*TOY, "--tasks", "own.yaml", "--phrasing-file", "loop.yaml"], 2, "loop.yaml"),
    ([*TOY, "--tasks", "labels.yaml", "--phrasing-file", "wordings.yaml"], 2, "maybe"),
    ([*TOY, "--tasks", "indent.yaml"], 2, "indent.yaml"),
    ([*TOY, "--tasks", "kind.yaml"], 2, "multiple"),
    ([*TOY, "--tasks", "missing.yaml"], 4, "gone.csv"),
    ([*TOY, "--tasks", "escape.yaml"], 2, "'..'"),
    ([*TOY, "--tasks", "twice.yaml"], 2, "kind"),
    ([*TOY, "--tasks", "anchor.yaml"], 2, "anchor.yaml"),
    ([*TOY, "--suite", "suite.yaml"], 2, "sorting"),
    ([*RUN, "--model", "model.yaml", "--suite", "quickstart"], 2, "dtypes"),
    ([*TOY, "--suite", "quikstart"], 2, "quickstart"),
    ([*TOY, "--tasks", "procedural/sorting procedural/boolean"], 2, "procedural/sorting"),
    ([*TOY, "--suite", "quickstart", "--limit", "many"], 2, "many"),
    ([*TOY, "--suite", "quickstart", "--perturb", "caracter"], 2, "character"),
    ([*TOY, "--suite", "quickstart", "--mitigation", "calibrat"], 2, "calibrate"),
    ([*RUN, "--model", "scripted:perfekt", "--suite", "quickstart"], 4, "perfect"),
    (["tasks", "new", "x", "--table", "gone.csv"], 2, "gone.csv"),
    (["tasks", "new", "x", "--table", "own.csv", "--target", "anser"], 2, "anser"),
    (["export", "scores.csv", "--what", "scores", "--out", "x.csv"], 2, "scores.csv"),
    (["ls", "metric"], 2, "metrics"),
    (["lss"], 2, "lss"),
]


@pytest.mark.parametrize(("words", "code", "said"), CASES, ids=[" ".join(c[0][-3:]) for c in CASES])
def test_a_mistake_is_answered_in_three_lines_at_most(
    words: list[str], code: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of the contract, and the message holds what is wrong or meant."""
    assert invoke(words) == code

    message = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert said in "\n".join(message)
    assert len(message) <= 3, message
    assert not any("Traceback" in line or "fault of evalkit" in line for line in message)


def test_json_errors_are_no_half_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json nothing is printed where a program would read a result."""
    assert invoke(["analyse", "words.csv", "--json"]) == 2

    out = capsys.readouterr().out
    assert out == "" or json.loads(out)
