"""Splits, ids and seeds of the procedural benchmark."""

from __future__ import annotations

import pytest

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.procedural.generate import FAMILIES, SPLITS, generate, held_out, stream
from evalkit.errors import CatalogError

WITH_RULES = [name for name, family in FAMILIES.items() if family.has_rules]
SPLIT_SIZES = {"train": 300, "validation": 50, "test_instance": 250, "test_rule": 250}
RULE_SLOTS = {
    "calendar": "shift",
    "counting": "letter",
    "markov": "program",
    "regex": "pattern",
    "rewrite": "rule",
}


def questions(family: str, split: str, *, seed: int = 0) -> set[str]:
    """Return the questions of a split."""
    return {
        instance.fields["question"]
        for instance in generate(family, split, SPLIT_SIZES[split], seed=seed)
    }


def test_draws_are_the_same_on_every_machine() -> None:
    """The values of a seed are written down here,
    so that another Python cannot change a benchmark unnoticed.
    """
    draws = Draws("evalkit")

    assert (
        draws.below(1000),
        draws.between(3, 5),
        draws.word("XYZ", 5),
        draws.shuffled([1, 2, 3, 4]),
    ) == EXPECTED_DRAWS


EXPECTED_DRAWS = (775, 3, "YYZXY", [4, 1, 3, 2])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_the_same_instances_again(family: str) -> None:
    """Two calls with one seed agree in everything, and another seed gives other instances."""
    first = generate(family, "test_instance", 50, seed=3)

    assert generate(family, "test_instance", 50, seed=3) == first
    assert [instance.id for instance in generate(family, "test_instance", 50, seed=4)] != [
        instance.id for instance in first
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_instances_are_the_first_of_more(family: str) -> None:
    """Asking for 20 gives the first 20 of 40."""
    assert generate(family, "train", 20) == generate(family, "train", 40)[:20]


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_share_no_question_whatever_the_seeds(family: str) -> None:
    """No question of one split appears in another, also when the splits are made from different
    seeds.
    """
    splits = SPLITS if FAMILIES[family].has_rules else SPLITS[:-1]
    found = {split: questions(family, split, seed=seed) for seed, split in enumerate(splits)}

    for split in splits:
        others = set().union(*(found[other] for other in splits if other != split))
        assert found[split] & others == set()


@pytest.mark.parametrize("family", RULE_SLOTS)
def test_held_out_rules_are_in_no_other_split(family: str) -> None:
    """A rule of the test_rule split occurs neither in training nor in the test_instance split."""
    slot = RULE_SLOTS[family]
    rules = {
        split: {instance.fields[slot] for instance in generate(family, split, SPLIT_SIZES[split])}
        for split in SPLITS
    }

    assert (
        rules["test_rule"] & (rules["train"] | rules["validation"] | rules["test_instance"])
        == set()
    )
    assert all(held_out(family, rule) for rule in rules["test_rule"])
    assert not any(held_out(family, rule) for rule in rules["train"])


def test_held_out_boolean_forms_are_never_trained_on() -> None:
    """The form of an expression, constants blanked, is in the training or in the held-out set,
    never both.
    """
    forms = {
        split: {
            instance.fields["question"].replace("True", "_").replace("False", "_")
            for instance in generate("boolean", split, SPLIT_SIZES[split])
        }
        for split in SPLITS
    }

    assert (
        forms["test_rule"] & (forms["train"] | forms["test_instance"] | forms["validation"])
        == set()
    )


@pytest.mark.parametrize("family", WITH_RULES)
def test_about_a_quarter_of_the_rules_is_held_out(family: str) -> None:
    """Between one tenth and one half of the drawn rules are held out,
    so neither side is starved.
    """
    draws = Draws("rules")
    rules = {FAMILIES[family].draw(draws, FAMILIES[family].knobs).rule for _ in range(3000)}
    share = sum(held_out(family, rule) for rule in rules) / len(rules)

    assert 0.1 <= share <= 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_instances_are_different_and_complete(family: str) -> None:
    """Ids and questions are unique, slots are filled, and the target is the reference."""
    instances = generate(family, "test_instance", 250)

    assert len({instance.id for instance in instances}) == 250
    assert len({instance.fields["question"] for instance in instances}) == 250
    for instance in instances:
        assert set(instance.fields) == {"question", *FAMILIES[family].slots}
        assert all(instance.fields.values())
        assert len(set(instance.choices)) == len(instance.choices)
        if instance.target is not None:
            assert instance.choices[instance.target] == instance.references[0]


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.labels])
def test_fixed_labels_are_balanced(family: str) -> None:
    """Half of the instances have each label, so that always giving one label scores exactly
    chance.
    """
    targets = [instance.target for instance in generate(family, "test_instance", 250)]

    assert [targets.count(label) for label in range(2)] == [125, 125]


