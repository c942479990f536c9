"""Numbers in texts, and the metric that compares them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.records import Instance, Response
from evalkit.scoring import Answered
from evalkit.scoring.overlap import rouge_l, rouge_tokens, token_f1
from evalkit.scoring.reading import read_number
from evalkit.scoring.text import math_match

LONG = "9" * 5000


def said(text: str, *references: str) -> Answered:
    """Return an answer by text."""
    return Answered(
        instance=Instance(id="1", fields={}, references=references),
        response=Response(key="k", text=text, finish_reason="stop"),
    )


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("7c", "7b", 0.0),
        ("7b", "7b", 1.0),
        ("the answer is 7b", "7b", 1.0),
        ("5", "5:30 PM", 0.0),
        ("5:30PM", "5:30 PM", 1.0),
        ("3", "3, 4", 0.0),
        ("3,4", "3, 4", 1.0),
        ("3, 4", "4", 0.0),
        ("123", "1, 2, 3", 0.0),
        ("-4", "-4*s**2 + 3*s", 0.0),
        ("-4*s**2+3*s", "-4*s**2 + 3*s", 1.0),
        ("2*x", "2", 0.0),
        (".5", "0.5", 1.0),
        ("1e3", "1000", 1.0),
        ("1.5 \\times 10^3", "1500", 1.0),
        ("2 + 3 = 5", "5", 1.0),
        ("3 + 4", "4", 0.0),
        ("\\dfrac{3}{4}", "0.75", 1.0),
        ("1½", "3/2", 1.0),
        ("20 and 22 make 42", "42", 1.0),
        ("42\n\nbecause 20 + 22 = 42", "42", 1.0),
        ("The answer is 5, because 4 is less.", "5", 1.0),
        ("#### 18", "18", 1.0),
        ("2 000 000 people", "2000000", 1.0),
        ("1'250 francs", "1250", 1.0),
        ("1.250,50 EUR", "1250.5", 1.0),
        ("1.5 million", "1500000", 1.0),
        ("12万元", "120000", 1.0),
        ("合計は3時間です", "3", 1.0),
        ("\\boxed{-\\dfrac{5}{6}}", "-5/6", 1.0),
        ("$x-\\frac{1}{2}$", "-1/2", 0.0),
        ("30-40 minutes", "30", 0.0),
        ("x = 5 or x = -5", "-5", 0.0),
        ("\\sqrt{2}", "2", 0.0),
        ("60 minutes = 1 hour, so 1.5 hours", "1.5", 1.0),
        ("He needs twenty-four bricks.", "24", 1.0),
        ("One of them is two, another three.", "2", 0.0),
        ("12cm", "12", 1.0),
        ("8", "7 cm", 0.0),
        ("2024-05-06", "6", 0.0),
        ("v1.2.3", "1.2", 0.0),
        ("<think>20 and 22</think>42", "42", 1.0),
        (LONG, LONG, 1.0),
        (LONG + "8", LONG, 0.0),
        ("1e999999999", "5", 0.0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_numbers_are_read_whole(text: str, reference: str, score: float) -> None:
    """A part of something longer is no number, and a number is one however it is written."""
    assert math_match(said(text, reference)).score == score


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=50))
def test_a_fraction_is_read_as_itself(value: Fraction) -> None:
    """Alone, boxed and behind words."""
    found = [
        read_number(text) for text in (f"{value}", f"\\boxed{{{value}}}", f"The answer is {value}.")
    ]

    assert [number.value for number in found if number is not None] == [value] * 3


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that.",
        "I'm afraid of the dark",
        "北京是中国的首都",
        "Привет, мир",
        "नमस्ते दुनिया",
        "안녕하세요 세계",
    ],
)
def test_a_perfect_answer_overlaps_perfectly(text: str) -> None:
    """In any script, and also where a reference opens like a refusal."""
    assert (rouge_l(said(text, text)).score, token_f1(said(text, text)).score) == (1.0, 1.0)


def test_a_refusal_keeps_the_score_of_its_words() -> None:
    """A metric of overlap knows no refusals: what the answer is, its state says."""
    found = rouge_l(said("I cannot say which city it is.", "Which city it is I cannot say."))

    assert found.status == "ok"
    assert found.score == pytest.approx(4 / 7)


def test_rouge_tokens_of_latin_text_are_those_of_the_package() -> None:
    """Accented letters split words as in rouge-score; other scripts are no longer lost."""
    assert rouge_tokens("naïve café") == ["na", "ve", "caf"]
    assert rouge_tokens("北京 and мир") == ["北", "京", "and", "мир"]
