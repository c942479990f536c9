"""BBH's JSON: options in every upstream style."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import load_instances, read_instances
from evalkit.catalog.readers.bbh import parse_options
from evalkit.errors import CatalogError

CANARY = "BENCHMARK DATA canary GUID"


def bbh(*examples: tuple[str, str]) -> dict[str, object]:
    """Return the content of a BBH file."""
    return {
        "canary": CANARY,
        "examples": [{"input": text, "target": target} for text, target in examples],
    }


@pytest.mark.parametrize(
    ("text", "question", "labels", "choices"),
    [
        ("Q?\nOptions:\n(A) x\n(B) y", "Q?", ("A", "B"), ("x", "y")),
        ("Q?\nOptions:\n- Yes\n- No", "Q?", (), ("Yes", "No")),
        ("Q?\nOptions:\n- valid \n- invalid", "Q?", (), ("valid", "invalid")),
        ("No options here", "No options here", (), ()),
        ("Q?\nOptions:\n(A) f (B) is\n(B) y", "Q?", ("A", "B"), ("f (B) is", "y")),
        ("Q?\nOptions:\n(A) x (B) y", "Q?", ("A", "B"), ("x", "y")),
        ("Q?\nOptions: \n(A) x (A)\n(B) y", "Q?", ("A", "B"), ("x (A)", "y")),
        ("Options:\nfree text", "Options:\nfree text", (), ()),
    ],
)
def test_options_are_taken_apart(
    text: str, question: str, labels: tuple[str, ...], choices: tuple[str, ...]
) -> None:
    """The question loses its list; brackets inside a choice stay content."""
    assert parse_options(text) == (question, labels, choices)


def test_eighteen_options_are_eighteen_choices(task_over, tmp_path: Path) -> None:
    """reasoning_about_colored_objects goes up to (R)."""
    letters = "ABCDEFGHIJKLMNOPQR"
    text = "Q?\nOptions:\n" + "\n".join(
        f"({letter}) {number}" for number, letter in enumerate(letters)
    )

    (item,) = load_instances(task_over("bbh", "x.json", bbh((text, "(R)"))), tmp_path)

    assert (len(item.choices), item.target, item.references) == (18, 17, ("17",))
    assert item.fields == {"question": "Q?", "input": text}


def test_a_target_may_be_the_text_of_a_choice(task_over, tmp_path: Path) -> None:
    """Blanks and case aside."""
    task = task_over("bbh", "x.json", bbh(("Q?\nOptions:\n(A) Rita, Sue\n(B) y", " rita,  sue ")))

    assert [item.target for item in load_instances(task, tmp_path)] == [0]


GOOD = ("Q?\nOptions:\n(A) x\n(B) y", "(A)")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            ("Q?\nOptions:\n(A) x\n(B) y", "Monsters, Inc"),
            "has target 'Monsters, Inc'; accepted: A, B.",
        ),
        (("Q?\nOptions:\n(A) the only one", "(A)"), "lists 1 option; two or more are expected"),
        (("Q?\nOptions:\n- the only one", "the only one"), "lists 1 option; two or more"),
        (("\nOptions:\n(A) x\n(B) y", "(B)"), "has an empty question"),
    ],
)
def test_a_published_example_that_cannot_be_asked_is_left_out_by_name(
    bad: tuple[str, str], reason: str, task_over, tmp_path: Path
) -> None:
    """Snarks has one with a single option, movie_recommendation a target that is no option."""
    task = task_over("bbh", "x.json", bbh(GOOD, bad, GOOD), n_instances=3)

    found, notes = read_instances(task, tmp_path)

    assert [item.id.split("-")[1] for item in found] == ["00000", "00002"]
    assert len(notes) == 1
    assert notes[0].startswith(
        f"b/t: 1 of 3 instances left out as published: {tmp_path}/x.json:1: example 2 "
    )
    assert reason in notes[0]


def test_a_file_of_which_most_cannot_be_asked_is_refused(task_over, tmp_path: Path) -> None:
    """It is not what the task says it is; every example is named."""
    bad = ("Q?\nOptions:\n(A) x\n(B) y", "z")
    task = task_over("bbh", "x.json", bbh(GOOD, bad, bad))

    with pytest.raises(CatalogError) as caught:
        read_instances(task, tmp_path)
    assert [problem.partition("x.json:1: ")[2] for problem in caught.value.problems] == [
        f"example {number} has target 'z'; accepted: A, B." for number in (2, 3)
    ]


def test_labels_of_the_task_are_the_choices(task_over, tmp_path: Path) -> None:
    """A task with fixed words uses them in its own order, listed upstream or not."""
    content = bbh(("not True is", "False"), ("Q?\nOptions:\n- True\n- False", "True"))
    task = task_over("bbh", "x.json", content, labels=("True", "False"))

    assert [
        (item.choices, item.target, item.fields["question"])
        for item in load_instances(task, tmp_path)
    ] == [
        (("True", "False"), 1, "not True is"),
        (("True", "False"), 0, "Q?"),
    ]


def test_free_text_tasks_keep_their_input_whole(task_over, tmp_path: Path) -> None:
    """Word sorting has references and no choices."""
    task = task_over(
        "bbh", "x.json", bbh(("List: b a", "a b")), kind="generate", metric="exact_match"
    )

    (item,) = load_instances(task, tmp_path)

    assert (item.fields["question"], item.choices, item.target, item.references) == (
        "List: b a",
        (),
        None,
        ("a b",),
    )


def test_repeated_inputs_get_ids_of_their_own(task_over, tmp_path: Path) -> None:
    """causal_judgement and sports_understanding repeat inputs."""
    task = task_over("bbh", "x.json", bbh(("x", "a"), ("x", "a")), labels=("a", "b"))

    assert len({item.id for item in load_instances(task, tmp_path)}) == 2


def test_the_canary_reaches_no_instance(task_over, tmp_path: Path) -> None:
    """It marks files, it is not asked."""
    task = task_over("bbh", "x.json", bbh(("x", "a")), labels=("a", "b"))

    assert CANARY not in str(load_instances(task, tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"canary": "x", "examples": [{"input": "a"',
            r"x\.json:1: is not JSON: .*The file may be cut short; get it again",
        ),
        ("", r"x\.json:1: file is empty; JSON is expected"),
        ('{"a": 1}\n{"a": 2}\n', r"x\.json:2: is JSON Lines"),
        ([{"input": "x"}], r"x\.json:1: holds no 'examples' list"),
        ({"examples": ["x"]}, r"x\.json:1: example 1 is no object"),
        (
            {"examples": [{"input": "x", "target": 3}]},
            r"x\.json:1: input and target are expected, both texts",
        ),
        ({"examples": [{"input": "x", "target": "(A)"}]}, r"x\.json:1: example 1 lists 0 options"),
        ({"examples": []}, "b/t: no instances were read"),
    ],
)
def test_what_is_not_bbh_is_refused(
    content: object, message: str, task_over, tmp_path: Path
) -> None:
    """File, line and what is expected."""
    with pytest.raises(CatalogError, match=message):
        load_instances(task_over("bbh", "x.json", content), tmp_path)
