"""Instances with and without room to reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.errors import CatalogError, DataMissingError
from evalkit.phrasings.prompts import answer_labels
from evalkit.records import Response, Source
from evalkit.scoring import Answered, verdict_of

TASK = load_task("reasoning/reasoned_navigate")
NOTICE = "A notice that no prompt may show.\n-----\n"
WORKED = "Q: Turn left. Back?\nA: Let's think step by step.\nNo step. So the answer is Yes."


@pytest.fixture
def data(tmp_path):
    """Return a data directory with 250 questions and one worked one, as upstream lays them out."""
    folder = tmp_path / "bbh"
    (folder / "bbh").mkdir(parents=True)
    (folder / "cot-prompts").mkdir()
    examples = [
        {"input": f"Take {n} steps. Back?\nOptions:\n- Yes\n- No", "target": "No"}
        for n in range(1, 251)
    ]
    (folder / "bbh" / "navigate.json").write_text(json.dumps({"examples": examples}))
    (folder / "cot-prompts" / "navigate.txt").write_text(NOTICE + WORKED + "\n")
    return tmp_path


def test_three_kinds_of_one_origin(data):
    """The answer alone, a cue, and the file's worked question with its own form; no notice."""
    found = {one.factors["reasoning"]: one for one in load_instances(TASK, data)[:3]}

    assert set(found) == {"none", "cue", "demos"}
    assert len({one.of for one in found.values()}) == 1
    demos = found["demos"].fields["question"]
    assert demos.startswith(WORKED)
    assert demos.endswith("- Yes\n- No\nA: Let's think step by step.")
    assert "notice" not in demos


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("I go on. So the answer is No.", 1.0),
        ("First yes, then not. The answer is (B).", 1.0),
        ("So the answer is Yes.", 0.0),
    ],
)
def test_the_answer_is_read_behind_the_reasoning(data, text, score):
    """By its words or its letter."""
    one, phrasing = load_instances(TASK, data)[1], load_phrasings(TASK)[0]
    answered = Answered(
        instance=one,
        response=Response(key="k", text=text),
        labels=answer_labels(phrasing, one.choices),
    )

    assert verdict_of(TASK, answered).score == score


def test_missing_and_empty_files_and_wrong_options_are_named(data):
    """Before anything is asked; without 'demos' no file is needed."""
    file = data / "bbh" / "cot-prompts" / "navigate.txt"
    file.write_text(NOTICE)
    with pytest.raises(CatalogError, match="holds no worked question"):
        load_instances(TASK, data)
    file.unlink()
    with pytest.raises(DataMissingError, match="leave 'demos' out of 'kinds'"):
        load_instances(TASK, data)
    options = {**TASK.source.options, "kinds": ["none", "cue"]}
    assert len(load_instances(replace(TASK, source=Source(options=options)), data)) == 200
    wrong = replace(TASK, source=Source(options={**options, "kinds": ["long"]}))
    with pytest.raises(CatalogError, match="'kinds' holds 'long'; accepted: none, cue, demos"):
        load_instances(wrong, data)
