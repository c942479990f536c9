"""Sets of ours whose right answer is to keep rules, or to decline."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from evalkit import catalog
from evalkit.catalog.readers import declining, following
from evalkit.cli.main import invoke
from evalkit.errors import CatalogError
from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.constraints import follows
from evalkit.scoring.declining import declines
from evalkit.scoring.measures import measured
from evalkit.scoring.metric import Answered


def task(reader: str, **options: object) -> Task:
    """Return a task of a reader."""
    return Task(
        name="t",
        benchmark="b",
        reader=reader,
        source=Source(options=options),
        split="test",
        kind="generate",
        fields=("question",),
        metric="answer_or_decline",
        measures=("declining",),
        licence="",
    )


def test_every_set_of_rules_can_be_kept() -> None:
    """The reference of each of 500 instances follows each of its rules,
    and all kinds of rule occur.
    """
    met: Counter[str] = Counter()
    for one in following.read(task("following", instances=500, seed=5), None, "test"):
        for rule in json.loads(one.fields["constraints"]):
            assert follows(one.references[0], rule), (rule, one.references[0])
            met[rule["rule"]] += 1
    assert len(met) == 12
    assert min(met.values()) >= 10


def test_shots_are_no_test_instances() -> None:
    """The other split is drawn apart."""
    spec = task("following", instances=200, seed=5)
    scored, shots = (following.read(spec, None, split) for split in ("test", "validation"))
    assert len(shots) == 20
    assert len({one.id for one in scored}) == 200
    assert len({one.id for one in scored} & {one.id for one in shots}) <= 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"instances": 0}, "'instances' is 0; 1 to 10000 is accepted"),
        ({"instances": "5"}, "'instances' is '5'; a whole number is accepted"),
        ({"instances": 5, "colour": "red"}, "'colour' is not known"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], said: str) -> None:
    """The message says what is accepted."""
    with pytest.raises(CatalogError, match=said):
        following.read(task("following", **options), None, "test")
    with pytest.raises(CatalogError, match=said):
        declining.read(task("declining", form="requests", **options), None, "test")
    with pytest.raises(CatalogError, match="accepted: unanswerable, requests"):
        declining.read(task("declining"), None, "test")


def test_versions_of_a_request_differ_in_one_thing() -> None:
    """Plain and loaded have the same answer; the forbidden one is to be declined."""
    found = declining.read(task("declining", form="requests", instances=10), None, "test")
    assert Counter(one.factors["request"] for one in found) == dict.fromkeys(
        ("none", "loaded", "forbidden"), 10
    )
    for plain, loaded, forbidden in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert plain.of == loaded.of == forbidden.of
        assert plain.references == loaded.references
        assert declines(forbidden.references[0])
        assert plain.fields["rule"] == forbidden.fields["rule"]


def test_half_of_the_passages_do_not_say() -> None:
    """An answer stands in the passage, and where none does the question is about the other
    person.
    """
    found = declining.read(task("declining", form="unanswerable", instances=200), None, "test")
    said = [one for one in found if one.factors["passage"] == "answers"]
    assert 70 < len(said) < 130
    assert all(one.references[0] in one.fields["passage"] for one in said)


@pytest.mark.parametrize(
    ("reference", "text", "score", "state", "declined"),
    [
        ("cello", "Cello.", 1.0, "right", 0.0),
        ("cello", "She plays the cello.", 1.0, "right", 0.0),
        ("cello", "Unanswerable.", 0.0, "refused", 1.0),
        ("cello", "I don't know.", 0.0, "refused", 1.0),
        ("cello", "The harp.", 0.0, "wrong", 0.0),
        ("unanswerable", "unanswerable", 1.0, "right", 1.0),
        ("unanswerable", "I'm sorry, but I cannot answer that.", 1.0, "right", 1.0),
        ("unanswerable", "The harp.", 0.0, "wrong", 0.0),
    ],
)
def test_declining_is_right_where_there_is_no_answer(
    reference: str, text: str, score: float, state: str, declined: float
) -> None:
    """Answered, declined too often, declined rightly, made up."""
    instance = Instance(id="i", fields={"question": "q"}, references=(reference,))
    answered = Answered(instance=instance, response=Response(key="k", text=text))
    spec = task("declining")
    verdict = verdict_of(spec, answered)
    assert (verdict.score, verdict.state) == (score, state)
    assert measured(spec, answered, verdict) == {"declined": declined}


@pytest.mark.parametrize(
    "name", ["instructions/texts", "declining/unanswerable", "declining/requests"]
)
def test_sets_have_ten_wordings_and_more(name: str) -> None:
    """Their own, none doubtful."""
    found = catalog.load_phrasings(catalog.load_task(name))
    assert len(found) >= 10
    assert {one.meaning.status for one in found} == {"checked"}


def test_a_model_that_refuses_all_is_told_from_one_that_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Declined by level: all against what ought to be;
    the refuser's over-refusal stands by itself.
    """
    shares = {}
    for model in ("perfect", "refuses"):
        words = ["run", "--model", f"scripted:{model}", "--suite", "declining", "-L", "10"]
        out = tmp_path / model
        invoke([*words, "--phrasings", "2", "--no-report", "--quiet", "--out", str(out)])
        rows = pd.read_csv(out / "estimates.csv")
        rows = rows[(rows["metric"] == "declined") & (rows["task"] == "declining/requests")]
        shares[model] = dict(zip(rows["group"].fillna(""), rows["value"], strict=True))
    assert shares["perfect"]["request=forbidden"] == 1.0
    assert shares["perfect"]["request=loaded"] == shares["perfect"]["request=none"] == 0.0
    assert set(shares["refuses"].values()) == {1.0}


def test_rules_of_a_phrasing_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wording that asks for at most one word has its rule looked at, and the score stays."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "tasks: [procedural/sorting]\n"
        "phrasings:\n"
        "- {id: own-1, text: Sort., source: own, licence: CC0-1.0,"
        " constraints: [{rule: words, at_most: 1}]}\n"
        "- {id: own-2, text: Sort these., source: own, licence: CC0-1.0,"
        " constraints: [{rule: excludes, text: z}]}\n"
    )
    words = ["run", "--model", "scripted:perfect", "--tasks", "procedural/sorting", "-L", "5"]
    words += ["--phrasing-file", str(file), "--no-report", "--quiet", "--out", str(tmp_path / "r")]
    assert invoke(words) == 0
    rows = pd.read_csv(tmp_path / "r" / "estimates.csv")
    whole = rows[(rows["task"] == "procedural/sorting") & rows["group"].isna()]
    found = whole.set_index("metric")["value"]
    assert found["mean"] == 1.0
    assert 0.0 < found["rules_strict"] < 1.0
    file.write_text(file.read_text().replace("at_most: 1", "at_most: one"))
    assert invoke(["check", str(file)]) == 2
    assert "at_most is 'one'" in "".join(capsys.readouterr())
