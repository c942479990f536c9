"""Specification files: every mistake is found, with its line."""

from __future__ import annotations

import pytest

from evalkit.catalog.validate import record
from evalkit.catalog.yaml_file import parse_yaml
from evalkit.records import ModelSpec, Phrasing, Source, Suite, Task


def problems_of(kind: type, text: str) -> list[str]:
    """Return what is wrong with a text."""
    file = parse_yaml(text, "f")
    return record(kind, file.value, file=file)[1]


def test_a_task_file_becomes_a_task() -> None:
    """Lists become tuples and nested mappings records."""
    file = parse_yaml(
        "name: a\nbenchmark: b\nreader: table\nlabels: [yes, no]\nsource: {local: x.csv}\nchance: "
        "0.5\n",
        "f",
    )
    task, problems = record(Task, file.value, file=file)

    assert problems == []
    assert task == Task(
        name="a",
        benchmark="b",
        reader="table",
        labels=("yes", "no"),
        source=Source(local="x.csv"),
        chance=0.5,
    )


def test_all_mistakes_of_a_task_come_together() -> None:
    """Unknown keys, wrong types and wrong values are found in one reading, each on its line."""
    text = (
        "name: my task\nbenchmark: m\nreader: tabel\nmetric: exactmatch\nknd: choice\nchance: "
        "2\nsource:\n  locl: x\nmax_tokens: '12'\nlabels: [yes]\n"
    )

    found = problems_of(Task, text)

    assert sorted(int(problem.split(":")[1]) for problem in found) == [1, 3, 4, 5, 6, 8, 9, 10]
    assert (
        "f:4: metric 'exactmatch' is not known; did you mean 'exact_match'? "
        "Run 'evalkit ls metrics' for all."
    ) in found
    assert any("key 'knd' is not known; did you mean 'kind'?" in problem for problem in found)
    assert any("key 'locl' is not known; did you mean 'local'?" in problem for problem in found)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Task, "name: a\nreader: table\n", "f:1: 'benchmark' is missing. Add it."),
        (
            Task,
            "name: a\nbenchmark: b\nreader: table\nchance: .nan\n",
            "f:1: holds a number that is not finite",
        ),
        (Task, "- a\n", 'f:1: ["a"] stands where a mapping is expected'),
        (Task, "name: a\nbenchmark: b\nreader: table\nversion: yes\n", "f:4: 'version' is \"yes\""),
        (Task, "name: ../x\nbenchmark: b\nreader: table\n", 'f:1: name "../x" is not accepted'),
        (
            Task,
            "name: a\nbenchmark: b\nreader: table\nlabels: [a, a]\n",
            "f:4: labels are ['a', 'a']",
        ),
        (
            Task,
            "name: a\nbenchmark: b\nreader: table\nkind: multiple\n",
            "f:4: 'kind' is \"multiple\"; accepted: 'choice' or 'generate'",
        ),
        (Suite, "name: s\ntasks: []\n", "f:2: tasks is empty"),
        (Suite, "name: s\ntasks: [bbh/*]\nlimit: 0\n", "f:3: limit is 0; accepted: 1 and up"),
        (
            Suite,
            "name: s\ntasks: [bbh/*]\nkinds: [correct, wrnog]\n",
            "f:3: kind 'wrnog' is not known",
        ),
        (Phrasing, "id: a b\ntext: x\nsource: y\n", 'f:1: id "a b" is not accepted'),
        (Phrasing, "id: a\ntext: ''\nsource: y\n", "f:2: text is empty"),
        (Phrasing, "id: a\ntext: '{{ q.x }}'\nsource: y\n", "f:2: attribute 'x' is not accepted"),
        (
            Phrasing,
            "id: a\ntext: x\nsource: y\nmeaning: {stats: checked}\n",
            "f:4: key 'stats' is not known; did you mean 'status'?",
        ),
        (ModelSpec, "backend: hf\nname: x\ndtype: fp16\n", "f:3: dtype 'fp16' is not known"),
        (ModelSpec, "backend: hf\nname: x\ndevice: gpu\n", "f:3: device 'gpu' is not known"),
        (ModelSpec, "backend: hf\nname: x\ntuned_on: p3\n", "f:3: 'tuned_on' is \"p3\""),
        (
            ModelSpec,
            "backend: hf\nname: x\nlevels: {tasks: [a/b]}\n",
            "f:3: 'levels.tasks.[key]' is \"tasks\"; accepted: 'instance', 'task' or 'category'",
        ),
        (
            ModelSpec,
            "backend: hf\nname: x\nlevels: {task: [a/*], category: [a/*]}\n",
            "f:3: 'a/*' stands under task and category; accepted: one level.",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(kind: type, text: str, message: str) -> None:
    """The message says where, what, and what is accepted."""
    found = problems_of(kind, text)

    assert [problem for problem in found if problem.startswith(message)], found


def test_a_null_phrasing_may_be_empty() -> None:
    """The control that asks nothing has no text."""
    assert problems_of(Phrasing, "id: a\ntext: ''\nsource: y\nkind: 'null'\n") == []
