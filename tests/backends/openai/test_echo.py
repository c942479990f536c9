"""Echoed tokens: a value only where its place is proved."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.backends.openai.echo import echo_score
from evalkit.backends.openai.faults import Passing, Refused


def echoed(tokens: list[Any], values: list[Any], **more: Any) -> dict[str, Any]:
    """Choice with echoed tokens."""
    return {"logprobs": {"tokens": tokens, "token_logprobs": values, **more}}


@pytest.mark.parametrize(
    ("tokens", "values", "sent", "tail", "expected"),
    [
        (["Say", " A"], [None, -1.0], "Say A", " A", (-1.0, 1, False)),
        (["Say", " A", " A"], [None, -1.0, -0.1], "Say A", " A", (-1.0, 1, False)),
        (["<s>", "Say", " A", "\n"], [None, -2.0, -1.0, -0.3], "Say A", " A", (-1.0, 1, False)),
        (["", "Say", " A", ""], [None, -2.0, -1.0, -0.3], "Say A", " A", (-1.0, 1, False)),
        ([" Say", " A"], [None, -1.0], "Say A", " A", (-1.0, 1, False)),
        (["▁Say", "▁A", "</s>"], [None, -1.0, -3.0], "Say A", " A", (-1.0, 1, False)),
        (["Say", "ĠA"], [None, -1.0], "Say A", " A", (-1.0, 1, False)),
        (["Say:A"], [-4.0], "Say:A", "A", (-4.0, 1, True)),
        (
            ["Say", " caf", "bytes:\\xc3", "bytes:\\xa9"],
            [None, -1.0, -2.0, -3.0],
            "Say café",
            " café",
            (-6.0, 3, False),
        ),
        (
            ["Say", " caf", "<0xC3>", "<0xA9>"],
            [None, -1.0, -2.0, -3.0],
            "Say café",
            " café",
            (-6.0, 3, False),
        ),
        (
            ["Say", " caf", "\ufffd", "\ufffd", "!"],
            [None, -1.0, -2.0, -3.0, -9.0],
            "Say café",
            " café",
            (-6.0, 3, False),
        ),
        (
            ["Say", " ", "", "", "日", "。"],
            [None, -1.0, -2.0, -3.0, -4.0, -9.0],
            "Say 日",
            " 日",
            (-10.0, 4, False),
        ),
        (
            ["說", "：", "", "", "日"],
            [None, -1.0, -2.0, -3.0, -4.0],
            "說：日",
            "日",
            (-9.0, 3, False),
        ),
        (
            ["A", "B", "A", "B", "A", "B"],
            [None, -1, -2, -3, -4, -5],
            "ABAB",
            "AB",
            (-5.0, 2, False),
        ),
    ],
    ids=[
        "plain",
        "generated repeats",
        "start token",
        "empty start and end",
        "space in front",
        "sentencepiece",
        "byte level",
        "across",
        "bytes",
        "hex bytes",
        "replacement",
        "empty pieces",
        "empty at the cut",
        "repeated",
    ],
)
def test_the_tokens_that_spell_the_continuation_are_added_up(
    tokens: list[str],
    values: list[float | None],
    sent: str,
    tail: str,
    expected: tuple[float, int, bool],
) -> None:
    """Whatever stands before the prompt or behind it, and however the tokens are spelled."""
    assert echo_score(echoed(tokens, values), sent, tail) == expected


@pytest.mark.parametrize(
    ("tokens", "values", "sent", "tail"),
    [
        (["Say", " ", "", ""], [None, -1.0, -2.0, -3.0], "Say 日", " 日"),
        (["Other", " A"], [None, -1.0], "Say A", " A"),
        (["Say"], [None], "Say A", " A"),
        (
            ["é", "\ufffd", "\ufffd", "\ufffd", "\ufffd"],
            [None, -1.0, -2.0, -3.0, -4.0],
            "éé日",
            "日",
        ),
        (["Say", "", " A"], [None, -1.0, -2.0], "Say A", "A"),
    ],
    ids=["no last piece", "another prompt", "cut short", "two ways", "nothing spells it"],
)
def test_what_cannot_be_proved_has_no_value(
    tokens: list[str], values: list[float | None], sent: str, tail: str
) -> None:
    """Several places, or none, give no number."""
    if tokens[-1] == " A" and tail == "A":
        assert echo_score(echoed(tokens, values), sent, tail) == (-2.0, 1, True)
        return
    with pytest.raises(Refused, match="cannot be aligned with the prompt"):
        echo_score(echoed(tokens, values), sent, tail)


@pytest.mark.parametrize("value", [None, math.nan, -math.inf, 0.7, "x", True])
def test_what_is_no_log_probability_is_no_value(value: Any) -> None:
    """Nothing, no number, and a probability in place of its logarithm are not added up."""
    with pytest.raises(Refused, match="has no log-probability"):
        echo_score(echoed(["Say", " A"], [None, value]), "Say A", " A")


def test_offsets_settle_what_texts_cannot() -> None:
    """An unknown letter in the prompt is lost in the texts;
    offsets that agree with the returned text prove the end.
    """
    choice = echoed(
        ["Say ", "<unk>", " A", "\n"], [None, -5.0, -1.0, -2.0], text_offset=[0, 4, 5, 7]
    )

    assert echo_score({**choice, "text": "Say ✿ A\n"}, "Say ✿ A", " A") == (-1.0, 1, False)
    with pytest.raises(Refused):
        echo_score({**choice, "text": "Say ✿ B\n"}, "Say ✿ A", " A")


def test_the_chat_form_of_an_echo_is_read() -> None:
    """Some servers list tokens with their bytes under ``content``."""
    rows = [
        {"token": "Say", "logprob": None, "bytes": [83, 97, 121]},
        {"token": "?", "logprob": -1.0, "bytes": [32, 195]},
        {"token": "?", "logprob": -2.0, "bytes": [169]},
    ]

    assert echo_score({"logprobs": {"content": rows}}, "Say é", " é") == (-3.0, 2, False)


def test_an_answer_without_tokens_is_asked_for_again() -> None:
    """Lists of unequal length are no echo."""
    with pytest.raises(Passing, match="holds no log-probabilities"):
        echo_score(echoed(["Say"], [None, -1.0]), "Say", "Say")


pieces = st.lists(st.text(alphabet="ab é日\n", min_size=1, max_size=3), min_size=2, max_size=8)


@given(pieces, pieces, st.data())
def test_any_split_of_any_text_gives_the_sum_of_its_own_tokens(
    prompt: list[str], generated: list[str], data: st.DataObject
) -> None:
    """With tokens that are whole texts the place is always found,
    and generated tokens never count.
    """
    cut = data.draw(st.integers(1, len(prompt) - 1))
    values = [-float(place + 1) for place in range(len(prompt) + len(generated))]
    found = echo_score(echoed(prompt + generated, values), "".join(prompt), "".join(prompt[cut:]))

    assert found == (sum(values[cut : len(prompt)]), len(prompt) - cut, False)
