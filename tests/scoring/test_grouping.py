"""Which instances belong together, from the task file to the independent units of an interval."""

import os
from pathlib import Path

import pytest

import evalkit
from evalkit.catalog import load_task
from evalkit.catalog.instances import load_instances
from evalkit.errors import CatalogError
from evalkit.records import Instance, Job, Task
from evalkit.scoring.grouping import groups_of, shared_text

PASSAGES = """id,question,passage,answer
1,Who?,Ann met Bob.,yes
2,When?,Ann met Bob.,no
3,Where?,The cat slept.,yes
4,Why?,,no
"""
FILE = """name: reading
benchmark: own
reader: table
source:
  local: rows.csv
  options: {columns: {id: id, question: question, passage: passage, target: answer}}
fields: [question, passage]
labels: ["yes", "no"]
group: GROUP
"""


def task_of(folder: Path, group: str) -> Task:
    """Return a task of four questions, two about one passage and one about none."""
    (folder / "rows.csv").write_text(PASSAGES, encoding="utf-8")
    (folder / "reading.yaml").write_text(FILE.replace("GROUP", group), encoding="utf-8")
    return load_task(str(folder / "reading.yaml"))


def test_a_field_of_a_users_task_makes_groups(tmp_path):
    """Two questions about one passage are one group; a question without one stands by itself."""
    task = task_of(tmp_path, "passage")
    one, two, three, four = groups_of(task, load_instances(task))

    assert one == two
    assert len({one, three, four}) == 3
    assert four == ""


def test_a_group_that_no_instance_has_is_refused(tmp_path):
    """A misspelt field would make every instance its own group without a word."""
    task = task_of(tmp_path, "pasage")
    with pytest.raises(CatalogError, match=r"group is 'pasage', which no instance has as a field"):
        load_instances(task)


@pytest.mark.parametrize(
    ("task", "inputs", "shared"),
    [
        (
            "superni/task349_squad2.0_answerable_unanswerable_question_classification",
            [
                "Passage: A b. Question: C?",
                "Passage: A b. Question: D?",
                "Passage: E. Question: C?",
            ],
            ["Passage: A b.", "Passage: A b.", "Passage: E."],
        ),
        (
            "superni/task1439_doqa_cooking_isanswerable",
            ["CONTEXT: A. <sep> FOLLOWUP_Q: b?", "CONTEXT: A. Q: b? <sep> FOLLOWUP_Q: c?", "none"],
            ["CONTEXT: A.", "CONTEXT: A.", ""],
        ),
        ("superni/task290_tellmewhy_question_answerability", ["A. B.\nWhy?"], ["A. B."]),
        ("bigbench/winowhy", ["A b. The 'they' refers to c because d."], ["A b."]),
    ],
)
def test_shipped_tasks_know_what_their_instances_share(task, inputs, shared):
    """A passage, a conversation, a story or a sentence, up to where the question begins;
    where it does not, nothing.
    """
    found = load_task(task)
    fields = [{"question": text, "input": text} for text in inputs]
    instances = [Instance(id=str(n), fields=one) for n, one in enumerate(fields)]

    assert [shared_text(found, one) for one in instances] == shared


def test_squad_is_grouped_by_passage():
    """The reader's field of the passage, as a whole."""
    assert load_task("promptbench/squad_v2").group == "context"


def test_groups_of_one_are_no_groups():
    """Where nothing is shared there is no column, and intervals are as they were."""
    task = Task(name="t", benchmark="b", reader="table", group="input")
    instances = [Instance(id=str(n), fields={"input": str(n)}) for n in range(3)]

    assert groups_of(task, instances) == ()


def test_groups_are_no_content_of_a_task():
    """They change no prompt and no score, so runs from before stay comparable."""
    task = Task(name="t", benchmark="b", reader="table")
    jobs = [
        Job(task=one, phrasings=(), instances=(), seen={}, orders={})
        for one in (task, Task(name="t", benchmark="b", reader="table", group="input"))
    ]
    assert jobs[0].content_digest == jobs[1].content_digest


def test_a_run_counts_its_groups(tmp_path):
    """From the task file to the estimate: 4 instances in 3 groups,
    and the same when scored again.
    """
    task_of(tmp_path, "passage")
    wordings = [
        evalkit.Phrasing(id=f"w{n}", text="Answer. {{ question }}" + n * "!", source="own")
        for n in (1, 2)
    ]
    found = evalkit.run(
        "demo",
        tasks=str(tmp_path / "reading.yaml"),
        phrasings=wordings,
        out=tmp_path / "run",
        quiet=True,
    )
    again = evalkit.load_run(tmp_path / "run")
    for run in (found, again):
        rows = run.estimates
        (mean,) = rows[(rows["task"] == "own/reading") & (rows["metric"] == "mean")].to_dict(
            "records"
        )
        assert (mean["n_instances"], mean["n_groups"]) == (4, 3)


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("EVALKIT_DATA")
    or not Path(os.environ["EVALKIT_DATA"], "instructioneval/data/benchmark_tasks").is_dir(),
    reason="needs instructioneval/data under EVALKIT_DATA",
)
@pytest.mark.parametrize(
    ("task", "n", "groups"), [("strange_stories", 174, 63), ("winowhy", 2865, 271)]
)
def test_published_files_hold_groups(task, n, groups):
    """The 174 questions are about 63 stories, the 2,865 reasons about 271 sentences:
    neither is as many draws as it has rows.
    """
    found = load_task(f"bigbench/{task}")
    names = groups_of(found, load_instances(found, Path(os.environ["EVALKIT_DATA"])))

    assert (len(names), len(set(names)), "" in names) == (n, groups, False)
