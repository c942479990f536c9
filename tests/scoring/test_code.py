"""Programs are read out of answers, and scored by what came of them; nothing is run here."""

from __future__ import annotations

import pytest

from evalkit.records import Instance, Response
from evalkit.scoring import Answered
from evalkit.scoring.code import MAX_TEXT, learn, program_of, programs_in, unit_tests

PROMPT = 'import math\n\n\ndef area(r):\n    """Area of a circle."""\n'
INSTANCE = Instance(
    id="1",
    fields={"prompt": PROMPT, "entry_point": "area", "tests": "assert area(0) == 0", "helpers": ""},
    references=("x",),
)
BODY = "    return math.pi * r * r\n"


def answered(text: str) -> Answered:
    """An answer to the problem above."""
    return Answered(instance=INSTANCE, response=Response(key="k", text=text, finish_reason="stop"))


ANSWERS = {
    "goes on": BODY,
    "goes on without its first blanks": BODY.lstrip(),
    "goes on, and then more": BODY + "\n\ndef other():\n    return 1\n\nprint(area(3))",
    "whole": PROMPT + BODY,
    "whole without the import": "def area(r):\n" + BODY,
    "fenced": f"Here it is:\n```python\ndef area(r):\n{BODY}```\nIt multiplies.",
    "fenced, never closed": f"```\ndef area(r):\n{BODY}",
    "second of two blocks": f"First\n```\npip install x\n```\nthen\n```py\ndef area(r):\n{BODY}```",
    "fence holds the rest": f"```python\n{BODY}```",
    "words before and after": f"Sure, here you are.\n\ndef area(r):\n{BODY}\nThat is all there is to it.",  # noqa: E501
    "thoughts before": f"<think>r squared?</think>def area(r):\n{BODY}",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_program_is_found_however_it_is_written(name: str) -> None:
    """One of the readings compiles and gives the right area."""
    found = program_of(answered(ANSWERS[name]))
    assert found is not None
    for text in found[1].programs:
        try:
            compile(text, "program", "exec")
        except SyntaxError:
            continue
        world: dict = {}
        exec(text, world)
        assert world["area"](1) == pytest.approx(3.14159, abs=1e-4)
        return
    pytest.fail(f"no reading compiles: {found[1].programs}")


@pytest.mark.parametrize(
    "text", ["", "  \n ", "I cannot help with that.", "x" * (3 * MAX_TEXT), "`" * 99]
)
def test_an_answer_of_any_kind_is_read_in_bounds(text: str) -> None:
    """Nothing, a refusal, three megabytes and a row of marks give few readings of bounded
    length.
    """
    found = programs_in(text, INSTANCE)

    assert len(found) <= 4
    assert all(len(one) <= MAX_TEXT + 200 for one in found)


def test_a_text_without_a_program_is_unparsed() -> None:
    """An empty answer is the model's failure, counted."""
    verdict = unit_tests(answered(""))

    assert (verdict.score, verdict.status, verdict.prediction) == (0.0, "unparsed", None)


def test_a_program_that_was_not_run_is_missing_and_never_wrong() -> None:
    """Without the pass that runs programs there is no score."""
    assert unit_tests(answered("def area(r): return 'never run'")).status == "missing"


@pytest.mark.parametrize(("kind", "score"), [("passed", 1.0), ("assertion", 0.0), ("timeout", 0.0)])
def test_the_prediction_is_what_came_of_the_program(kind: str, score: float) -> None:
    """The class of the outcome stands in the score table."""
    one = answered(f"def area(r): return '{kind}'")
    learn({program_of(one)[0]: (kind, "")})
    verdict = unit_tests(one)

    assert (verdict.score, verdict.prediction, verdict.status) == (score, kind, "ok")


def test_an_outcome_nobody_knows_is_not_taken_in() -> None:
    """A store that says something else of a program says nothing."""
    one = answered("def area(r): return 'strange'")
    learn({program_of(one)[0]: ("splendid", "")})

    assert unit_tests(one).status == "missing"
