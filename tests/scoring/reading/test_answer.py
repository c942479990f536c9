"""The parser of answers, against labelled answers and on what it must never do."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import program

from evalkit.records.reasoning import joined_reasoning, split_reasoning
from evalkit.scoring.reading import mentions, read_answer
from evalkit.scoring.reading.plain import plain

LETTERS = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def parsing() -> ModuleType:
    """Give benchmarks/parsing.py as a module."""
    return program("benchmarks/parsing.py")


def test_there_are_enough_answers_of_every_family(parsing: ModuleType) -> None:
    """Twelve families, no answer in both halves, at least 25 of each in each half; three of
    benchmarks, which have no tuning half.
    """
    found = [c for c in parsing.cases() if c.family not in {"bbh", "mmlu", "superni"}]
    halves = [
        {(c.labels, c.text) for c in found if (c.part == "tuning") is tuning}
        for tuning in (True, False)
    ]
    sizes = {
        (family, tuning): sum(c.family == family and (c.part == "tuning") is tuning for c in found)
        for family in {c.family for c in found}
        for tuning in (True, False)
    }

    assert len({family for family, _ in sizes}) == 12
    assert min(sizes.values()) >= 25
    twice = halves[0] & halves[1]  # short answers such as "B" are written by everyone
    assert len(twice) <= 0.02 * len(halves[1])


def test_the_parser_reads_as_well_as_the_page_says(parsing: ModuleType) -> None:
    """The table of docs/parsing.md is that of the command;
    a rule that makes anything worse shows here.
    """
    assert parsing.table() in parsing.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "family", ["bare", "boxed", "negation", "nested", "scripts", "stated", "verdicts"]
)
def test_a_family_is_not_read_wrong_on_the_held_out_half(parsing: ModuleType, family: str) -> None:
    """Precision of 95 % and more: what is read is what was said."""
    held = [case for case in parsing.cases() if case.family == family and case.part != "tuning"]
    _, precision, recall = parsing.rates(held)

    assert (precision >= 0.95, recall >= 0.9) == (True, True)


@pytest.mark.parametrize(
    ("text", "labels", "rule", "expected"),
    [
        ("**(B)**", LETTERS, "whole", "B"),
        ("so \\boxed{C}", LETTERS, "marked", "C"),
        ("A. Hm, I mean D.", LETTERS, "corrected", "D"),
        ("The answer is B, not C.", LETTERS, "stated", "B"),
        ("A is wrong and B is right.", LETTERS, "verdict", "B"),
        ("A lies north.\n\nB", LETTERS, "line", "B"),
        ("B. A lies north.", LETTERS, "opens", "B"),
        ("A or B? So, B.", LETTERS, "concluded", "B"),
        ("A very cheerful and positive text", ("positive", "negative"), "only", "positive"),
    ],
)
def test_each_rule_is_named_with_what_it_reads(
    text: str, labels: tuple[str, ...], rule: str, expected: str
) -> None:
    """One answer for each rule."""
    found = read_answer(text, labels)

    assert found is not None
    assert (found.rule, labels[found.label]) == (rule, expected)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("A - hold on, I misread it. They ask for the south, so it's C.", LETTERS, "C"),
        ("My answer was C, but I would change it to A.", LETTERS, "A"),
        ("At first glance A fits, but the river makes it B.", LETTERS, "B"),
        ("- [ ] A\n- [x] B\n- [ ] C", LETTERS, "B"),
        ("A: does not fit.\nB: does not fit.\nC: fits.", LETTERS, "C"),
        ("It could be B, but D would also fit.", LETTERS, None),
        ("This cannot be labelled entailment.", ("entailment", "not_entailment"), "not_entailment"),
        ("This cannot be called positive.", ("positive", "negative"), None),
        ("This is not acceptable.", ("acceptable", "unacceptable"), "unacceptable"),
        ("The premise entails it.", ("entailment", "contradiction"), "entailment"),
        ("The second option.", LETTERS, "B"),
        ("I would give it 4 out of 5.", ("1", "2", "3", "4", "5"), "4"),
        ("It would be B only if it rained.", LETTERS, None),
        ("Option A lies north. Option D is", LETTERS, None),
        ("A; C", LETTERS, None),
        ("It is right, and it is also wrong.", ("right", "wrong"), None),
        ("\\boxed{x = 14}\n\nAnswer: C", LETTERS, "C"),
        ("نعم، هذا صحيح", ("نعم", "لا"), "نعم"),
    ],
)
def test_turns_that_take_back_tick_or_weigh(
    text: str, labels: tuple[str, ...], expected: str | None
) -> None:
    """Self-corrections in other words, ticked boxes, verdicts behind a colon, two answers
    weighed.
    """
    found = read_answer(text, labels)

    assert (labels[found.label] if found else None) == expected


@given(
    st.text(max_size=80),
    st.sampled_from([LETTERS, ("yes", "no"), ("entailment", "not_entailment"), ("是", "不是")]),
)
def test_no_text_ends_the_parser(text: str, labels: tuple[str, ...]) -> None:
    """Any text gives a label or none."""
    found = read_answer(text, labels)

    assert found is None or 0 <= found.label < len(labels)


@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS))
def test_thoughts_never_decide(thought: str, said: str) -> None:
    """Whatever is thought, the answer behind it counts; without one there is none."""
    found = read_answer(f"<think>The answer is {thought}.</think>\n{said}", LETTERS)

    assert found is not None
    assert LETTERS[found.label] == said
    assert read_answer(f"<think>The answer is {thought}.", LETTERS) is None


@given(st.text(alphabet="ab <>/\n", max_size=20), st.text(alphabet="ab \n", max_size=20))
def test_joined_thoughts_come_apart_again(thoughts: str, answer: str) -> None:
    """What a server gives in two fields is found again in two parts, white space at the ends
    apart.
    """
    told, said = split_reasoning(joined_reasoning(thoughts, answer))

    assert said.strip() == answer.strip()
    assert told.strip() == thoughts.strip()


def test_names_of_labels_keep_their_inner_marks() -> None:
    """Emphasis goes, products and powers stay."""
    assert plain("**not_entailment** -4*s**2 + 3*s") == "not entailment -4*s**2 + 3*s"


@pytest.mark.parametrize("piece", [" ", "\n", " \n", "A", "the answer is ", "- [ ] ", "\\boxed{"])
def test_of_an_endless_text_beginning_and_end_are_read(piece: str) -> None:
    """A megabyte of one piece ends the parser with nothing,
    and with the answer that stands last.
    """
    text = piece * (1_000_000 // len(piece))

    assert read_answer(f"{text}\n\nThe answer is C.", LETTERS) is not None
    assert read_answer(text, ("yes", "no")) is None


@pytest.mark.parametrize(
    ("unit", "most"), [("A ", 1000), ("A, B and ", 1000), ("no, A ", 9 * 1000)]
)
def test_an_answer_of_one_repeated_word_is_not_looked_through_once_per_word(
    unit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of letters those at the ends are looked at, behind the last eight corrections
    alone.
    """
    looked: list[int] = []

    def counted(text: str, match: re.Match[str], label: mentions.Label) -> bool:
        looked.append(match.start())
        return False

    monkeypatch.setattr(mentions, "_is_label", counted)
    read_answer(unit * (20_000 // len(unit)), ("A", "B"), texts=("Paris", "Lyon"))

    assert 0 < len(looked) <= most


def test_a_label_that_is_a_word_is_not_judged_thousands_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of thousands of mentions those at the ends are judged."""
    judged: list[int] = []

    def counted(
        text: str, mention: mentions.Mention, labels: tuple[mentions.Label, ...]
    ) -> mentions.Mention:
        judged.append(mention.start)
        return mention

    monkeypatch.setattr(mentions, "_judged", counted)
    read_answer("right " * 3000, ("right", "wrong"))

    assert 0 < len(judged) <= 400
