"""The same words in another wrapper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.prompts import render_prompt, without
from evalkit.records import Instance, Phrasing, Task

TASK = Task(name="t", benchmark="b", reader="table", labels=("yes", "no"))
ITEM = Instance(
    id="i",
    fields={"question": "Is snow white?"},
    choices=("yes", "no"),
    target=0,
    references=("yes",),
)
PLAIN = Phrasing(id="p", text="Answer yes or no.", source="s", layout="none", label_space="text")
INLINE = replace(PLAIN, id="q", text="Say it: {{ question }}", position="inline")


def made(spec: str, phrasing: Phrasing = PLAIN) -> Phrasing:
    """Return the one copy that a specification makes."""
    copies, refused = apply([phrasing], [spec], seed=0)
    assert not refused, refused
    return copies[0]


def test_a_wrapper_keeps_the_words_and_moves_what_stands_around_them():
    """Alpaca's marks stand before instruction, input and response; nothing else is lost."""
    text = render_prompt(TASK, made("wrapper:kind=alpaca"), ITEM).text

    assert text.endswith(
        "### Instruction:\nAnswer yes or no.\n\n"
        "### Input:\nIs snow white?\n\n### Response:\nAnswer:"
    )
    assert "input" not in render_prompt(TASK, made("wrapper:kind=alpaca", INLINE), ITEM).text
    assert render_prompt(TASK, made("wrapper:kind=nlu"), ITEM).text.startswith("[NLU] Answer yes")


def test_the_system_turn_takes_the_instruction_and_nothing_else():
    """Kind system: the instruction is the system message, and the instance the user's."""
    prompt = render_prompt(TASK, made("wrapper:kind=system"), ITEM)

    assert (prompt.system, prompt.text) == ("Answer yes or no.", "Is snow white?\nAnswer:")
    _, refused = apply([INLINE], ["wrapper:kind=system"], seed=0)
    assert "no part of it is a system message" in refused[0].reason


def test_shots_stand_in_the_data_of_a_frame():
    """A worked instance comes before the instance, after the mark of the input."""
    text = render_prompt(TASK, made("wrapper:kind=vicuna"), ITEM, shots=[ITEM]).text

    assert text.count("Is snow white?") == 2
    assert text.index("USER:") < text.index("snow")


def test_a_frame_of_the_users_own_is_read_and_checked(tmp_path):
    """A file with both slots is used; one without the data,
    or with a slot it has not, is refused.
    """
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("<<{{ instruction }}|{{ data }}|{{ cue }}>>\n")
    bad.write_text("{{ instruction }} {{ name }}")
    text = render_prompt(TASK, made(f"wrapper:kind=file,file={good}"), ITEM).text

    assert text == "<<Answer yes or no.|Is snow white?|Answer:>>"
    with pytest.raises(UsageError, match="no slot name; it fills cue, data, instruction"):
        made(f"wrapper:kind=file,file={bad}")
    with pytest.raises(UsageError, match="do not go together"):
        made("wrapper:kind=file")
    with pytest.raises(UsageError, match="cannot be read"):
        made(f"wrapper:kind=file,file={tmp_path / 'none.txt'}")


def test_reserved_texts_are_taken_out_until_none_is_left():
    """Taking out a mark may put two halves of another together; that one goes too."""
    nested = "a[IN[INST]ST]b"

    assert without(nested, ["[INST]"]) == "ab"
    phrasing = replace(
        PLAIN, frame="[INST] {{ instruction }} [DATA] {{ data }}", reserved=("[INST]",)
    )
    item = replace(ITEM, fields={"question": nested})
    assert render_prompt(TASK, phrasing, item).text == "[INST] Answer yes or no. [DATA] ab"
