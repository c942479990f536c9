"""A task of one's own in one command: what is written runs,
and what stands in the way is said in a line.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from evalkit.cli.main import invoke
from evalkit.store.directory import read_manifest

RUN = ["run", "--model", "scripted:sensitive", "--no-report", "--resamples", "100", "--no-cache"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_is_fine_and_runs_without_naming_a_phrasing_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three files, no mistake in them, and a run that finds the wordings by itself."""
    assert invoke(["tasks", "new", "tickets"]) == 0
    assert sorted(path.name for path in here.iterdir()) == [
        "tickets.csv",
        "tickets.yaml",
        "tickets_phrasings.yaml",
    ]
    assert invoke(["check", "tickets.yaml", "tickets_phrasings.yaml"]) == 0
    assert "2 files (4 phrasings, 1 task): all fine" in capsys.readouterr().out

    assert invoke([*RUN, "--tasks", "tickets.yaml", "--out", "run"]) == 0

    assert "tickets_phrasings.yaml, which lies beside the task" in capsys.readouterr().err
    (task,) = read_manifest(here / "run").suite.tasks.values()
    assert (len(task.phrasings), task.n_instances) == (4, 12)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (["question", "answer"], "generate"),
        (["text", "A", "B", "C", "answer"], "choice"),
    ],
    ids=["free text", "choices of every row"],
)
def test_a_table_of_any_kind_begins_a_task(
    columns: list[str], kind: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Free answers and choices of their own get wordings that are fine too."""
    with (here / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for n in range(6):
            own = [f"Item {n}?", *(f"{letter}{n}" for letter in columns[1:-1])]
            writer.writerow([*own, "ABC"[n % 3] if kind == "choice" else f"word{n}"])

    assert invoke(["tasks", "new", "mine", "--table", "mine.csv"]) == 0
    assert invoke(["check", "mine.yaml", "mine_phrasings.yaml"]) == 0
    capsys.readouterr()
    assert invoke(["prompts", "mine.yaml", "-n", "4", "--json"]) == 0
    prompts = json.loads(capsys.readouterr().out)

    shown = prompts["prompts"] if isinstance(prompts, dict) else prompts
    assert len(shown) == 4
    assert all("Item 0?" in prompt["text"] for prompt in shown)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tasks", "new", "My Task"], "'My Task': is no name of a task; small letters"),
        (["tasks", "new", "tickets"], "tickets.csv: is there already and is not replaced"),
        (
            [*RUN, "--tasks", "tickets_phrasings.yaml"],
            "tickets_phrasings.yaml:6: is a phrasing file, which --phrasing-file takes; a task "
            "file is expected here",
        ),
        (
            [*RUN, "--tasks", "tickets.yaml", "--phrasing-file", "tickets.yaml"],
            "is a task file, which --tasks takes; a phrasing file is expected here",
        ),
        (
            [*RUN, "--suite", "tickets.yaml"],
            "is a task file, which --tasks takes; a suite file is expected here",
        ),
        (
            ["run", "--suite", "quickstart", "--model", "tickets.yaml"],
            "is a task file, which --tasks takes; a model file is expected here",
        ),
    ],
)
def test_a_file_in_the_wrong_place_is_told_in_a_line(
    words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it is, what takes it and what is expected; exit code 2."""
    invoke(["tasks", "new", "tickets", "--quiet"])

    assert invoke([*words]) == 2

    message = capsys.readouterr().err.strip()
    assert said in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("named", [True, False], ids=["named", "beside"])
def test_a_file_that_names_another_task_is_named(
    named: bool, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in 'tasks' of the phrasing file leaves the task without wordings:
    file and slip are said.
    """
    invoke(["tasks", "new", "tickets", "--quiet"])
    path = here / "tickets_phrasings.yaml"
    path.write_text(path.read_text("utf-8").replace('"mine/tickets"', '"mine/ticket"'), "utf-8")

    words = ["--phrasing-file", path.name] if named else []
    assert invoke([*RUN, "--tasks", "tickets.yaml", *words]) == 2

    message = capsys.readouterr().err
    assert "tickets_phrasings.yaml holds 4 for mine/ticket. Write mine/tickets under" in message
    path.unlink()
    assert invoke([*RUN, "--tasks", "tickets.yaml"]) == 2
    assert "Name a file of them with --phrasing-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [(".", "is a folder; a table is expected"), ("t.txt", "Give it the ending .csv or .tsv")],
)
def test_what_is_no_table_by_its_name_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    """A folder and a text file are told what is wanted in their place."""
    (here / "t.txt").write_text("question\tanswer\nA?\tyes\n", encoding="utf-8")

    assert invoke(["tasks", "from-table", name]) == 2
    assert said in capsys.readouterr().err


def test_a_wording_that_cannot_be_shown_is_named_and_the_others_are_shown(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slot that the task does not fill costs its wording alone."""
    assert invoke(["tasks", "new", "tickets"]) == 0
    (here / "mine.yaml").write_text(
        "tasks: [mine/tickets]\n"
        "defaults: {source: mine, author: me, licence: CC0-1.0, language: en}\n"
        "phrasings:\n"
        '- {id: odd, text: "Read {{ note }}.", position: inline}\n'
        '- {id: plain, text: "Which team is this for?"}\n',
        encoding="utf-8",
    )
    capsys.readouterr()

    assert invoke(["phrasings", "new", "tickets.yaml", "--out", "mine.yaml"]) == 2

    told = capsys.readouterr()
    assert "mine.yaml: phrasing 'odd': cannot be rendered: 'note' is undefined" in told.err
    assert "--- plain\nWhich team is this for?" in told.out
