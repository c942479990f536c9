"""Deaf, obedient and perfect models on whole suites: what must come out is known on paper."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

import evalkit
from evalkit.records import Source, Task
from evalkit.scoring import ScoreTable

KINDS = ["correct", "wrong", "null", "opposite", "negated"]
ROOT = Path(__file__).parents[2]
REWRITINGS = list(runpy.run_path(str(ROOT / "benchmarks" / "rewritings.py"))["REWRITINGS"])
OFFLINE = ("quickstart", "procedural")
WITH_DATA = ("bbh", "bigbench", "mmlu", "superni", "robustness", "ladder")


def estimates(model: str, out: Path, **given: object):
    """Return the estimates per task of a small run."""
    found = evalkit.run(
        f"scripted:{model}",
        kinds=KINDS,
        tuned_on="evalkit",
        out=out,
        no_report=True,
        quiet=True,
        resamples=100,
        **given,
    ).estimates
    return found[found.task != "all"]


def check(out: Path, **given: object) -> None:
    """Hold the three models to what must come out."""
    deaf = estimates("deaf", out / "deaf", **given)
    obeys = estimates("obeys", out / "obeys", **given)
    perfect = estimates("perfect", out / "perfect", **given)
    reliance = [one[one.metric.str.startswith("reliance")] for one in (deaf, obeys)]

    assert set(reliance[0].value) == {0.0}
    assert set(reliance[1].value) == {1.0}
    assert {name.removeprefix("reliance_") for name in reliance[0].metric} >= set(KINDS[1:])
    assert set(perfect[perfect.metric == "mean"].value) == {1.0}
    assert set(deaf[deaf.metric == "seen_wrong"].value) <= {0.0}
    assert set(obeys[obeys.metric == "seen_wrong"].value.dropna()) <= {-1.0}


@pytest.mark.parametrize("metric", ["exact_match", "rouge_l"])
def test_free_text_with_any_metric(tmp_path: Path, metric: str) -> None:
    """What an obedient model writes under a control shares no word with the answer,
    so overlap gives it nothing.
    """
    rows = [
        {"question": f"Name thing {n}.", "target": f"the not so big thing {n}"} for n in range(3)
    ]
    task = Task(
        name="things",
        benchmark="mine",
        reader="table",
        source=Source(options={"rows": rows}),
        kind="generate",
        metric=metric,
    )
    phrasings = [
        evalkit.Phrasing(id=name, text=text, source="mine", layout="none", label_space="text")
        for name, text in (("a", "Tell the name."), ("b", "Which thing is meant?"))
    ]
    for model, expected in (("deaf", 0.0), ("obeys", 1.0)):
        found = estimates(model, tmp_path / model, tasks=[task], phrasings=phrasings)
        assert set(found[found.metric.str.startswith("reliance")].value) == {expected}


@pytest.mark.slow
@pytest.mark.parametrize("suite", OFFLINE)
def test_suites_of_generated_data(tmp_path: Path, suite: str) -> None:
    """Every task, every kind of control."""
    check(tmp_path, suite=suite, limit=2, phrasings=3)


@pytest.mark.slow
@pytest.mark.parametrize("suite", WITH_DATA)
def test_suites_of_published_data(tmp_path: Path, suite: str) -> None:
    """The tasks whose data are there."""
    if not os.environ.get("EVALKIT_DATA"):
        pytest.skip("EVALKIT_DATA names no benchmark data")
    check(tmp_path, suite=suite, limit=2, phrasings=3, available=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "rewritings", "phrasings"),
    [
        (["procedural/*"], REWRITINGS, 3),
        (["procedural/comparison", "procedural/tracking"], ["order", "labels"], None),
    ],
)
def test_a_perfect_model_stays_perfect_under_every_rewriting_of_the_request(
    tmp_path: Path, tasks: list[str], rewritings: list[str], phrasings: int | None
) -> None:
    """Whatever happens to the words of the request, its answer is read and right,
    in every family; moved choices where a wording lists them.
    """
    run = evalkit.run(
        "scripted:perfect",
        tasks=tasks,
        limit=2,
        phrasings=phrasings,
        perturb=rewritings,
        out=tmp_path / "run",
        no_report=True,
        quiet=True,
        resamples=100,
    )
    frame = ScoreTable.read_parquet(run.path / "scores.parquet").frame
    made = {name.partition(":")[0] for name in frame["perturbation"].unique() if name}

    assert made == {one.partition(":")[0] for one in rewritings}
    assert frame["score"].min() == 1.0
