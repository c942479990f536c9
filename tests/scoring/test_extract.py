"""Where a task file says that the answer stands, and what happens where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.catalog.tasks import read_task_file
from evalkit.errors import CatalogError
from evalkit.records import Instance, Job, Response, Task
from evalkit.records.extraction import Extraction
from evalkit.scoring import Answered, verdict_of
from evalkit.scoring.extract import extracted
from evalkit.scoring.states import asked_form

TASK = Task(name="g", benchmark="b", reader="table", kind="generate", metric="exact_match")
ITEM = Instance(id="1", fields={"question": "?"}, references=("7",))


@pytest.mark.parametrize(
    ("rule", "text", "taken"),
    [
        ("last_line", "first\n\n 7 \n\n", "7"),
        ("last_line", " \n", None),
        ("number", "3 and 4 make 7", "7"),
        ("number", "seven", "7"),
        ("letter", "The answer is (C).", "C"),
        ({"after": "####"}, "3\n#### 5\nno\n#### 7\nrest", "7"),
        ({"after": "####", "select": "first"}, "3\n#### 5\nno\n#### 7", "5"),
        ({"after": "####"}, "7", None),
        ({"after": "####"}, "7 ####", None),
        ({"json": "answer"}, 'Here: {"answer": 5} or {"answer": 7}.', "7"),
        ({"json": "answer", "select": "first"}, '{"answer": 5} {"answer": 7}', "5"),
        ({"json": "a.1.b"}, '```json\n{"a": [0, {"b": "7"}]}\n```', "7"),
        ({"json": "a.9"}, '{"a": [7]}', None),
        ({"json": "a"}, '{"a": 7', None),
        ({"json": "a"}, "{" * 5000, None),
        ({"regex": r"x=(\d)|y=(\d)"}, "x=1 y=7", "7"),
        ({"regex": r"\d"}, "17", "7"),
        ({"regex": r"\d"}, "none", None),
    ],
)
def test_a_rule_takes_its_part(rule: Extraction, text: str, taken: str | None) -> None:
    """The last place counts unless the first is asked for; nothing is None."""
    assert extracted(text, rule) == taken


def test_a_pattern_that_never_ends_is_given_up() -> None:
    """Catastrophic backtracking finds nothing instead of hanging."""
    assert extracted("a" * 5000 + "b", {"regex": r"((a|a)+)+$"}) is None


def test_a_megabyte_is_looked_at_from_both_ends() -> None:
    """Its last mark is found, and what stands in its middle is not."""
    text = "x" * 600_000 + "#### 5\n" + "y" * 600_000 + "\n#### 7"

    assert (extracted(text, {"after": "####"}), extracted(text[:-7], {"after": "####"})) == (
        "7",
        None,
    )


@pytest.mark.parametrize(
    ("text", "finish", "state"),
    [
        ("3 + 4\n#### 7", "length", "right"),
        ("3 + 4\n#### 8", "stop", "wrong"),
        ("3 + 4 is", "length", "cut"),
        ("It is 7", "stop", "unusable"),
        ("I don't know.", "stop", "refused"),
    ],
)
def test_what_is_not_found_is_no_answer(text: str, finish: str, state: str) -> None:
    """Unusable, cut or refused: the five states hold behind a rule too."""
    task = replace(TASK, extract={"after": "####"})
    response = Response(key="k", text=text, finish_reason=finish)  # type: ignore[arg-type]
    found = verdict_of(
        task, Answered(instance=ITEM, response=response), form=asked_form(task, [ITEM])
    )

    assert (found.state, found.score) == (state, float(state == "right"))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{regex: '(['}", "t.yaml:7: extract: the pattern '([' cannot be compiled"),
        ("{regex: '(?P<a>x)(?P<'}", "t.yaml:7: extract: the pattern"),
        ("first_line", "t.yaml:7: extract is 'first_line'; accepted: last_line, number"),
        ("{after: ''}", "t.yaml:7: extract: after is empty"),
        ("{after: x, json: y}", "t.yaml:7: extract has after, json; accepted"),
        ("{after: x, select: third}", "t.yaml:7: extract: select is 'third'"),
    ],
)
def test_a_rule_that_cannot_work_is_named_with_its_line(
    tmp_path: Path, rule: str, told: str
) -> None:
    """When the file is read, long before a request."""
    path = tmp_path / "t.yaml"
    path.write_text(
        "name: t\nbenchmark: mine\nreader: table\nsource: {local: t.csv}\nkind: generate\n"
        f"metric: exact_match\nextract: {rule}\n"
    )
    with pytest.raises(CatalogError) as caught:
        read_task_file(path)

    assert told in str(caught.value)


def test_a_task_without_a_rule_keeps_its_digest() -> None:
    """Runs of earlier versions stay comparable."""
    job = Job(task=TASK, phrasings=(), instances=(ITEM,), seen={}, orders={})
    ruled = replace(job, task=replace(TASK, extract="number"))

    assert job.content_digest == "a7b18b921afe4cd9908aa313cfcca90a"
    assert ruled.content_digest != job.content_digest
