"""Level of generalisation crossed with wording."""

from __future__ import annotations

import pandas as pd
import pytest

import evalkit
from evalkit.analysis.levels import level_rows
from evalkit.catalog.levels import level_of
from evalkit.scoring import ScoreTable


def blocks_of(tasks):
    """Return blocks of tasks from {task: {phrasing: scores}}; phrasings s* are seen, u* unseen."""
    rows = [
        {
            "model": "m",
            "task": task,
            "phrasing_id": name,
            "seen": "seen" if name[0] == "s" else "unseen",
            "instance_id": f"i{number}",
            "score": score,
        }
        for task, phrasings in tasks.items()
        for name, scores in phrasings.items()
        for number, score in enumerate(scores)
    ]
    table = ScoreTable.from_frame(pd.DataFrame(rows))
    return [table.block("m", task) for task in table.tasks("m")]


NEAR = {"s1": [1, 1, 1, 0], "s2": [1, 1, 1, 1], "u1": [1, 1, 1, 0], "u2": [1, 1, 0, 0]}
FAR = {"s1": [1, 1, 0, 0], "s2": [1, 1, 0, 1], "u1": [0, 0, 0, 1], "u2": [0, 0, 0, 0]}


def test_the_interaction_is_the_difference_of_the_gaps():
    """By hand: near 0.875 - 0.625 = 0.25; far 0.625 - 0.125 = 0.5; interaction 0.25."""
    blocks = blocks_of({"b/near": NEAR, "b/far": FAR})
    found = {
        (row.metric, row.group): row
        for row in level_rows(
            blocks, {"b/near": "instance", "b/far": "task"}, question="fixed", level=0.95
        )
    }

    assert found["seen_mean", "level=instance"].value == pytest.approx(0.875)
    assert found["unseen_mean", "level=task"].value == pytest.approx(0.125)
    assert found["gap", "level=instance"].value == pytest.approx(0.25)
    assert found["gap", "level=task"].value == pytest.approx(0.5)
    change = found["gap_change", "level=task"]
    assert change.value == pytest.approx(0.25)
    assert change.low < 0.25 < change.high
    assert ("gap_change", "level=instance") not in found


def test_two_tasks_of_a_level_are_averaged_before_levels_are_compared():
    """Three tasks, two of them far: the interaction is that of one far task."""
    blocks = blocks_of({"b/near": NEAR, "b/far": FAR, "b/far2": FAR})
    levels = {"b/near": "instance", "b/far": "category", "b/far2": "category"}
    found = {row.metric: row for row in level_rows(blocks, levels, question="fixed", level=0.95)}

    assert found["gap_change"].value == pytest.approx(0.25)
    assert found["gap_change"].group == "level=category"


def test_one_level_is_no_table():
    """Neither is a run of which nothing is known."""
    blocks = blocks_of({"b/near": NEAR, "b/far": FAR})

    assert (
        level_rows(blocks, {"b/near": "task", "b/far": "task"}, question="fixed", level=0.95) == []
    )
    assert level_rows(blocks, {}, question="fixed", level=0.95) == []


@pytest.mark.parametrize(
    ("task", "tuned_on", "level"),
    [
        ("procedural/regex", ["evalkit-tuning"], "instance"),
        ("procedural/regex_heldout", ["evalkit-tuning"], "task"),
        ("probes/boxes", ["evalkit-tuning"], "category"),
        ("superni/task190_snli_classification", ["niv2@!superni/*"], "category"),
        ("promptbench/sst2", ["flan", "niv2"], "instance"),
        ("bbh/navigate", ["flan"], "category"),
        ("bbh/navigate", ["p3"], ""),
        ("bbh/navigate", None, ""),
    ],
)
def test_a_level_is_a_relation_of_task_and_model(task, tuned_on, level):
    """The nearest of what the model's collections say; nothing where none speaks of it."""
    assert level_of(task, tuned_on) == level


@pytest.mark.parametrize(
    ("task", "level"),
    [
        ("procedural/regex", "instance"),
        ("procedural/regex_heldout", "task"),
        ("mine/claims", "category"),
        ("bbh/navigate", "category"),
        ("other/task", ""),
    ],
)
def test_the_file_of_a_model_goes_before_what_is_known_of_collections(task, level):
    """The longer of two patterns holds in any order; tasks it does not name are looked up."""
    said = {"category": ["mine/*"], "instance": ["procedural/*"], "task": ["procedural/*_heldout"]}
    assert level_of(task, ["flan"], said=said) == level
    assert level_of(task, ["flan"], said=dict(reversed(said.items()))) == level


def test_levels_of_a_model_file_reach_the_estimates(tmp_path, capsys):
    """A run has a row per level that the file names, and tells of a pattern that names no task;
    with another relation the same answers are put into other rows.
    """
    model = tmp_path / "model.yaml"

    def asked(levels: str) -> set[str]:
        model.write_text(f"backend: scripted\nname: seen_only\nlevels: {levels}\n")
        run = evalkit.run(
            str(model),
            tasks=["procedural/boolean", "procedural/boolean_heldout"],
            limit=2,
            phrasings=2,
            no_report=True,
            out=tmp_path / "run",
        )
        return {one for one in run.estimates["group"].dropna() if one.startswith("level=")}

    assert asked("{instance: [procedural/*], task: [mine/*]}") == set()
    assert "levels of the model: no task here is mine/*" in capsys.readouterr().err
    found = asked("{instance: [procedural/*], task: [procedural/*_heldout]}")
    assert found == {"level=instance", "level=task"}
