"""What scripted models must score on every suite and benchmark, by the command that prints the
tables of docs/scripted.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import evalkit
from evalkit.catalog import list_tasks, load_instances
from evalkit.catalog.paths import data_root
from evalkit.records import Phrasing, Source, Task

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIRST = {
    **{"arc": 25.0, "bbq": 25.0, "belebele": 25.0, "bigbench": 25.0, "boolq": 50.0, "code": 0.0},
    **{"fpb": 33.3, "gsm8k": 0.0, "hellaswag": 25.0, "medqa": 25.0, "multiwoz": 0.0, "pawsx": 50.0},
    **{"pubmedqa": 33.3, "relations": 50.0, "winogrande": 50.0, "xcopa": 50.0, "xnli": 33.3},
}
"""Benchmark -> percent of made rows whose right choice is the first, counted by hand:
BBQ's ambiguous half never, the other half every second time; texts never."""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch):
    """Return the command, imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import controls

    yield controls
    for name in ("controls", "made_rows"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_perfect_obedient_and_deaf_models_score_what_they_must(
    tool, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Means of 100; a reliance on null of 0 for the perfect and the deaf, of 100 for the
    obedient one; a suite without data is named.
    """
    tool.main(
        ["--suites", "probes,bias", "--limit", "1", "--phrasings", "1", "--data", str(tmp_path)]
    )
    said = capsys.readouterr().out

    assert "| probes | 3 | 100.0 | 0.0 | 100.0 | 100.0 | 100.0 | 0.0 |" in said
    assert "Not run: bias" in said


@pytest.mark.slow
def test_who_is_wrong_scores_nothing_and_the_first_choice_what_is_counted(
    tool, capsys: pytest.CaptureFixture
):
    """On rows of ours in the layout of every published benchmark that has few tasks."""
    tool.main(["--made", "--benchmarks", ",".join(FIRST), "--phrasings", "1"])
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]

    assert {line[0]: float(line[-2]) for line in lines} == FIRST
    for name, _, *cells in lines:
        assert cells[:7] == ["100.0", "0.0", "100.0", "100.0", "100.0", "0.0", "0.0"], name
        assert cells[-1] == cells[-2], name


def test_every_task_that_reads_a_file_has_made_rows(tool, tmp_path: Path):
    """All are read; a task that ships without rows in its layout would be missing from the
    table.
    """
    files = tool.made_rows.write(tmp_path, data_root("tasks"))
    tasks = list_tasks(map(str, files))

    assert {task.id for task in tasks} >= {task.id for task in list_tasks() if task.source.local}
    assert all(load_instances(task, tmp_path) for task in tasks)


@pytest.mark.parametrize(("model", "mean"), [("perfect", 1.0), ("wrong", 0.0)])
def test_of_several_right_choices_each_is_right(model: str, mean: float, tmp_path: Path) -> None:
    """BIG-bench scores some examples so: who is perfect says one of them, who is wrong none."""
    examples = [
        {"input": f"Q{n}", "target_scores": {"a": 0, "b": 1, "c": 1, "d": 0}} for n in range(8)
    ]
    (tmp_path / "task.json").write_text(json.dumps({"examples": examples}))
    task = Task(
        name="several",
        benchmark="mine",
        reader="bigbench",
        source=Source(local="task.json"),
        choices_shown=True,
    )
    wordings = [Phrasing(id="w1", text="Choose.", source="own", tasks=(task.id,))]
    run = evalkit.run(
        f"scripted:{model}",
        tasks=[task],
        phrasings=wordings,
        data_dir=tmp_path,
        no_report=True,
        quiet=True,
        out=tmp_path / "run",
    )

    assert run.estimates.query("metric == 'mean' and task == 'mine/several'").value.iloc[0] == mean
