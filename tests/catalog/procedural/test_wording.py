"""The phrasings of the procedural benchmark: enough, varied, halved, and fit for their tasks."""

from __future__ import annotations

import itertools
import re
from functools import cache

import pytest

from evalkit.catalog.instances import load_instances
from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.procedural.generate import FAMILIES
from evalkit.catalog.tasks import list_tasks, load_task
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Phrasing, Task

PARAPHRASES = "evalkit-paraphrase"
HALVES = ("evalkit-heldout", "evalkit-tuning")
ROUGE_LIMIT = 0.7


@cache
def phrasings(family: str) -> tuple[Phrasing, ...]:
    """Return the correct phrasings of a family."""
    return tuple(
        item for item in load_phrasings(load_task(f"procedural/{family}")) if item.kind == "correct"
    )


def words(text: str) -> list[str]:
    """Return the words ROUGE compares: runs of letters and digits, lower case."""
    return re.findall(r"[a-z0-9]+", text.lower())


def opening(text: str) -> tuple[str, ...]:
    """Return the first three words or slots, behind the instance if the text begins with it."""
    return tuple(
        re.findall(r"[\w{}']+", re.sub(r"^(?:\s*\{\{\s*\w+\s*\}\})+", "", text).lower())[:3]
    )


def rouge_l(one: list[str], other: list[str]) -> float:
    """Return the F measure of the longest common subsequence."""
    lengths = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for k, same in enumerate(other, start=1):
            diagonal, lengths[k] = (
                lengths[k],
                diagonal + 1 if word == same else max(lengths[k], lengths[k - 1]),
            )
    return 2 * lengths[-1] / (len(one) + len(other))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_two_halves_of_sixteen_and_eight_plain_templates(family: str) -> None:
    """Sixteen may be tuned on; sixteen, and eight plain templates written later, may not."""
    sources = [item.source for item in phrasings(family)[:32]]
    later = phrasings(family)[32:]

    assert {half: sources.count(half) for half in HALVES} == dict.fromkeys(HALVES, 16)
    assert len(sources) == 32
    assert {(item.source, item.stratum) for item in later} == {("evalkit-heldout", "plain")}
    assert len(later) == 8


@pytest.mark.parametrize("family", FAMILIES)
def test_phrasings_of_a_family_are_not_rewordings_of_each_other(family: str) -> None:
    """ROUGE-L of every pair stays below 0.7, and no two begin with the same three words."""
    texts = [words(item.text) for item in phrasings(family)]
    worst = max(rouge_l(one, other) for one, other in itertools.combinations(texts, 2))
    openings = [opening(item.text) for item in phrasings(family)]

    assert worst < ROUGE_LIMIT
    assert len(set(openings)) == len(openings)


