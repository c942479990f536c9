"""RegSet: expressions as instructions; files made here."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

import evalkit
from evalkit.catalog import load_instances
from evalkit.catalog.readers.regset import depth, language_size, matched, parse
from evalkit.errors import CatalogError

EXPRESSIONS = ["a(b|((a|b)b)*)", "(a*|b)*", "((aa)*|b)b", "a*b*", "(ab|b)*a", "((a*)*)*b", "b"]


def rows(*contexts: tuple[str, str]) -> str:
    """Return lines in RegSet's layout."""
    return "".join(json.dumps({"context": c, "answer": a}) + "\n" for c, a in contexts)


@pytest.mark.parametrize("pattern", EXPRESSIONS)
def test_the_automaton_agrees_with_pythons_expressions(pattern: str) -> None:
    """On every string of at most seven letters,
    and in the number of matches below fifteen for one of them.
    """
    strings = ["".join(s) for n in range(8) for s in itertools.product("ab", repeat=n)]

    assert [matched(pattern, s) for s in strings] == [
        re.fullmatch(pattern, s) is not None for s in strings
    ]


def test_size_and_depth_of_a_language_are_counted() -> None:
    """a*b* has n + 1 words of n letters: 1 + 2 + ... + 15 = 120; its operators are two deep."""
    assert language_size("a*b*") == 120
    assert depth(parse("a*b*")) == 2
    assert (language_size("b"), depth(parse("b"))) == (1, 0)


def test_a_line_is_split_and_its_expression_is_the_rule(task_over, tmp_path: Path) -> None:
    """With depth, size of the language and, where the file of properties lies above,
    star-freeness.
    """
    (tmp_path / "is_starfree.json").write_text('{"a*b": true}')
    task = task_over(
        "regset", "data/hard/test.jsonl", rows(("a*b aab", "True"), ("a*b ba", "False"))
    )

    found = load_instances(task, tmp_path)

    assert [dict(item.factors) for item in found] == [
        {"rule": "a*b", "depth": "2", "language": "up to 100", "starfree": "yes"}
    ] * 2
    assert [(item.fields["pattern"], item.fields["string"], item.references) for item in found] == [
        ("a*b", "aab", ("yes",)),
        ("a*b", "ba", ("no",)),
    ]


@pytest.mark.parametrize(
    ("context", "answer", "message"),
    [
        ("a*b", "True", "an expression, a blank and a string"),
        ("a*b aab b", "True", "an expression, a blank and a string"),
        ("a*b aab", "Maybe", "True or False"),
        ("a*b aab", "False", "'aab' and 'a\\*b' do not give False"),
        ("(a aab", "True", "is no expression of letters"),
        ("a)b aab", "True", "is no expression of letters"),
        ("a|| a", "True", "is no expression of letters"),
        ("a{2} aa", "True", "is no expression of letters"),
        ("(" * 60 + "a" + ")" * 60 + " a", "True", "is no expression of letters"),
    ],
)
def test_a_line_that_is_none_is_named(
    context: str, answer: str, message: str, task_over, tmp_path: Path
) -> None:
    """A published answer that the expression contradicts among them."""
    task = task_over("regset", "x.jsonl", rows((context, answer)))

    with pytest.raises(CatalogError, match=r"x\.jsonl:1: .*" + message):
        load_instances(task, tmp_path)


def test_so_many_rules_and_strings_are_taken(task_over, tmp_path: Path) -> None:
    """The same rules for the same seed, the strings of each spread over its block."""
    lines = [
        (f"{p} {'a' * n}", str(matched(p, "a" * n)))
        for p in ("a", "aa", "aaa", "a*")
        for n in range(1, 7)
    ]
    task = task_over("regset", "x.jsonl", rows(*lines), options={"rules": 2, "samples": 3})

    found = load_instances(task, tmp_path)

    assert len({item.factors["rule"] for item in found}) == 2
    assert [item.fields["string"] for item in found][:3] == ["a", "aaa", "aaaaa"]
    assert [item.id for item in found] == [item.id for item in load_instances(task, tmp_path)]
    with pytest.raises(CatalogError, match=r"source\.options\.rules is 0"):
        load_instances(task_over("regset", "x.jsonl", rows(*lines), options={"rules": 0}), tmp_path)


def test_share_of_rules_solved_is_not_the_mean(task_over, tmp_path: Path) -> None:
    """A model that always says yes solves the one rule that matches everything and is half right
    on the other: mean 3/4, share 1/2.
    """
    lines = [
        *((f"(a|b)* {s}", "True") for s in ("ab", "b", "aab", "ba")),
        *((f"a* {s}", str("b" not in s)) for s in ("a", "b", "aa", "ba")),
    ]
    task = task_over("regset", "x.jsonl", rows(*lines), labels=("yes", "no"))
    wordings = ["Match: {{ question }}", "{{ question }} yes or no?", "Is it in? {{ question }}"]

    run = evalkit.run(
        "scripted:first",
        tasks=[task],
        phrasings=wordings,
        data_dir=tmp_path,
        quiet=True,
        no_report=True,
        out=tmp_path / "run",
    )

    mine = run.estimates[(run.estimates.task == "b/t") & (run.estimates.group.fillna("") == "")]
    found = dict(zip(mine.metric, mine.value, strict=True))
    assert found["mean"] == pytest.approx(0.75)
    assert found["share_solved"] == pytest.approx(0.5)
