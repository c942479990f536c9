"""Worked instances of copies that were marked for them."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import pytest

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.apply import apply
from evalkit.records import Instance, Phrasing, Task
from evalkit.runs.demonstrations import K1, B, Nearest, demonstrations

TASK = Task(name="t", benchmark="b", reader="table", labels=("yes", "no"), shot_split="train")
WORDS = ["red fox", "red hen", "blue fox", "green cat", "tall tree", "old dog", "red red fox"]


def item(number, text):
    """Return an instance whose answer is yes."""
    return Instance(
        id=f"i{number}",
        fields={"question": text},
        choices=("yes", "no"),
        target=0,
        references=("yes",),
    )


POOL = [item(number, text) for number, text in enumerate(WORDS)]
ASKED = [item(100, "a red fox"), item(101, "a tree")]


def shown_by(spec, *, phrasings=("p", "q"), pool=POOL):
    """Return marked copies and what they show."""
    origins = [Phrasing(id=name, text="Answer.", source="s") for name in phrasings]
    copies, _ = apply(origins, [spec], seed=3)
    return copies, demonstrations(TASK, [*origins, *copies], ASKED, pool, seed=3)


def test_bm25_is_that_of_the_formula():
    """Two texts of one and three words, one query word: idf ln(1 + 1.5/1.5), by hand."""
    size = K1 * (1 - B + B * 1 / 2)
    wanted = math.log(2) * (K1 + 1) / (1 + size)

    assert Nearest(["fox", "a b c"]).scores("fox") == [pytest.approx(wanted), 0.0]


def test_the_nearest_stands_next_to_the_instance():
    """The best text comes last, of every instance its own."""
    copies, shown = shown_by("shots:k=2,source=bm25")
    first, second = (
        [shown.pool[place].fields["question"] for place in few]
        for few in shown.places[copies[0].id]
    )

    assert first[-1] in {"red fox", "red red fox"}
    assert second[-1] == "tall tree"


def test_a_draw_is_the_same_for_every_phrasing_and_another_for_every_copy():
    """Draw 0 of p is draw 0 of q; draws differ among each other."""
    copies, shown = shown_by("shots:k=3,n=3")
    by_origin = {
        name: [shown.places[one.id] for one in copies if one.of == name] for name in ("p", "q")
    }

    assert by_origin["p"] == by_origin["q"]
    assert len(set(by_origin["p"])) == 3
    assert [len(places) for places in by_origin["p"]] == [1, 1, 1]


def test_orders_show_the_same_instances():
    """Three orders of one draw."""
    copies, shown = shown_by("shots:k=4,vary=order,n=3", phrasings=("p",))
    orders = [shown.places[one.id][0] for one in copies]

    assert len({frozenset(order) for order in orders}) == 1
    assert len(set(orders)) > 1


def test_shuffled_answers_are_wrong_ones():
    """A choice task shows another choice, and says so in no other place."""
    copies, shown = shown_by("shots:k=4,answers=shuffled", phrasings=("p",))
    few = [shown.pool[place] for place in shown.places[copies[0].id][0]]

    assert [one.target for one in few] == [1, 1, 1, 1]


def test_a_file_gives_fixed_ones(tmp_path):
    """In its order; a wrong answer, a missing file and too few are refused by name."""
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"question": "one", "answer": "no"}\n{"question": "two", "answer": "yes"}\n')
    bad.write_text('{"question": "one", "answer": "maybe"}\n')
    copies, shown = shown_by(f"shots:k=2,source=fixed,file={good}", phrasings=("p",))
    few = [shown.pool[place] for place in shown.places[copies[0].id][0]]

    assert [(one.fields["question"], one.target) for one in few] == [("one", 1), ("two", 0)]
    with pytest.raises(UsageError, match="answer 'maybe' is none of yes, no"):
        shown_by(f"shots:k=1,source=fixed,file={bad}")
    with pytest.raises(UsageError, match="holds 2 worked instances, but k=3"):
        shown_by(f"shots:k=3,source=fixed,file={good}")
    with pytest.raises(UsageError, match="is not there"):
        shown_by(f"shots:k=1,source=fixed,file={tmp_path / 'none.csv'}")
    with pytest.raises(UsageError, match="do not go together"):
        shown_by("shots:k=1,source=fixed")


def test_nothing_scored_is_shown_and_too_few_are_refused():
    """The pool without what is asked; k beyond it names task and split."""
    with pytest.raises(
        UsageError, match="b/t has 1 instances to show \\(split 'train'\\), but k=2"
    ):
        shown_by("shots:k=2", pool=[*ASKED, POOL[0]])


@pytest.mark.parametrize(
    ("rules", "sizes"), [(1, [6]), (2, [3, 3]), (4, [1, 1, 2, 2]), (6, [1] * 6)]
)
def test_equally_many_examples_come_from_so_many_rules(rules, sizes):
    """As evenly as they go; the same for every phrasing, other rules in another draw."""
    pool = [
        dataclasses.replace(item(100 + n, f"word{n}"), factors={"rule": f"r{n % 8}"})
        for n in range(64)
    ]

    _, shown = shown_by(f"shots:k=6,rules={rules},n=2", pool=pool)

    of = [
        [shown.pool[place].factors["rule"] for place in places]
        for (places,) in shown.places.values()
    ]
    assert all(sorted(Counter(one).values()) == sizes for one in of)
    assert len({tuple(sorted(one)) for one in of}) <= 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shots:k=2,rules=3", "at most k rules of source=random"),
        ("shots:k=2,rules=1,source=bm25", "at most k rules of source=random"),
        ("shots:k=2,rules=1", "has 0 rules with 2 instances or more to show"),
    ],
)
def test_rules_that_cannot_be_shown_are_refused(spec, message):
    """More rules than examples, a source that chooses by itself, instances without rules."""
    with pytest.raises(UsageError, match=message):
        shown_by(spec)
