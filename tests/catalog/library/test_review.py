"""Wordings in three classes: what is held against what, who is called changed,
and what the command prints.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.catalog.library import fitted, review
from evalkit.catalog.library.likelihood import likelihood_named, likelihood_signals, nats
from evalkit.catalog.library.validators import fitted_validator
from evalkit.cli.main import invoke
from evalkit.cli.phrasings_check import measured
from evalkit.errors import BackendError, UsageError
from evalkit.records import Phrasing

TEXTS = {
    "one": "Trace the walk and say whether it ends where it began. Reply Yes or No.",
    "near": "Trace the walk and state whether it ends where it began. Reply Yes or No.",
    "other": "Trace the walk and say whether it turns where it began. Explain why. Reply True or False.",  # noqa: E501
}


def written(tmp_path: Path, **texts: str) -> Path:
    """A phrasing file for one task with these texts, all but the first made from it."""
    path = tmp_path / "mine.yaml"
    lines = ["tasks: [bbh/navigate]", "defaults: {source: mine, layout: none, label_space: text}"]
    lines.append("phrasings:")
    for place, (name, text) in enumerate(texts.items()):
        of = ", of: one" if place else ""
        lines.append(f"  - {{id: {name}, text: {json.dumps(text)}{of}}}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_three_classes_by_two_thresholds():
    """At least the stricter threshold: kept; below the looser: changed; between: for a person."""
    for name in ("rules", "encoder", "model"):
        fit = fitted.fit_named(name)
        low, high = fit.thresholds["few refused"], fit.thresholds["few passed"]

        assert fitted.classified(fit, high) == "kept"
        assert fitted.classified(fit, (low + high) / 2) == "look"
        assert fitted.classified(fit, low - 1e-6) == "changed"


def test_every_combination_says_how_often_its_classes_are_right():
    """Rates are of pairs kept for judging; most good texts are called kept, less than one in ten
    of either sort is called wrongly, and what was not measured is said.
    """
    good, bad = 64, 96
    for name in ("rules", "encoder", "model"):
        rates = fitted.fit_named(name).rates

        assert [sum(rates[side].values()) for side in ("good", "bad")] == [good, bad]
        assert rates["good"]["kept"] / good > 0.7
        assert rates["bad"]["kept"] / bad < 0.1
        assert rates["good"]["changed"] / good < 0.06
    assert "not been measured" in measured({})


def test_other_labels_are_a_change_and_a_synonym_is_not(tmp_path: Path, capsys):
    """The origin named is what a text is held against; exit code 2 says that something changed."""
    code = invoke(["phrasings", "check", str(written(tmp_path, **TEXTS)), "--json"])
    found = {one["id"]: one for one in json.loads(capsys.readouterr().out)["phrasings"]}

    assert code == 2
    assert found["near"]["of"] == found["other"]["of"] == "one"
    assert found["other"]["called"] == "changed"
    assert found["near"]["called"] != "changed"
    assert found["near"]["chance"] > found["other"]["chance"]


def test_a_text_without_origin_is_held_against_the_one_most_like_it(tmp_path: Path, capsys):
    """The library's own wordings of the task count too; the last line says what was measured."""
    code = invoke(["phrasings", "check", str(written(tmp_path, only=TEXTS["near"]))])
    said = capsys.readouterr().out

    assert code == 0
    assert "bbh-navigate-" in said
    assert "Measured on 64 good and 96 bad texts" in said


def test_a_text_without_origin_is_never_called_changed():
    """It may take another approach: labels left to the listing are for a person to look at."""
    made = Phrasing(id="a", text="Where does the walk end?", source="mine", tasks=("bbh/navigate",))
    (found,) = review.review([made])

    assert found.called == "look"
    assert found.chance < fitted.fit_named("rules").thresholds["few refused"]


def test_without_another_wording_a_person_has_to_look():
    """Nothing is known of a text alone, so it is neither kept nor changed."""
    alone = Phrasing(id="a", text="Pick one.", source="mine")
    (found,) = review.review([alone])

    assert (found.called, found.of) == ("look", "")
    assert "no other wording" in found.why


def cost(context: str, texts: list[str]) -> list[float]:
    """A model that pays 3 nats a word, and 1 for words that stand in the context."""
    known = context.split()
    return [sum(1.0 if word in known else 3.0 for word in text.split()) for text in texts]


def test_likelihoods_are_asked_alone_and_after_the_original():
    """Three numbers a text: both alone, and the changed one after its original."""
    found = nats(cost, "Pick one {{ word }}.", ["Take one {{ word }}.", "Take it."])

    assert found == [(9.0, 9.0, 5.0), (9.0, 6.0, 6.0)]


def test_a_text_that_costs_more_than_its_original_is_a_sign():
    """Signs are never below 0, and a copy at equal cost has none of grammar."""
    worse = likelihood_signals((20.0, 40.0, 30.0), "Pick one of them.", "Pick of one them.")
    same = likelihood_signals((20.0, 20.0, 2.0), "Pick one of them.", "Pick one of them.")

    assert worse["costs more a word"] > 3.0 - 1e-9 > same["costs more a word"] == 0.0
    assert min(*worse.values(), *same.values()) >= 0.0


def test_a_language_model_needs_the_encoder_and_log_probabilities():
    """What is missing is named, with what to add."""
    with pytest.raises(UsageError, match="Add --encoder minilm"):
        fitted_validator(likelihood=cost)
    with pytest.raises(UsageError, match="BACKEND:NAME is"):
        likelihood_named("gpt")


def test_a_backend_without_log_probabilities_is_named(monkeypatch):
    """What the backend said is in the message."""
    from types import SimpleNamespace

    from evalkit.catalog.library import likelihood

    silent = SimpleNamespace(
        run=lambda asks: [[SimpleNamespace(logprobs=(), error="text only")] for _ in asks]
    )
    monkeypatch.setattr(likelihood.BACKENDS, "load", lambda kind: lambda spec: silent)
    likelihood_named.cache_clear()
    with pytest.raises(BackendError, match=r"scripted:mute: gives no log-probabilities.*text only"):
        likelihood_named("scripted:mute")("x", ["y"])
    likelihood_named.cache_clear()
