"""A wording with answer words of its own, from the file to the scores."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.catalog import load_task
from evalkit.cli.main import invoke
from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import render_prompt, worded
from evalkit.records import Instance, Phrasing

FILE = """
tasks: [procedural/boolean]
defaults: {source: mine, layout: none, label_space: text, cue: "", position: inline}
phrasings:
  - {id: own-1, text: "Does {{ question }} hold? Yes or No.", answers: ["Yes", "No"]}
  - {id: own-2, text: "Is {{ question }} right or wrong?", answers: [right, wrong]}
"""


@pytest.fixture
def rows(tmp_path: Path, request: pytest.FixtureRequest) -> list[dict[str, str]]:
    """Rows of a run of the scripted model that the test names, those of the file above alone."""
    (tmp_path / "own.yaml").write_text(FILE, encoding="utf-8")
    line = ["run", "--model", f"scripted:{request.param}", "--tasks", "procedural/boolean"]
    line += ["--phrasing-file", str(tmp_path / "own.yaml"), "--limit", "6"]
    assert invoke([*line, "--out", str(tmp_path / "run")]) == 0
    assert invoke(["export", str(tmp_path / "run"), "--out", str(tmp_path / "s.csv")]) == 0
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["phrasing_source"] == "mine"]


@pytest.mark.parametrize("rows", ["perfect"], indirect=True)
def test_a_perfect_model_stays_perfect(rows):
    """Twelve cells, all right; predictions are the task's labels,
    and the column says whose words were asked for.
    """
    assert len(rows) == 12
    assert {row["score"] for row in rows} == {"1.0"}
    assert {row["prediction"] for row in rows} == {"True", "False"}
    assert {row["label_space"] for row in rows} == {"own"}


def prompt(phrasing: Phrasing, **more):
    """Return the prompt of one Boolean item."""
    task = load_task("procedural/boolean")
    instance = Instance(
        id="i", fields={"question": "not True"}, choices=("True", "False"), target=1
    )
    return render_prompt(task, phrasing, instance, **more)


def own(**fields) -> Phrasing:
    """Return a phrasing that wants yes and no."""
    return Phrasing(id="own", text="Does it hold?", source="mine", answers=("yes", "no"), **fields)


@pytest.mark.parametrize(
    ("fields", "shown", "wanted"),
    [
        ({"layout": "none", "label_space": "text"}, "", (" yes", " no")),
        ({"layout": "bulleted", "label_space": "text"}, "- yes\n- no", (" yes", " no")),
        ({"layout": "lettered"}, "A. yes\nB. no", (" A", " B")),
        ({"layout": "inline", "label_space": "text"}, "yes or no", (" yes", " no")),
    ],
)
def test_every_layout_lists_the_words_of_the_wording(fields, shown, wanted):
    """The labels of the task stand nowhere in the prompt but in its item."""
    made = prompt(own(**fields))

    assert made.continuations == wanted
    assert "False" not in made.text
    assert shown in made.text


def test_worked_instances_answer_in_the_same_words():
    """A shot shows 'no' where the task's label is False."""
    shot = Instance(id="s", fields={"question": "False"}, choices=("True", "False"), target=1)

    made = prompt(own(layout="none", label_space="text"), shots=[shot])

    assert "Answer: no" in made.text


def test_a_wording_with_too_few_words_is_refused():
    """Two labels, one word: the message names both."""
    task = load_task("procedural/boolean")
    with pytest.raises(CatalogError, match="one word for every label is accepted"):
        worded(task, replace(own(), answers=("yes",)), task.labels)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ("[Yes]", "give one word for every label"),
        ('[Yes, ""]', "a word for every label of the task, all different"),
        ("[Yes, Yes]", "a word for every label of the task, all different"),
        ("Yes", "answers"),
    ],
)
def test_a_file_with_such_answers_is_refused(tmp_path, capsys, answers, says):
    """Too few, blank, twice, no list: exit 2 and where it stands."""
    path = tmp_path / "own.yaml"
    path.write_text(FILE.replace("[right, wrong]", answers), encoding="utf-8")
    line = ["run", "--model", "scripted:perfect", "--tasks", "procedural/boolean"]

    assert invoke([*line, "--phrasing-file", str(path), "--out", str(tmp_path / "r")]) != 0
    said = capsys.readouterr().err
    assert says in said
    assert "own.yaml" in said
