"""Rules that a program verifies: each by hand, strict and loose, and IFEval's own form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.catalog import read_instances
from evalkit.catalog.readers.ifeval import KNOWN, rule_of
from evalkit.catalog.tasks import read_task_file
from evalkit.errors import CatalogError, ScoringError
from evalkit.records import Instance, Response, Task
from evalkit.records.constraints import RULES, Constraint, constraint_problem
from evalkit.scoring import Answered
from evalkit.scoring.constraints import (
    CHECKS,
    follows,
    rules_pass,
    rules_pass_loose,
    rules_share,
    rules_share_loose,
)

CASES: list[tuple[Constraint, str, str]] = [
    ({"rule": "words", "exactly": 4}, "It's a well-known fact", "It is a well-known fact"),
    ({"rule": "words", "at_most": 2}, "two words", "three short words"),
    ({"rule": "sentences", "exactly": 2}, "One. Two!", "One. Two! Three?"),
    ({"rule": "sentences", "at_least": 2}, "一。二。", "一。"),
    ({"rule": "paragraphs", "exactly": 2}, "a\n\nb", "a\n\nb\n\nc"),
    ({"rule": "paragraphs", "between": "***", "exactly": 2}, "a\n***\nb", "a\n\nb"),
    ({"rule": "bullets", "exactly": 2}, "* a\n- b", "* a\nb"),
    ({"rule": "highlights", "at_least": 2}, "*a b* and **c**", "*a b* and * c"),
    ({"rule": "placeholders", "at_least": 1}, "Dear [name]", "Dear []"),
    ({"rule": "capital_words", "at_most": 1}, "The NATO pact", "The NATO and USA pact"),
    ({"rule": "sections", "text": "Part", "at_least": 2}, "Part 1\nx\nPart 2\ny", "Part 1\nx"),
    ({"rule": "contains", "text": "cat"}, "A Cat!", "concatenate"),
    ({"rule": "contains", "text": "cat", "exactly": 2}, "cat, CAT", "cat, cat, cat"),
    ({"rule": "contains", "text": "Cat", "cased": True}, "a Cat", "a cat"),
    ({"rule": "letter", "text": "e", "at_least": 3}, "Eleven", "two"),
    ({"rule": "excludes", "text": ","}, "no comma", "a, comma"),
    ({"rule": "excludes", "text": "cat"}, "concatenate", "the cat"),
    ({"rule": "starts", "text": "Dear"}, "dear all", "My dear"),
    ({"rule": "ends", "text": "the end."}, 'And so "The end."', "The end. Or not."),
    ({"rule": "one_of", "texts": ["yes.", "no."]}, "It is yes.", "maybe."),
    (
        {"rule": "first_word", "text": "so", "paragraph": 2, "paragraphs": 2},
        "a\n\nSo b",
        "So a\n\nb",
    ),
    ({"rule": "postscript", "text": "P.S."}, "x\nP.S. y", "x y"),
    ({"rule": "title"}, "<<A title>>\nx", "<< >>\nx"),
    ({"rule": "upper"}, "ALL OF IT", "All of it"),
    ({"rule": "lower"}, "all of it", "All of it"),
    ({"rule": "quoted"}, '"all"', '"all" of it'),
    ({"rule": "json"}, '```json\n{"a": [1]}\n```', '{"a": [1}'),
    ({"rule": "json_schema", "schema": {"type": "array", "maxItems": 1}}, "[1]", "[1, 2]"),
    ({"rule": "two_answers"}, "a\n******\nb", "a\n******\na"),
    ({"rule": "regex", "pattern": r"\d{4}"}, "in 1999", "in 199"),
    ({"rule": "regex", "pattern": r"[ab]+", "whole": True}, "abba", "abbac"),
    (
        {
            "rule": "automaton",
            "start": "even",
            "accept": ["even"],
            "moves": {"even": {"a": "odd", "*": "even"}, "odd": {"a": "even", "*": "odd"}},
        },
        "bana",
        "banana",
    ),
]


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[case[0]["rule"] for case in CASES])
def test_a_rule_by_hand(rule: Constraint, good: str, bad: str) -> None:
    """One text that follows it, one that does not, and an empty one never does."""
    assert constraint_problem(rule) is None
    assert (follows(good, rule), follows(bad, rule), follows(" ", rule)) == (True, False, False)


def test_every_rule_has_a_check_and_a_case() -> None:
    """But for the language, whose library may not be there."""
    assert set(RULES) == set(CHECKS) == {case[0]["rule"] for case in CASES} | {"language"}


def test_a_pattern_that_never_ends_fails_in_time() -> None:
    """Half a second, then the rule is not followed."""
    assert not follows("a" * 5000 + "b", {"rule": "regex", "pattern": r"((a|a)+)+$"})


def answered(text: str, *rules: Constraint, own: str = "[]") -> Answered:
    """Return a text held to rules of a task and of its instance."""
    return Answered(
        instance=Instance(id="1", fields={"question": "?", "constraints": own}),
        response=Response(key="k", text=text, finish_reason="stop"),
        constraints=rules,
    )


def test_prompt_level_and_rule_level_strict_and_loose() -> None:
    """Of three rules two hold strictly; without the line before the answer all hold loosely."""
    rules = ({"rule": "lower"}, {"rule": "words", "at_least": 2}, {"rule": "ends", "text": "end"})
    one = answered("Sure!\nto the end", *rules)

    assert [
        metric(one).score
        for metric in (rules_pass, rules_share, rules_pass_loose, rules_share_loose)
    ] == [0.0, 2 / 3, 1.0, 1.0]
    assert rules_share(one).prediction == "-++"


def test_rules_of_the_instance_join_those_of_the_task() -> None:
    """A broken one names its instance, and a task without any rule is no pass."""
    assert rules_share(answered("a", {"rule": "lower"}, own='[{"rule": "upper"}]')).score == 0.5
    with pytest.raises(ScoringError, match="instance 1: rule 'odd' is not known"):
        rules_pass(answered("a", own='[{"rule": "odd"}]'))
    with pytest.raises(ScoringError, match="instance 1: its constraints are no JSON list"):
        rules_pass(answered("a", own="[3"))
    with pytest.raises(ScoringError, match="has no rules"):
        rules_pass(answered("a"))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"rule": "word"}, "rule 'word' is not known; accepted: words,"),
        ({"rule": "words"}, "rule 'words' needs one of at_least, at_most, exactly."),
        ({"rule": "words", "at_least": True}, "at_least is True; accepted: a whole number."),
        ({"rule": "contains"}, "rule 'contains' lacks text."),
        ({"rule": "upper", "text": "x"}, "rule 'upper' takes no 'text'; accepted: nothing more."),
        ({"rule": "regex", "pattern": "("}, "the pattern '(' cannot be compiled"),
        ({"rule": "json_schema", "schema": {"type": "odd"}}, "the schema is not valid"),
        ({"rule": "json_schema", "schema": {"$ref": "http://x"}}, "$ref is not accepted"),
    ],
)
def test_a_rule_that_cannot_be_used_is_named(rule: Constraint, told: str) -> None:
    """What is wrong, and what is accepted."""
    assert told in str(constraint_problem(rule))


def test_a_task_file_names_its_broken_rule_by_line(tmp_path: Path) -> None:
    """When it is read."""
    path = tmp_path / "t.yaml"
    path.write_text(
        "name: t\nbenchmark: mine\nreader: table\nsource: {local: t.csv}\nkind: generate\n"
        "metric: rules_pass\nconstraints:\n  - {rule: lower}\n  - {rule: words}\n"
    )
    with pytest.raises(CatalogError, match=r"t\.yaml:9: rule 'words' needs one of"):
        read_task_file(path)


IFEVAL = [
    {
        "key": 1000,
        "prompt": "Write a note without commas in at most nine words.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{}, {"relation": "less than", "num_words": 10, "num_bullets": None}],
    }
]


def task_of(path: Path) -> Task:
    """Return a task that reads a file of IFEval's form."""
    told = (
        "name: ifeval\nbenchmark: mine\nreader: ifeval\nsource: {local: input_data.jsonl}\n"
        "kind: generate\nmetric: rules_pass\n"
    )
    (path / "t.yaml").write_text(told)
    return read_task_file(path / "t.yaml")


