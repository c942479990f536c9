"""Borrowed templates keep their own answer words:
each stands for the label it stood for upstream.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import load_task
from evalkit.catalog.library.importers.classes import answers_on
from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
from evalkit.cli.main import invoke
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance

ENTRY = """
  {key}: !Template
    answer_choices: '{answers}'
    id: {key}
    jinja: "{{{{premise}}}} Hence {{{{hypothesis}}}}{text} ||| {target}"
    metadata: !TemplateMetadata
      original_task: true
    name: {key}
"""
BY_LABEL = "{% if label != -1 %}{{ answer_choices[label] }}{% endif %}"


def imported(tmp_path: Path, data_set: str, *entries: str, tasks: str):
    """Return what `--as nli` makes of a data set's templates."""
    path = tmp_path.joinpath("templates", *data_set.split("/"), "templates.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("dataset: x\ntemplates:\n" + "".join(entries), encoding="utf-8")
    out = tmp_path / "out.yaml"
    line = ["phrasings", "import", "promptsource", str(tmp_path / "templates"), "--as", "nli"]
    code = invoke([*line, "--tasks", tasks, "--out", str(out), "--overwrite"])
    assert code == (0 if out.exists() else 2)
    return read_phrasing_file(out) if out.exists() else []


def entry(key: str, answers: str, text: str, target: str = BY_LABEL) -> str:
    """Return one template."""
    return ENTRY.format(key=key, answers=answers, text=text, target=target)


@pytest.mark.parametrize(
    ("task", "data_set", "words", "expected"),
    [
        ("promptbench/rte", "super_glue/rte", ("Yes", "No"), ("Yes", "No")),
        ("promptbench/wnli", "glue/rte", ("Yes", "No"), ("No", "Yes")),
        ("promptbench/mnli", "anli", ("Yes", "Maybe", "No"), ("Yes", "Maybe", "No")),
        ("promptbench/mnli", "super_glue/cb", ("Yes", "No", "Maybe"), ("Yes", "Maybe", "No")),
        ("superglue/cb", "glue/mnli", ("Yes", "Maybe", "No"), ("Yes", "No", "Maybe")),
        ("promptbench/sst2", "imdb", ("bad", "good"), ("bad", "good")),
        ("promptbench/qqp", "glue/mrpc", ("no", "yes"), ("no", "yes")),
        ("promptbench/rte", "anli", ("Yes", "Maybe", "No"), ()),
        ("promptbench/mnli", "glue/rte", ("Yes", "No"), ()),
        ("promptbench/rte", "somewhere", ("Yes", "No"), ()),
        ("promptbench/rte", "glue/rte", ("Yes", "Yes"), ()),
        ("promptbench/rte", "imdb", ("bad", "good"), ()),
    ],
)
def test_each_word_stands_for_the_label_it_stood_for_upstream(task, data_set, words, expected):
    """Whatever the orders of the two; nothing where the classes are others."""
    assert answers_on(load_task(task), data_set, words) == expected


def test_yes_or_no_is_asked_and_scored_as_such(tmp_path):
    """The prompt offers Yes and No, and each is the label at its place."""
    (one,) = imported(
        tmp_path,
        "super_glue/rte",
        entry("a", "Yes ||| No", ", Yes or No?"),
        tasks="promptbench/rte",
    )
    task = load_task("promptbench/rte")
    (kept,) = [
        found
        for found in load_phrasings(task, extra=[tmp_path / "out.yaml"])
        if found.source == "p3"
    ]
    fields = {"question": "Q", "sentence1": "It rains.", "sentence2": "It is wet."}
    prompt = render_prompt(
        task, kept, Instance(id="i", fields=fields, choices=task.labels, target=1), order=(1, 0)
    )

    assert one.answers == ("Yes", "No")
    assert prompt.text == "It rains. Hence It is wet., Yes or No?"
    assert prompt.continuations == (" No", " Yes")


@pytest.mark.parametrize(
    ("answers", "text", "target", "why"),
    [
        ("Yes ||| No", "?", BY_LABEL, "names none of the labels"),
        ("Yes ||| No", ", Yes or No?", "{{ answer_choices[1 - label] }}", "names no, yes, where"),
        ("Yes ||| No ||| Maybe", ", Yes, No or Maybe?", BY_LABEL, "names maybe, no, yes, where"),
    ],
    ids=["not shown", "the other way round", "another number"],
)
def test_words_that_cannot_be_placed_leave_the_template_out(
    tmp_path, capsys, answers, text, target, why
):
    """A template that does not show its words, turns them round,
    or has too many is named with the reason.
    """
    found = imported(
        tmp_path, "super_glue/rte", entry("a", answers, text, target), tasks="promptbench/rte"
    )

    assert found == []
    assert why in capsys.readouterr().err


def test_the_same_template_of_two_data_sets_comes_once(tmp_path, capsys):
    """MNLI and ANLI share templates; a wording that came twice would count double."""
    same = entry("a", "Yes ||| Maybe ||| No", ", yes, no or maybe?")
    imported(tmp_path, "anli", same, tasks="promptbench/mnli")
    found = imported(tmp_path, "glue/mnli", same, tasks="promptbench/mnli")

    assert [one.answers for one in found] == [("Yes", "Maybe", "No")]
    assert "the same text stands here again" in capsys.readouterr().err
