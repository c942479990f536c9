"""Confidence that a text states."""

from __future__ import annotations

import pytest

from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.metric import Answered
from evalkit.scoring.reading.confidence import stated_confidence


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Paris\nConfidence: 85%", 0.85),
        ("**Confidence:** 0.9", 0.9),
        ("B (certainty: 7/10)", 0.7),
        ("I'm 60 percent sure it is B", 0.6),
        ("Confidence 20%. On reflection, confidence: 40%", 0.4),
        ("probability of 0,25", 0.25),
        ("Confidence: 300%", None),
        ("I am sure it was in 1987.", None),
        ("My confidence is high.", None),
        ("I am sure of 7", None),
        ("85% of people", None),
        ("", None),
    ],
)
def test_what_a_text_says(text: str, value: float | None) -> None:
    """The last statement counts; a year or a share of people is none."""
    assert stated_confidence(text) == (None if value is None else pytest.approx(value))


def test_a_stated_confidence_stands_beside_the_score() -> None:
    """It becomes the probability of the answer, and the score is that of the first line."""
    instance = Instance(id="i", fields={"question": "q"}, references=("Paris",))
    spec = Task(
        name="t",
        benchmark="b",
        reader="table",
        source=Source(),
        split="test",
        kind="generate",
        fields=("question",),
        metric="exact_match",
        licence="",
    )
    response = Response(key="k", text="Paris\nConfidence: 85%")
    verdict = verdict_of(spec, Answered(instance=instance, response=response))
    assert (verdict.score, verdict.probability) == (1.0, 0.85)
