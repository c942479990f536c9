"""Prompts: wording, layout, label space, position and wrapper act apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import (
    ROLE_LINE,
    answer_labels,
    enumerator,
    list_choices,
    render_prompt,
)
from evalkit.records import Instance, Phrasing, Task

TASK = Task(name="colours", benchmark="toy", reader="table", subject="paint")
INSTANCE = Instance(
    id="1",
    fields={"question": "Which is warm?"},
    choices=("red", "blue"),
    target=0,
    references=("red",),
)
PHRASING = Phrasing(id="p", text="Pick the {{ subject }} answer.", source="evalkit")


def text(**changes: object) -> str:
    """Return the prompt text of the toy cell under a changed phrasing."""
    return render_prompt(TASK, replace(PHRASING, **changes), INSTANCE).text


def test_instruction_comes_before_instance_choices_and_cue() -> None:
    """The plain case, character by character."""
    assert text() == "Pick the paint answer.\n\nWhich is warm?\nA. red\nB. blue\nAnswer:"


def test_position_after_moves_the_instruction_and_nothing_else() -> None:
    """The instance comes first, the cue stays last."""
    assert (
        text(position="after")
        == "Which is warm?\nA. red\nB. blue\n\nPick the paint answer.\nAnswer:"
    )


def test_inline_text_holds_the_slots_itself() -> None:
    """Nothing is added to an inline text but the cue."""
    assert (
        text(position="inline", text="Q: {{ question }}\n{{ choices }}\nYour letter?")
        == "Q: Which is warm?\nA. red\nB. blue\nYour letter?\nAnswer:"
    )


@pytest.mark.parametrize(
    ("layout", "label_space", "listed", "labels"),
    [
        ("lettered", "letters", "A. red\nB. blue", ("A", "B")),
        ("lettered", "numbers", "1. red\n2. blue", ("1", "2")),
        ("parenthesized", "letters", "(A) red\n(B) blue", ("(A)", "(B)")),
        ("bulleted", "text", "- red\n- blue", ("red", "blue")),
        ("inline", "text", "red or blue", ("red", "blue")),
        ("inline", "letters", "A: red or B: blue", ("A", "B")),
        ("none", "text", "", ("red", "blue")),
    ],
)
def test_every_layout_lists_choices_and_names_labels(
    layout: str, label_space: str, listed: str, labels: tuple[str, ...]
) -> None:
    """Layout and label space together say how choices look and what is asked for."""
    phrasing = replace(PHRASING, layout=layout, label_space=label_space)

    assert (
        list_choices(phrasing, INSTANCE.choices),
        answer_labels(phrasing, INSTANCE.choices),
    ) == (listed, labels)


def test_continuations_are_the_labels_after_a_space() -> None:
    """What is scored is what the phrasing asks for."""
    assert render_prompt(
        TASK, replace(PHRASING, layout="parenthesized"), INSTANCE
    ).continuations == (" (A)", " (B)")


def test_asking_for_letters_that_are_not_shown_is_refused() -> None:
    """A model cannot answer with a label it never saw."""
    with pytest.raises(CatalogError, match="shows no labels"):
        text(layout="none")


def test_order_moves_choices_and_keeps_what_they_were() -> None:
    """A permuted prompt lists the choices in the new order and remembers it."""
    prompt = render_prompt(TASK, PHRASING, INSTANCE, order=(1, 0))

    assert ("A. blue\nB. red" in prompt.text, prompt.choice_order) == (True, (1, 0))


def test_an_order_that_is_no_permutation_is_refused() -> None:
    """An order names every choice once."""
    with pytest.raises(CatalogError, match="not a permutation"):
        render_prompt(TASK, PHRASING, INSTANCE, order=(0, 0))


def test_chat_wrapper_puts_the_instruction_into_the_system_message() -> None:
    """Instruction and instance travel apart for chat templates."""
    prompt = render_prompt(TASK, replace(PHRASING, wrapper="chat"), INSTANCE)

    assert (prompt.system, prompt.text.startswith("Which is warm?")) == (
        "Pick the paint answer.",
        True,
    )


def test_role_wrapper_adds_one_line() -> None:
    """The role line stands before everything else."""
    assert text(wrapper="role").startswith(f"{ROLE_LINE}\nPick the paint answer.")


def test_body_span_is_the_question_of_the_scored_instance() -> None:
    """What may be cut is the instance text, also when a shot asks the same question."""
    shot = replace(INSTANCE, id="0", target=1, references=("blue",))
    prompt = render_prompt(TASK, PHRASING, INSTANCE, shots=[shot])
    start, end = prompt.body

    assert (
        prompt.text[start:end],
        prompt.text.count("Which is warm?"),
        start == prompt.text.rfind("Which is warm?"),
    ) == (
        "Which is warm?",
        2,
        True,
    )


def test_shots_show_their_answer_as_the_phrasing_asks_for_it() -> None:
    """A shot under a parenthesized layout answers (B)."""
    shot = replace(INSTANCE, id="0", target=1, references=("blue",))

    assert (
        "Answer: (B)\n\n"
        in render_prompt(
            TASK, replace(PHRASING, layout="parenthesized"), INSTANCE, shots=[shot]
        ).text
    )


def test_enumerator_goes_on_after_z() -> None:
    """Eighteen choices are no limit."""
    assert [enumerator(index, "letters") for index in (17, 25, 26, 27)] == ["R", "Z", "AA", "AB"]


def test_braces_in_an_instance_are_text() -> None:
    """Nothing in an instance is rendered as a template."""
    evil = replace(INSTANCE, fields={"question": "{{ 7*7 }} {% for x in y %}"})

    assert (
        "{{ 7*7 }} {% for x in y %}"
        in render_prompt(
            TASK, replace(PHRASING, position="inline", text="{{ question }} {{ choices }}"), evil
        ).text
    )


def test_a_loop_over_choices_sees_each_of_them() -> None:
    """Imported templates list choices in their own way."""
    looped = "{{ question }}{% for choice in choices %} [{{ choice }}]{% endfor %}"

    assert text(position="inline", layout="none", label_space="text", text=looped).startswith(
        "Which is warm? [red] [blue]"
    )