@cache
def paraphrases(family: str) -> tuple[Phrasing, ...]:
    """Return the paraphrases of a family that mitigations are trained on."""
    task = load_task(f"procedural/{family}")
    return tuple(
        item for item in load_phrasings(task, sources=[PARAPHRASES]) if item.source == PARAPHRASES
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_eight_paraphrases_of_tuning_phrasings(family: str) -> None:
    """Each is of another tuning phrasing and asks for the same form of answer in the same place;
    only the words differ.
    """
    known = {item.id: item for item in phrasings(family)}
    found = paraphrases(family)
    shared = ("position", "layout", "label_space", "cue", "kind", "tasks", "wrapper", "language")

    assert len({item.of for item in found}) == len(found) == 8
    assert {known[item.of].source for item in found} == {"evalkit-tuning"}
    assert all(
        getattr(item, name) == getattr(known[item.of], name) for item in found for name in shared
    )
    assert {item.meaning.status for item in found} == {"checked"}


@pytest.mark.parametrize("family", FAMILIES)
def test_paraphrases_are_no_rewordings_of_any_other_phrasing(family: str) -> None:
    """ROUGE-L to every phrasing and control stays below 0.7, and no opening is shared:
    what is held out stays held out.
    """
    everything = load_phrasings(load_task(f"procedural/{family}"), sources=[PARAPHRASES])
    texts = {item.id: words(item.text) for item in everything}
    openings = [opening(item.text) for item in (*phrasings(family), *paraphrases(family))]

    assert all(
        rouge_l(texts[one.id], texts[name]) < ROUGE_LIMIT
        for one in paraphrases(family)
        for name in texts
        if name != one.id
    )
    assert len(set(openings)) == len(openings)


def test_paraphrases_are_used_only_where_their_source_is_named() -> None:
    """No task meets them by itself, so that suites stay what they are;
    held-out rules share those of their family.
    """
    for task in list_tasks(["procedural/*"]):
        assert PARAPHRASES not in {item.source for item in load_phrasings(task)}
        assert (
            len(load_phrasings(task, sources=[PARAPHRASES, "other"]))
            == len(load_phrasings(task)) + 8
        )


def test_no_text_and_no_id_occurs_twice() -> None:
    """Ids and texts are unique over all families, controls included."""
    found = [
        item
        for family in FAMILIES
        for item in load_phrasings(load_task(f"procedural/{family}"), sources=[PARAPHRASES])
    ]

    assert len({item.id for item in found}) == len(found)
    assert len({item.text for item in found}) == len(found)


def test_ids_do_not_tell_the_half() -> None:
    """No id holds a word for its half, and neither half is the first or last of its file."""
    for family in FAMILIES:
        sources = [item.source for item in phrasings(family)]
        assert not any(re.search("seen|tun|held|train", item.id) for item in phrasings(family))
        assert len(set(sources[:16])) == len(set(sources[16:32])) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_every_common_layout_is_in_both_halves(family: str) -> None:
    """A layout with several phrasings is in both halves,
    so that the halves differ in wording and not in layout.
    """
    found = phrasings(family)
    for layout in {item.layout for item in found}:
        halves = [item.source for item in found if item.layout == layout]
        assert len(halves) < 2 or set(halves) == set(HALVES)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_controls_that_no_model_was_tuned_on(family: str) -> None:
    """One opposite, one negated and one wrong instruction, all of the held-out source."""
    controls = [
        item for item in load_phrasings(load_task(f"procedural/{family}")) if item.kind != "correct"
    ]

    assert sorted(item.kind for item in controls) == ["negated", "opposite", "wrong"]
    assert {item.source for item in controls} == {"evalkit-heldout"}


def test_every_phrasing_was_read_again() -> None:
    """All carry the result of the second reading; the doubtful ones say why."""
    found = [
        item for family in FAMILIES for item in load_phrasings(load_task(f"procedural/{family}"))
    ]

    assert {item.meaning.status for item in found} == {"checked", "doubtful"}
    assert all(item.meaning.note for item in found if item.meaning.status == "doubtful")


@pytest.mark.parametrize("task", list_tasks(["procedural/*"]), ids=lambda task: str(task.id))
def test_every_phrasing_asks_every_task(task: Task) -> None:
    """Each prompt holds every part of its question, offers all answers,
    and ends before the answer.
    """
    instance = load_instances(task)[0]
    for phrasing in load_phrasings(task, sources=[PARAPHRASES]):
        prompt = render_prompt(task, phrasing, instance)
        shown = (
            prompt.text
            if phrasing.position != "inline"
            else prompt.text + instance.fields["question"]
        )
        assert all(part in shown for part in instance.fields["question"].split("\n"))
        assert prompt.text.endswith(phrasing.cue)
        assert len(prompt.continuations) == len(instance.choices)
        assert "{{" not in prompt.text


@pytest.mark.parametrize("family", FAMILIES)
def test_inline_phrasings_carry_the_whole_question(family: str) -> None:
    """A phrasing that holds the slots itself shows every value that decides the answer."""
    task = load_task(f"procedural/{family}")
    instance = load_instances(task)[0]
    needed = {"rewrite": ("left", "right", "string")}.get(family, FAMILIES[family].slots)
    inline = [
        item for item in (*phrasings(family), *paraphrases(family)) if item.position == "inline"
    ]

    assert inline
    for phrasing in inline:
        assert all(
            instance.fields[slot] in render_prompt(task, phrasing, instance).text for slot in needed
        )