def test_a_file_of_ifeval_is_read_with_its_rules(tmp_path: Path) -> None:
    """Key, prompt, kinds of instruction and their arguments, null ones left out."""
    (tmp_path / "input_data.jsonl").write_text("\n".join(map(json.dumps, IFEVAL)) + "\n")
    found = read_instances(task_of(tmp_path), tmp_path)[0]

    assert [one.id for one in found] == ["1000"]
    assert json.loads(found[0].fields["constraints"]) == [
        {"rule": "excludes", "text": ","},
        {"rule": "words", "at_most": 9},
    ]
    right = Answered(
        instance=found[0], response=Response(key="k", text="Milk and bread", finish_reason="stop")
    )
    assert rules_pass(right).score == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"instruction_id_list": ["punctuation:odd", "punctuation:no_comma"]},
        {"kwargs": [{}]},
        {"kwargs": [{}, {"relation": "about", "num_words": 3}]},
        {"key": None, "kwargs": 3},
    ],
)
def test_a_line_that_is_none_of_ifeval_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    """With file and line."""
    (tmp_path / "input_data.jsonl").write_text(json.dumps({**IFEVAL[0], **change}) + "\n")
    with pytest.raises(CatalogError, match=r"input_data.jsonl:1: is no prompt of IFEval"):
        read_instances(task_of(tmp_path), tmp_path)


ARGUMENTS = {
    **dict.fromkeys(("relation", "let_relation", "capital_relation"), "at least"),
    **{key: ["a"] for key in ("keywords", "forbidden_words")},
    **dict.fromkeys(("keyword", "letter", "language", "first_word", "end_phrase"), "en"),
    **dict.fromkeys(("postscript_marker", "section_spliter", "prompt_to_repeat"), "P"),
    **dict.fromkeys(("num_sentences", "num_words", "num_paragraphs", "nth_paragraph"), 2),
    **dict.fromkeys(("num_placeholders", "num_bullets", "num_highlights", "num_sections"), 2),
    **dict.fromkeys(("frequency", "let_frequency", "capital_frequency"), 2),
}


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_every_kind_of_ifeval_becomes_rules_of_ours(kind: str) -> None:
    """All 25 kinds, with arguments as upstream names them."""
    rules = rule_of(kind, ARGUMENTS)

    assert len(KNOWN) == 25
    assert rules
    assert [constraint_problem(rule) for rule in rules] == [None] * len(rules)


def test_a_task_with_rules_has_another_digest() -> None:
    """They are part of what is asked."""
    task = Task(name="g", benchmark="b", reader="table")

    assert replace(task, constraints=({"rule": "lower"},)) != task