@pytest.mark.parametrize(
    "family",
    [name for name, family in FAMILIES.items() if family.kind == "choice" and not family.labels],
)
def test_the_place_of_the_target_gives_nothing_away(family: str) -> None:
    """No place holds the target more than 1.5 times as often as chance has it."""
    instances = generate(family, "test_instance", 250)
    n_choices = len(instances[0].choices)
    counts = [sum(instance.target == place for instance in instances) for place in range(n_choices)]

    assert max(counts) <= 1.5 * 250 / n_choices


def test_an_id_depends_on_content_only() -> None:
    """The same item found under two seeds has one id."""
    first = {
        instance.fields["question"]: instance.id
        for instance in generate("calendar", "test_instance", 250, seed=1)
    }
    second = {
        instance.fields["question"]: (instance.id, instance.choices)
        for instance in generate("calendar", "test_instance", 250, seed=2)
    }
    shared = [question for question in first if question in second]
    by_choices = {
        i.id: (i.fields["question"], i.choices)
        for seed in (1, 2)
        for i in generate("calendar", "test_instance", 250, seed=seed)
    }

    assert len(shared) > 100
    assert len(by_choices) == len(set(by_choices.values()))


def test_knobs_change_the_difficulty() -> None:
    """A knob that allows longer lists gives longer lists."""
    lists = [
        instance.fields["items"].split()
        for instance in generate("sorting", "train", 100, knobs={"min_items": 6, "max_items": 7})
    ]

    assert {len(items) for items in lists} == {6, 7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("chess", "train", 1),
            "procedural family 'chess': not known; known are boolean, calendar,",
        ),
        (
            ("sorting", "test_rule", 1),
            "split 'test_rule' is not known; known are train, validation, test_instance.",
        ),
        (
            ("regex", "dev", 1),
            "split 'dev' is not known; known are train, validation, test_instance, test_rule.",
        ),
        (
            ("calendar", "validation", 5000),
            "instances of 5000. Ask for fewer, or turn a knob (max_days, max_shifts).",
        ),
    ],
)
def test_impossible_wishes_are_refused(arguments: tuple[str, str, int], message: str) -> None:
    """The message says what is wrong and what is accepted."""
    with pytest.raises(CatalogError) as caught:
        generate(*arguments)

    assert message in str(caught.value)


@pytest.mark.parametrize("knobs", [{"speed": 1}, {"letters": 0}, {"letters": True}])
def test_unusable_knobs_are_refused(knobs: dict[str, int]) -> None:
    """Unknown knobs and values that are no positive integer are named."""
    with pytest.raises(
        CatalogError, match="cannot be used; integers from 1 are accepted for letters"
    ):
        generate("rewrite", "train", 1, knobs=knobs)


def test_stream_ends_when_nothing_new_is_found() -> None:
    """A family with few items yields them all and stops:
    7 days x 2 shifts of one day, split by content.
    """
    found = [
        len(list(stream("calendar", split, knobs={"max_days": 1, "max_shifts": 1})))
        for split in SPLITS
    ]

    assert sum(found) == 14
