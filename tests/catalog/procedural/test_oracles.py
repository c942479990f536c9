"""Every family's answers, computed again by other means than the generator's."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

import pytest

from evalkit.catalog.procedural.generate import FAMILIES, generate
from evalkit.catalog.procedural.matching import matches
from evalkit.catalog.procedural.rewriting import run_program
from evalkit.records import Instance


def items(family: str) -> Iterator[Instance]:
    """Yield instances of every split of a family."""
    for split, n in (("train", 400), ("test_instance", 250), ("test_rule", 250)):
        if split != "test_rule" or FAMILIES[family].has_rules:
            yield from generate(family, split, n, seed=11)


def test_rewrite_equals_str_replace_with_count_one() -> None:
    """The answer is str.replace(left, right, 1), which leaves a string without a match alone;
    both cases occur.
    """
    unchanged = 0
    for instance in items("rewrite"):
        fields = instance.fields
        assert instance.references == (
            fields["string"].replace(fields["left"], fields["right"], 1),
        )
        unchanged += fields["left"] not in fields["string"]

    assert 30 <= unchanged <= 450


def normal_form(program: str, string: str) -> str:
    """Return the final string of a Markov program by regular expressions, one recursion per
    rewrite.
    """
    for rule in program.split("; "):
        left, right = rule.split(" -> ")
        rewritten, n = re.subn(re.escape(left), right, string, count=1)
        if n:
            return normal_form(program, rewritten)
    return string


def test_markov_programs_end_where_a_recursive_interpreter_ends() -> None:
    """An interpreter written with re.subn and recursion agrees;
    some programs take several steps.
    """
    for instance in items("markov"):
        assert instance.references == (
            normal_form(instance.fields["program"], instance.fields["string"]),
        )


def test_markov_worked_example() -> None:
    """On QPP, QP -> PQ gives PQP, then PPQ; now only Q -> R fits and gives PPR: three rewrites."""
    assert run_program("QPP", [("QP", "PQ"), ("Q", "R")], 5) == ("PPR", 3)


def test_markov_programs_that_do_not_end_are_given_up() -> None:
    """P -> PP never ends, so there is no final string."""
    assert run_program("P", [("P", "PP")], 50) is None


def test_regex_agrees_with_re_fullmatch() -> None:
    """Python's own engine decides the same for every expression and string."""
    for instance in items("regex"):
        found = re.fullmatch(instance.fields["pattern"], instance.fields["string"]) is not None
        assert instance.references == ("yes" if found else "no",)


@pytest.mark.parametrize(
    ("string", "expected"), [("", True), ("XY", True), ("XYXY", True), ("X", False), ("XYX", False)]
)
def test_matches_worked_example(string: str, expected: bool) -> None:
    """(XY)* holds the empty string, XY, XYXY and so on, and nothing that stops after X."""
    assert matches([(("XY",), "*", "(XY)*")], string) == expected


def boolean_value(text: str) -> bool:
    """Return the value of an expression by rewriting it until one constant is left."""

    def inner(match: re.Match[str]) -> str:
        left, operator, right = (match[k] for k in (1, 2, 3))
        return {
            "and": "False" if "False" in (left, right) else "True",
            "or": "True" if "True" in (left, right) else "False",
        }[operator]

    while text not in {"True", "False"}:
        before = text
        text = re.sub("not (True|False)", lambda match: str(match[1] == "False"), text)
        text = re.sub(r"\( (True|False) (and|or) (True|False) \)", inner, text, count=1)
        assert text != before, text
    return text == "True"


def test_boolean_agrees_with_a_rewriting_evaluator() -> None:
    """Replacing innermost parts by their values leaves the same constant."""
    for instance in items("boolean"):
        assert instance.references == (str(boolean_value(instance.fields["expression"])),)


def test_counting_agrees_with_str_count() -> None:
    """The answer is str.count, and the choices are the numbers from zero to four."""
    for instance in items("counting"):
        assert instance.references == (
            str(instance.fields["string"].count(instance.fields["letter"])),
        )
        assert instance.choices == ("0", "1", "2", "3", "4")


def test_sorting_takes_the_minimum_again_and_again() -> None:
    """Selection sort gives the same line."""
    for instance in items("sorting"):
        left = [int(item) for item in instance.fields["items"].split()]
        line = []
        while left:
            line.append(left.pop(left.index(min(left))))
        assert instance.references == (" ".join(map(str, line)),)


def test_comparison_target_is_exceeded_by_no_choice() -> None:
    """The target is larger than every other choice, and the question lists exactly the choices."""
    for instance in items("comparison"):
        assert instance.target is not None
        assert all(
            int(choice) <= int(instance.choices[instance.target]) for choice in instance.choices
        )
        assert tuple(instance.fields["items"].split(", ")) == instance.choices


def test_navigation_walks_back_on_the_complex_plane() -> None:
    """Adding the moves as complex numbers gives zero exactly when the answer is yes."""
    unit = {"north": 1j, "south": -1j, "east": 1, "west": -1}
    for instance in items("navigation"):
        moves = [move.split() for move in instance.fields["moves"].split(", ")]
        end = sum(unit[name] * int(steps) for name, steps in moves)
        assert instance.references == ("yes" if end == 0 else "no",)


def test_tracking_follows_the_sentences() -> None:
    """Reading the story sentence by sentence into a dictionary gives the object of the person
    asked about.
    """
    for instance in items("tracking"):
        holds: dict[str, str] = {}
        for sentence in instance.fields["story"].rstrip(".").split(". "):
            words = sentence.split()
            if "has" in words:
                holds[words[0]] = words[-1]
            else:
                one, other = words[0], words[2]
                holds[one], holds[other] = holds[other], holds[one]
        assert instance.references == (holds[instance.fields["person"]],)
        assert sorted(holds.values()) == sorted(instance.choices)


def test_calendar_agrees_with_datetime() -> None:
    """Shifting a real date of the start weekday by timedelta lands on the same weekday."""
    monday = datetime.date(2024, 1, 1)
    days = {
        (monday + datetime.timedelta(k)).strftime("%A"): monday + datetime.timedelta(k)
        for k in range(7)
    }
    for instance in items("calendar"):
        date = days[instance.fields["start"]]
        for part in instance.fields["shift"].split(", then "):
            number, _, direction = part.split()
            date += datetime.timedelta(int(number) * (1 if direction == "later" else -1))
        assert instance.references == (date.strftime("%A"),)
