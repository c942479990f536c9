"""Choices and labels moved, and every answer mapped back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.order import (
    instance_labels,
    instance_order,
    movable,
    permute_choices,
    permute_labels,
)
from evalkit.phrasings.perturb.spec import Impossible
from evalkit.records import Instance, Phrasing, Task


def instance(*choices: str, target: int | None = 0, question: str = "Which?") -> Instance:
    """Return an instance with these choices."""
    return Instance(id="i1", fields={"question": question}, choices=choices, target=target)


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


@given(
    st.lists(
        st.text(alphabet="abcdef", min_size=1, max_size=3), min_size=2, max_size=8, unique=True
    ),
    st.integers(0, 7),
    st.sampled_from(["random", "reverse", "rotate"]),
    st.integers(0, 9),
)
def test_the_target_text_stays_the_target(choices, target, kind, seed):
    """However choices move, the correct one is still correct,
    and the order leads back to upstream's index.
    """
    original = instance(*choices, target=target % len(choices))
    moved, order = permute_choices(original, rng(seed), {"kind": kind})

    assert moved.choices[moved.target] == original.choices[original.target]
    assert order[moved.target] == original.target
    assert [original.choices[index] for index in order] == list(moved.choices)
    assert order != tuple(range(len(choices)))


def test_the_target_can_be_put_first_or_last():
    """The others keep their order."""
    first, _ = permute_choices(instance("a", "b", "c", target=1), rng(), {"kind": "target-first"})
    last, order = permute_choices(instance("a", "b", "c", target=1), rng(), {"kind": "target-last"})

    assert first.choices == ("b", "a", "c")
    assert (last.choices, last.target, order) == (("a", "c", "b"), 2, (0, 2, 1))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (instance("x", "x"), "has 1 different choices; 2 are needed"),
        (
            instance("x", "All of the above"),
            "choice 'All of the above' refers to the place of other choices",
        ),
        (
            instance("x", "y", "Both A and B"),
            "choice 'Both A and B' refers to the place of other choices",
        ),
        (
            instance("x", "y", "A and C only."),
            "choice 'A and C only.' refers to the place of other choices",
        ),
        (
            instance("x", "y", question="Which?\n(A) x\n(B) y"),
            "the question lists the choices itself",
        ),
    ],
)
def test_choices_that_depend_on_their_place_are_not_moved(case, reason):
    """An instance whose meaning hangs on the order is impossible, and says why."""
    assert permute_choices(case, rng(), {"kind": "reverse"}) == Impossible(reason)


def test_a_target_that_is_there_already_cannot_be_moved_there():
    """Putting the first choice first would change nothing."""
    assert permute_choices(instance("a", "b"), rng(), {"kind": "target-first"}) == Impossible(
        "its target is first already"
    )


def test_labels_move_while_choices_stay():
    """Two choices exchange their labels; contents, target and order stay."""
    moved, labels = permute_labels(instance("a", "b"), rng(), {"kind": "reverse"})

    assert (moved.options, labels) == (("B", "A"), (1, 0))
    assert (moved.choices, moved.target) == (("a", "b"), 0)


def test_the_order_of_a_cell_is_the_same_in_every_run():
    """Order depends on the ids of phrasing and instance,
    and differs between copies of a phrasing.
    """
    phrasing = Phrasing(id="p", text="Pick.", source="evalkit")
    copies, refused = apply([phrasing], ["order:n=6"], seed=0)
    case = instance("a", "b", "c", "d", "e")
    orders = [instance_order(copy, case) for copy in copies]

    assert refused == []
    assert len({copy.id for copy in copies}) == 6
    assert orders == [instance_order(copy, case) for copy in copies]
    assert len(set(orders)) > 1


def test_a_phrasing_without_such_a_rule_leaves_the_order():
    """No rule, no order; and a chain of rules is searched for it."""
    plain = Phrasing(id="p", text="Pick one of these.", source="evalkit")
    chained = Phrasing(
        id="q",
        text="Pick.",
        source="evalkit",
        perturbation="drop:rate=0.1+order:kind=reverse+labels:kind=reverse",
    )
    case = instance("a", "b", "c")

    assert (instance_order(plain, case), instance_labels(plain, case)) == ((), ())
    assert (instance_order(chained, case), instance_labels(chained, case)) == ((2, 1, 0), (2, 1, 0))


@pytest.mark.parametrize(
    ("form", "moved"),
    [
        ({"layout": "lettered", "label_space": "letters"}, {"order", "labels"}),
        ({"layout": "bulleted", "label_space": "text"}, {"order"}),
        ({"layout": "none", "label_space": "text"}, set()),
        ({"position": "inline", "text": "{{ question }} Yes or no?"}, set()),
        ({"position": "inline", "text": "{{ question }}\n{{ choices }}"}, {"order", "labels"}),
    ],
)
def test_only_what_a_prompt_lists_is_moved(form, moved):
    """A list without letters has no labels to move, and no list has nothing;
    such a copy would be its original again.
    """
    task = Task(name="t", benchmark="b", reader="r", kind="choice")
    origin = Phrasing(**{"id": "p", "text": "Which is it?", "source": "own", **form})
    copies, _ = apply([origin], ["order", "labels"], seed=0)

    kept, refused = movable(task, [origin, *copies])

    assert {one.perturbation for one in kept} == {"", *moved}
    assert {one.perturbation for one in refused} == {"order", "labels"} - moved
    assert all("that could be moved" in str(one) for one in refused)


def test_texts_have_no_choices_to_move():
    """A task that wants a text keeps its phrasings and gets no moved copy."""
    task = Task(name="t", benchmark="b", reader="r", kind="generate")
    origin = Phrasing(id="p", text="Write it.", source="own")
    kept, refused = movable(task, [origin, *apply([origin], ["order"], seed=0)[0]])

    assert (kept, len(refused)) == ([origin], 1)
