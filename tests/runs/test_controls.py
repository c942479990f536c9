"""Controls of a run: none that was asked for is missing, borrowed words keep their label, a deaf
model has no reliance.
"""

from __future__ import annotations

from collections import Counter

import pytest

import evalkit
from evalkit.catalog import load_phrasings, load_task
from evalkit.errors import UsageError
from evalkit.phrasings.perturb.controls import controls
from evalkit.records import ModelSpec, Phrasing, Suite
from evalkit.runs.choose import choose
from evalkit.runs.foreign import Foreign
from evalkit.runs.settings import Settings

FAMILIES = ("boolean", "counting", "navigation", "regex", "sorting", "tracking")
"""Procedural tasks with wordings that hold the instance inside quotation marks."""


def settings(tmp_path, kinds, *, model="scripted:deaf", tasks=None, **fields) -> Settings:
    """Return the settings of a small run."""
    backend, _, name = model.partition(":")
    spec = ModelSpec(backend=backend, name=name, tuned_on=fields.pop("tuned_on", ("evalkit",)))
    suite = Suite(
        name="s",
        tasks=tuple(tasks or [f"procedural/{name}" for name in FAMILIES]),
        kinds=("correct", *kinds),
        **{"limit": 4, **fields},
    )
    return Settings(model=spec, suite=suite, out=tmp_path / "run")


def test_a_wrong_control_has_the_label_of_the_words_it_borrows(tmp_path):
    """Words of the library are seen by a model that was tuned on it;
    other derived controls are not.
    """
    jobs, _ = choose(settings(tmp_path, ["wrong", "null"], limit=1, phrasings=2))

    for job in jobs:
        derived = [one for one in job.phrasings if one.kind != "correct" and one.of]
        labels = {(one.kind, job.seen[one.id]) for one in derived}
        assert labels == {("wrong", "seen"), ("null", "unseen")}


def test_wrong_can_be_made_for_one_task_alone(tmp_path):
    """The whole library is drawn from, not the run's own tasks, and never the task itself."""
    (job,), _ = choose(settings(tmp_path, ["wrong"], tasks=["procedural/sorting"], limit=1))
    own = {one.text for one in job.phrasings if one.kind == "correct"}
    borrowed = [one for one in job.phrasings if one.kind == "wrong"]

    assert borrowed
    assert not {one.text for one in borrowed} & own
    assert not [one.origin for one in borrowed if one.origin.startswith("procedural-sorting")]


def test_wrong_words_do_not_ask_the_same_by_accident():
    """Behind all others stand instructions whose words the task's own wordings use, and those in
    another language; those that share a label word are left out, whatever their case.
    """
    task = load_task("mmlu/anatomy")
    own = load_phrasings(task)
    model = ModelSpec(backend="scripted", name="x")
    foreign = Foreign(model, {task.id: own}, [task])
    others = {one.id: one for one in foreign.of(task)}
    place = foreign.rank(task)
    fit, same, arabic = (
        place(own[0], others[name])
        for name in ("bbh-geometric-shapes-006", "promptbench-mmlu-002", "xcopa-ar-03")
    )

    assert fit < 4 <= min(same, arabic)

    yes_or_no = load_task("bbh/navigate")
    foreign = Foreign(model, {yes_or_no.id: load_phrasings(yes_or_no)}, [yes_or_no])
    names = {one.id for one in foreign.of(yes_or_no)}
    assert "boolq-005" not in names
    assert "promptbench-cola-001" in names


def test_written_opposites_go_before_derived_ones(tmp_path):
    """Where people wrote an opposite no other is made;
    where nobody did, every phrasing gets one.
    """
    (job,), _ = choose(settings(tmp_path, ["opposite"], tasks=["procedural/regex"], limit=1))
    opposites = [one for one in job.phrasings if one.kind == "opposite"]

    assert opposites
    assert all(one.of is None for one in opposites)


def test_a_kind_that_cannot_be_made_is_an_error_that_names_the_tasks(tmp_path):
    """Kind, task, reason and remedy stand in the message."""
    tagged = Phrasing(
        id="tagged",
        text="{% if question %}{{ question }}{% endif %}",
        source="x",
        position="inline",
    )
    given = settings(tmp_path, ["null"], tasks=["procedural/sorting"], limit=1)
    with pytest.raises(
        UsageError,
        match=r"--kinds null: cannot be made for procedural/sorting \(.*Jinja tags.*\)\. Leave the kind out",  # noqa: E501
    ):
        choose(Settings(model=given.model, suite=given.suite, out=given.out, phrasings=(tagged,)))


def test_a_model_that_does_not_read_its_instruction_has_no_reliance(tmp_path):
    """Whatever the control, a deaf model scores as under the correct wordings, quoted slots
    included.
    """
    found = evalkit.run(
        "scripted:deaf",
        tasks=[f"procedural/{name}" for name in FAMILIES],
        kinds=["correct", "wrong", "null", "opposite", "negated"],
        limit=6,
        out=tmp_path / "run",
        quiet=True,
        no_report=True,
        resamples=100,
    ).estimates
    reliance = found[found.metric.str.startswith("reliance")]

    assert {"reliance", "reliance_null", "reliance_wrong"} <= set(reliance.metric)
    assert set(reliance.value) == {0.0}


def test_superni_tasks_get_the_controls_nobody_wrote():
    """Every correct phrasing of a SuperNI task,
    which has no written control, gets an opposite and a negated one.
    """
    task = load_task("superni/task391_causal_relationship")
    own = load_phrasings(task)
    made, refused = controls(task, own, [], seed=0, kinds=["opposite", "negated"])

    assert {one.kind for one in own} == {"correct"}
    assert refused == []
    assert Counter(one.kind for one in made) == {"opposite": len(own), "negated": len(own)}
